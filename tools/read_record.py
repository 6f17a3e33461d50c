#!/usr/bin/env python3
"""Prints a record, or the records of a merged file, with h5py and numpy alone, and checks them: the seal, the content
hashes and HDF5's own checksums.

    tools/read_record.py FILE.h5 [PATH ...]    PATH: "train/loss", "scores": only items that begin so; arrays in full

The form of the file and of the hash is in docs/RESULTS_SCHEMA.md. Nothing here uses the C program.
"""
import hashlib
import struct
import sys

import h5py
import numpy as np

SEAL = 512


def text(value):
    return bytes(value).decode("utf-8", "replace")


def items(f):
    """{path: value}: str, int, float, list of str or array; in byte order of the paths."""
    found = {}

    def take(path, value):
        value = np.asarray(value)
        if value.dtype.kind == "S":
            found[path] = text(value[()]) if value.ndim == 0 else [text(v) for v in value]
        elif value.ndim == 0:
            found[path] = value[()].item()
        else:
            found[path] = value

    def visit(name, node):
        for key, value in node.attrs.items():
            take(f"{name}/{key}", value)
        if isinstance(node, h5py.Dataset):
            take(name, node[()])

    f.visititems(visit)
    return dict(sorted(found.items(), key=lambda kv: kv[0].encode()))


def content_hash(found):
    h = hashlib.sha256()
    u64 = lambda v: h.update(struct.pack("<Q", v))

    def string(s):
        u64(len(s.encode()))
        h.update(s.encode())

    for path, value in found.items():
        if path.startswith("environment/"):
            continue
        string(path)
        if isinstance(value, (str, list)):
            values = [value] if isinstance(value, str) else value
            h.update(b"s0" if isinstance(value, str) else b"s1")
            if isinstance(value, list):
                u64(len(value))
            for v in values:
                string(v)
            continue
        array = np.asarray(value)
        kind = "i" if array.dtype.kind == "i" else "r"
        h.update(f"{kind}{array.ndim}".encode())
        for n in array.shape:
            u64(n)
        if kind == "r":
            array = array.astype("<f8").reshape(-1).view("<u8").copy()
            array[np.isnan(array.view("<f8"))] = 0x7FF8000000000000
            h.update(array.tobytes())
        else:
            h.update(array.astype("<i8").tobytes())
    return h.hexdigest()


def check_seal(path):
    with open(path, "rb") as f:
        seal, rest = f.read(SEAL), f.read()
    lines = seal.decode("ascii", "replace").split("\n")
    if lines[0] not in ("peftgrid record 1", "peftgrid records 1"):
        sys.exit(f"{path}: not a record")
    if len(rest) != int(lines[1].split()[1]):
        sys.exit(f"{path}: cut off: {len(rest)} bytes after the seal")
    if hashlib.sha256(rest).hexdigest() != lines[2].split()[1]:
        sys.exit(f"{path}: damaged: SHA-256 differs from its seal")
    return lines[0]


def unmerge(found):
    """{path: value} of each record of a merged file."""
    part = {name.split("/")[1]: value for name, value in found.items()}
    records = [{} for _ in part["ids"]]
    for record, path, d0, d1, d2, place in part["index"]:
        kind, rank = part["types"][path]
        shape = (d0, d1, d2)[: int(rank)]
        n = int(np.prod(shape, dtype=int))
        values = part["reals" if kind == "r" else "ints"][place : place + n]
        if kind == "s":
            value = [part["strings"][i] for i in values]
            value = value if rank == "1" else value[0]
        else:
            value = values.reshape(shape) if shape else values[0].item()
        records[record][part["paths"][path]] = value
    return records


def show(found, wanted):
    for key, value in found.items():
        if not wanted or any(key == w or key.startswith(w + "/") for w in wanted):
            print(key, repr(value) if isinstance(value, (str, list)) else value)


def main(path, *wanted):
    form = check_seal(path)
    with h5py.File(path, "r") as f:
        found = items(f)
        stored = text(f.attrs["content_hash"])
    if content_hash(found) != stored:
        sys.exit(f"{path}: content hash {content_hash(found)}, stored {stored}")
    print("content_hash", stored)
    np.set_printoptions(threshold=sys.maxsize if wanted else 8, linewidth=120)
    if form == "peftgrid record 1":
        return show(found, wanted)
    for id, hash, record in zip(found["merged/ids"], found["merged/hashes"], unmerge(found)):
        if content_hash(record) != hash:
            sys.exit(f"{path}: record {id}: content hash {content_hash(record)}, stored {hash}")
        print("\nrecord", id)
        show(record, wanted)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(*sys.argv[1:])
