#!/usr/bin/env python3
"""Dev accuracy of transformers + peft on a GLUE task, to set beside a run of ours with the same settings.

    python3 tools/score_hf.py --model DIR --task RTE --data GLUE_DIR --method lora --lr 1e-3 --seed 1

Settings as in bench/experiments/minilm_glue.ini: AdamW (torch's), weight decay except for biases and norms, linear schedule
with warm-up, clip 1, the checkpoint's dropout, LoRA on the six matrices of every layer. Prints one JSON line an epoch:
mean train loss, dev accuracy. Needs torch, transformers, peft.
"""
import argparse
import csv
import json
import math
import os
import random
import time

TEXT = {"RTE": ("sentence1", "sentence2"), "MRPC": ("#1 String", "#2 String"), "SST-2": ("sentence", None)}
LABEL = {"RTE": ("label", ["entailment", "not_entailment"]), "MRPC": ("Quality", ["0", "1"]), "SST-2": ("label", ["0", "1"])}
SITES = {"deberta-v2": ["query_proj", "key_proj", "value_proj", "attention.output.dense", "intermediate.dense", "output.dense"],
         "bert": ["query", "key", "value", "attention.output.dense", "intermediate.dense", "output.dense"]}


def read(folder, task, part):
    first, second = TEXT[task]
    column, names = LABEL[task]
    with open(os.path.join(folder, task, part + ".tsv"), encoding="utf-8-sig", newline="") as f:
        rows = list(csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [(r[first], r[second] if second else None, names.index(r[column])) for r in rows]


def decay_groups(model, decay):
    plain, bare = [], []
    for name, q in model.named_parameters():
        if q.requires_grad:
            (bare if name.endswith("bias") or "LayerNorm" in name else plain).append(q)
    return [{"params": plain, "weight_decay": decay}, {"params": bare, "weight_decay": 0.0}]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", required=True)
    p.add_argument("--task", default="RTE", choices=sorted(LABEL))
    p.add_argument("--data", required=True)
    p.add_argument("--method", default="lora", choices=["lora", "full_ft"])
    p.add_argument("--lr", type=float, required=True)
    p.add_argument("--epochs", type=int, default=3)
    p.add_argument("--batch", type=int, default=32)
    p.add_argument("--max-len", type=int, default=128)
    p.add_argument("--warmup", type=float, default=0.06)
    p.add_argument("--decay", type=float, default=0.01)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--threads", type=int, default=0)
    args = p.parse_args()

    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, get_linear_schedule_with_warmup

    if args.threads:
        torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    model = AutoModelForSequenceClassification.from_pretrained(args.model, num_labels=2)
    if args.method == "lora":
        sites = SITES[model.config.model_type]
        model = get_peft_model(model, LoraConfig(task_type="SEQ_CLS", r=8, lora_alpha=16, target_modules=sites))
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    train, dev = read(args.data, args.task, "train"), read(args.data, args.task, "dev")
    optimizer = torch.optim.AdamW(decay_groups(model, args.decay), lr=args.lr)
    total = args.epochs * math.ceil(len(train) / args.batch)
    schedule = get_linear_schedule_with_warmup(optimizer, math.ceil(args.warmup * total), total)

    def encode(part):
        pair = [b for _, b, _ in part] if part[0][1] is not None else None
        x = tokenizer([a for a, _, _ in part], pair, padding=True, truncation=True, max_length=args.max_len, return_tensors="pt")
        return x, torch.tensor([y for _, _, y in part])

    order, begin = random.Random(args.seed), time.time()
    for epoch in range(1, args.epochs + 1):
        order.shuffle(train)
        model.train()
        losses = []
        for at in range(0, len(train), args.batch):
            x, y = encode(train[at:at + args.batch])
            loss = model(**x, labels=y).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_([q for q in model.parameters() if q.requires_grad], 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            losses.append(loss.item())
        model.eval()
        right = 0
        with torch.no_grad():
            for at in range(0, len(dev), args.batch):
                x, y = encode(dev[at:at + args.batch])
                right += int((model(**x).logits.argmax(-1) == y).sum())
        print(json.dumps({"method": args.method, "task": args.task, "seed": args.seed, "epoch": epoch, "lr": args.lr,
                          "train_loss": round(sum(losses) / len(losses), 4), "dev_accuracy": round(100 * right / len(dev), 2),
                          "seconds": round(time.time() - begin)}), flush=True)


main()
