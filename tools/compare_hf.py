#!/usr/bin/env python3
"""Batches of `peftgrid bench` through transformers + peft: what `peftgrid bench EXPERIMENT --compare-hf PYTHON` calls.

    PYTHON compare_hf.py --check --out OUT.json                 are the packages there?
    PYTHON compare_hf.py --work WORK.json --out OUT.json        run the batches

WORK.json: {"model": FOLDER with config.json, "labels": n, "threads": n, "phase": "train" | "evaluate",
"method": "lora" | "full_ft" | "none", "sites": [names of layers], "rank": r, "alpha": a, "dropout": p,
"precision": "f32" | "bf16", "micro_batch": n, "clip": norm,
"batches": [{"ids": [[...], ...], "types": [[...], ...] or null}, ...]}.
Weights are drawn at random: speed does not depend on them. Every batch, or micro-batch of it, is padded to its longest
sequence. The first batch is run once more before time counts. bf16 is torch's autocast.

OUT.json: {"seconds": [of each batch], "peak_bytes": n, "threads": n, "versions": text}, or {"error": text}.
Needs torch, transformers and peft.
"""
import argparse
import json
import resource
import time


def build(work, torch):
    from transformers import AutoConfig, AutoModelForSequenceClassification

    config = AutoConfig.from_pretrained(work["model"], num_labels=work["labels"])
    model = AutoModelForSequenceClassification.from_config(config).float()
    if work["method"] == "lora":
        from peft import LoraConfig, get_peft_model

        return get_peft_model(model, LoraConfig(task_type="SEQ_CLS", r=work["rank"], lora_alpha=work["alpha"],
                                                lora_dropout=work["dropout"], target_modules=work["sites"])), config
    if work["method"] == "none":
        for name, p in model.named_parameters():
            p.requires_grad = name.startswith(("classifier", "pooler", "score"))
    return model, config


def tensors(ids, types, pad, torch):
    longest = max(len(s) for s in ids)

    def padded(rows, value):
        return torch.tensor([s + [value] * (longest - len(s)) for s in rows], dtype=torch.long)

    x = {"input_ids": padded(ids, pad), "attention_mask": padded([[1] * len(s) for s in ids], 0)}
    if types:
        x["token_type_ids"] = padded(types, 0)
    return x


def parts(batch, most, pad, torch):
    """The batch as one dictionary of tensors a micro-batch of at most `most` examples."""
    ids, types = batch["ids"], batch["types"]
    return [tensors(ids[i:i + most], types and types[i:i + most], pad, torch) for i in range(0, len(ids), most)]


def run(work):
    import peft
    import torch
    import transformers

    torch.set_num_threads(work["threads"])
    torch.manual_seed(1)
    model, config = build(work, torch)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-4)
    model.train(work["phase"] == "train")

    def forward(**x):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=work["precision"] == "bf16"):
            return model(**x)

    def step(micro_batches):
        if work["phase"] == "evaluate":
            with torch.no_grad():
                for x in micro_batches:
                    forward(**x)
            return
        n = sum(x["input_ids"].shape[0] for x in micro_batches)
        for x in micro_batches:
            rows = x["input_ids"].shape[0]
            (forward(**x, labels=torch.zeros(rows, dtype=torch.long)).loss * (rows / n)).backward()
        if work["clip"] > 0:
            torch.nn.utils.clip_grad_norm_(trained, work["clip"])
        optimizer.step()
        optimizer.zero_grad()

    def most(batch):
        return work["micro_batch"] if work["phase"] == "train" and work["micro_batch"] > 0 else len(batch["ids"])

    batches = [parts(b, most(b), config.pad_token_id or 0, torch) for b in work["batches"]]
    step(batches[0])
    seconds = []
    for x in batches:
        start = time.perf_counter()
        step(x)
        seconds.append(time.perf_counter() - start)
    return {"seconds": seconds, "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            "threads": torch.get_num_threads(),
            "versions": f"torch {torch.__version__}, transformers {transformers.__version__}, peft {peft.__version__}"}


def check():
    import peft
    import torch
    import transformers

    return {"versions": f"torch {torch.__version__}, transformers {transformers.__version__}, peft {peft.__version__}"}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--check", action="store_true")
    p.add_argument("--work")
    p.add_argument("--out", required=True)
    args = p.parse_args()
    try:
        if args.check:
            out = check()
        else:
            with open(args.work, encoding="utf-8") as f:
                out = run(json.load(f))
    except Exception as e:  # whatever it is, the caller is told in one line
        out = {"error": f"{type(e).__name__}: {e}"}
    with open(args.out, "w", encoding="utf-8") as f:
        json.dump(out, f)


if __name__ == "__main__":
    main()
