# A cell that diverges does not stop the rest; it is recorded, told again and makes exit code 1.
. "$CASES/common.inc"
cat >x.ini <<'I'
[experiment]
model = mini
tasks = mini_sst2
seeds = 1
methods = good, bad, none
[train]
epochs = 1
max_train = 64
max_dev = 32
lr = 1e-3
threads = 1
[row good]
method = full_ft
[row bad]
method = full_ft
schedule = constant
clip = 0
lr = 100
weight_decay = 100
batch = 4
I
try run x.ini --progress none
try run x.ini --progress plain 2>&1 | sed 's| after [0-9.]* s||; s| in [0-9.]* s||' >&2
ls x.ini runs/x | grep -c h5
