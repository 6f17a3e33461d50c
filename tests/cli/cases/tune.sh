# Values tried on tuning seeds, the best reported on others.
. "$CASES/common.inc"
ini 'methods = none, lora' 'tune = 101, 102' '[train]' 'lr = 1e-3' 'epochs = 2' 'max_train = 96' 'max_dev = 64' \
    'threads = 1' '[tune lora]' 'lr = 1e-6, 1e-2'
untimed() { sed 's/runs, [0-9]* s:/runs, T s:/; s/  *$//'; }
try check x.ini --fast | grep -v '^model mini'
echo "--- a part of the tuning runs"
{ try run x.ini --progress none --filter lora/mini_sst2/101,none; } 2>&1 | untimed
echo "--- all"
{ try run x.ini --progress none; } 2>&1 | untimed
peftgrid table x.ini | grep -E '^lora|^Tuned' | untimed
peftgrid table x.ini --tuning | grep '^lora'
try table runs/x --tuning
for f in runs/x/*.h5; do peftgrid inspect --full "$f" | grep -E '^  tuning ' | untimed; done
peftgrid run x.ini --dry-run | grep -c recorded
