#!/bin/sh
# Makes the seeds in tests/fuzz/corpus that are no text. Run it after a change of a format that the program writes. The
# plain-* ones are the records without compression, so that a fuzzer's change of a value stays a value.
set -eu
cd "$(dirname "$0")/../.."
make -s build/release/tests/fuzz/make_seeds
build/release/tests/fuzz/make_seeds
for kind in record merged; do
    h5repack -f NONE -l CONTI "tests/fuzz/corpus/$kind/good-hdf5" "tests/fuzz/corpus/$kind/plain-hdf5"
done
