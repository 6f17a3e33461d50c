#!/usr/bin/env python3
"""Speed of transformers + peft on the work that `peftgrid bench` measures, for comparison on one machine.

    python3 tools/compare_hf.py --model DIR --task RTE --data GLUE_DIR [--train | --eval] [--steps 6] [--threads 2]

--model: a Hugging Face folder with config.json and the tokenizer's files; weights are drawn at random when it has none.
LoRA r=8, alpha 16 on the six matrices of every layer, AdamW, batch 32 in random order. "Real tokens" are tokens that are
not padding; the first two steps are warm-up. Prints one JSON line: tokens/s (median and spread) and peak memory.
Needs torch, transformers, peft, sentencepiece.
"""
import argparse
import csv
import json
import os
import random
import resource
import statistics
import time

TEXT = {"RTE": ("sentence1", "sentence2"), "CoLA": (3, None), "MRPC": ("#1 String", "#2 String"), "SST-2": ("sentence", None)}
SITES = {"deberta-v2": ["query_proj", "key_proj", "value_proj", "attention.output.dense", "intermediate.dense", "output.dense"],
         "bert": ["query", "key", "value", "attention.output.dense", "intermediate.dense", "output.dense"]}


def texts(folder, task):
    a, b = TEXT[task]
    path = os.path.join(folder, task, "train.tsv")
    with open(path, encoding="utf-8-sig", newline="") as f:
        rows = list(csv.reader(f, delimiter="\t", quoting=csv.QUOTE_NONE))
    if isinstance(a, int):
        return [(r[a], None) for r in rows]
    head = rows[0]
    return [(r[head.index(a)], r[head.index(b)] if b else None) for r in rows[1:] if len(r) == len(head)]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", required=True)
    p.add_argument("--task", default="RTE", choices=sorted(TEXT))
    p.add_argument("--data", required=True)
    p.add_argument("--eval", action="store_true")
    p.add_argument("--train", action="store_true")
    p.add_argument("--full", action="store_true", help="full fine-tuning instead of LoRA")
    p.add_argument("--steps", type=int, default=6)
    p.add_argument("--batch", type=int, default=32)
    p.add_argument("--max-len", type=int, default=320)
    p.add_argument("--threads", type=int, default=0)
    p.add_argument("--bf16", action="store_true", help="bf16 autocast")
    args = p.parse_args()

    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

    if args.threads:
        torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    config = AutoConfig.from_pretrained(args.model, num_labels=2)
    has_weights = any(n.endswith((".safetensors", ".bin")) for n in os.listdir(args.model))
    build = AutoModelForSequenceClassification
    model = build.from_pretrained(args.model, config=config) if has_weights else build.from_config(config)
    if not args.full:
        model = get_peft_model(model, LoraConfig(task_type="SEQ_CLS", r=8, lora_alpha=16, target_modules=SITES[config.model_type]))
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    rows = texts(args.data, args.task)
    random.Random(1).shuffle(rows)
    optimizer = torch.optim.AdamW([q for q in model.parameters() if q.requires_grad], lr=1e-4)
    model.train(not args.eval)
    rates = []
    for step in range(args.steps + 2):
        part = rows[step * args.batch:(step + 1) * args.batch]
        pair = [b for _, b in part] if part[0][1] is not None else None
        x = tokenizer([a for a, _ in part], pair, padding=True, truncation=True, max_length=args.max_len, return_tensors="pt")
        real = int(x["attention_mask"].sum())
        y = torch.zeros(len(part), dtype=torch.long)
        start = time.perf_counter()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=args.bf16):
            if args.eval:
                with torch.no_grad():
                    model(**x)
            else:
                model(**x, labels=y).loss.backward()
                torch.nn.utils.clip_grad_norm_([q for q in model.parameters() if q.requires_grad], 1.0)
                optimizer.step()
                optimizer.zero_grad()
        if step >= 2:
            rates.append(real / (time.perf_counter() - start))
    print(json.dumps({"work": "eval" if args.eval else "full" if args.full else "lora", "task": args.task,
                      "tokens_per_s": round(statistics.median(rates), 1), "min": round(min(rates), 1), "max": round(max(rates), 1),
                      "steps": args.steps, "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
                      "torch": torch.__version__, "threads": torch.get_num_threads()}))


if __name__ == "__main__":
    main()
