# What check foresees of B-LoRA's gates: stages, schedule, forms.
. "$CASES/common.inc"
ini 'methods = blora, staged, ranks, high' '[train]' 'lr = 1e-3' 'epochs = 3' 'max_train = 320' 'batch = 16' \
    '[row staged]' 'method = blora' 'form = q' 'phi = 2' 'gate_lr = 0.3' 'gates_open = 0.4' 'gates_fixed = 0.3' \
    '[row ranks]' 'method = blora' 'form = ra' 'xi = 0' 'gate_lr = 0.05, 0.02' \
    '[row high]' 'method = blora' 'schedule = constant' 'gate_lr = 0.12'
try check x.ini --fast | grep -v '^model mini'
