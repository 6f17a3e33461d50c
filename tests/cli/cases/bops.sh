# Bit operations of methods, rows and records; where the published percentages come from.
. "$CASES/common.inc"
peftgrid bops --derive
echo "--- methods"
peftgrid bops lora rank=2 sites=qkv
peftgrid bops qlora rank=4 --length 128 | sed -n '/^ffn_in/p; /^asked/p'
peftgrid bops houlsby --layers | grep 'layer 11' | tail -n 3
peftgrid bops adalora rank=12 target_rank=8 --format csv | grep -c '^'
echo "--- a run"
ini 'methods = blora' '[train]' 'lr = 1e-3' 'epochs = 1' 'max_train = 64' 'max_dev = 32' 'threads = 1' \
    '[row blora]' 'form = qra' 'gate_lr = 1' 'phi = 3' 'xi = 3' 'batch = 4'
peftgrid bops x.ini | tail -n 9
peftgrid run x.ini --progress none
peftgrid bops runs/x/*.h5
for f in runs/x/*.h5; do # the record says the same
    peftgrid inspect --full "$f" | grep -A 21 '^bops/main'
done
echo "--- mistakes"
try bops
try bops lorra
try bops lora rnk=2
try bops lora rank
try bops lora --variant rank=2
try bops x.ini lorra
try bops x.ini blora --task cola
try bops nothing.h5
try bops runs/x/*.h5 --variant rank=9
