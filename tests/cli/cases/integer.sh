# Integer fine-tuning: options where they belong and where not, what a record says, the adapter that remembers, a run that
# diverges.
. "$CASES/common.inc"
ini 'methods = integer' '[train]' 'lr = 1e-3' 'weight_bits = 1'
try check x.ini
ini 'methods = integer, none' '[train]' 'lr = 1e-3' 'weight_bits = 4'
try check x.ini
ini 'methods = lora' '[train]' 'lr = 1e-3' '[row lora]' 'precision = bf16' 'rounding = nearest'
try check x.ini
ini 'methods = integer, adapters, lost' '[train]' 'max_train = 64' 'max_dev = 32' 'epochs = 1' 'lr = 1e-3' 'threads = 1' \
    'precision = bf16' 'save_adapter = yes' '[row integer]' 'weight_bits = 6' \
    '[row adapters]' 'method = lora' 'store = int8' 'precision = dfp' 'rounding = nearest' \
    '[row lost]' 'method = integer' 'schedule = constant' 'clip = 0' 'lr = 100' 'weight_decay = 100' 'batch = 4'
try run x.ini --progress none 2>&1 | sed 's| at step [0-9]*||' >&2
for f in runs/x/*.h5; do
    peftgrid inspect "$f" | sed 's| at step [0-9]*||; s|, .*||' >told
    grep -E '^  (row|status|cause|method|arith|arith[.][a-z_]*|train.precision) ' told
    grep -q '^  status *ok' told || continue
    peftgrid evaluate "$f" --task mini_sst2 --max_examples 32 >apart || exit
    peftgrid evaluate "$f" --task mini_sst2 --max_examples 32 --eval_batch 5 | diff apart - && echo same in other batches
    peftgrid evaluate "$f" --precision fp8 2>&1 | sed 's|runs/x/[0-9a-f]*|RUN|'
done
