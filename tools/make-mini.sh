#!/bin/sh
# make-mini.sh [--check]: pre-trains the mini checkpoint anew (docs/MINI.md). Without --check it replaces the files in
# models/mini; with --check it compares with them and changes nothing. The result is the same bits on any machine, so a
# difference means that numerics, the mini language or the options below have changed.
set -eu
check=0
case ${1:-} in
'') ;;
--check) check=1 ;;
*)
    echo "usage: sh tools/make-mini.sh [--check]" >&2
    exit 2
    ;;
esac
program=${PEFTGRID:-build/peftgrid}
[ -x "$program" ] || { echo "make-mini.sh: $program is not built: run make first" >&2; exit 2; }
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
"$program" pretrain --config models/mini --out "$out" --dtype f16 --seed 1 --steps 3000 --batch 32 --lr 2e-3 \
    --warmup 200 --hidden-dropout 0 --attn-dropout 0
for f in model.safetensors vocab.txt tokenizer_config.json; do
    sum=$(sha256sum "$out/$f" | cut -d' ' -f1)
    if [ "$check" = 0 ]; then
        cp "$out/$f" "models/mini/$f"
        echo "models/mini/$f $sum"
    elif cmp -s "$out/$f" "models/mini/$f"; then
        echo "PASS mini $f $sum"
    else
        echo "FAIL mini $f: rebuilt $sum, committed $(sha256sum "models/mini/$f" | cut -d' ' -f1)"
        check=2
    fi
done
[ "$check" != 2 ]
