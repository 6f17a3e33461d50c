# verify: recorded cells again, a diverged one among them, out of a folder and out of a merged file of slim records.
. "$CASES/common.inc"
cat >x.ini <<'I'
[experiment]
model = mini
tasks = mini_sst2
seeds = 1
methods = none, lora, wild
[train]
lr = 1e-3
epochs = 1
max_train = 64
max_dev = 32
threads = 1
[row wild]
method = full_ft
schedule = constant
clip = 0
lr = 100
weight_decay = 100
batch = 4
I
peftgrid run x.ini --progress none >/dev/null 2>&1
short() { sed 's|[0-9a-f]\{64\}|ID|; s|content [0-9a-f]\{12\}|content HASH|; s|run [0-9a-f]\{12\}|run HASH|; s|would be [0-9a-f]*|would be ID|'; }
try verify runs/x --experiment x.ini 2>&1 | short
peftgrid merge slim.h5 runs/x >/dev/null
id=$(peftgrid inspect slim.h5 | awk '$5 == "none" { print $1 }')
try verify "slim.h5#$id" --experiment x.ini --threads 2 2>&1 | short
echo "--- what cannot be compared"
try verify "slim.h5#$id" 2>&1 | short
try verify slim.h5#zz --experiment x.ini
sed 's/^lr = 1e-3/lr = 2e-3/' x.ini >y.ini
try verify "slim.h5#$id" --experiment y.ini 2>&1 | short
try verify nowhere.h5 --experiment x.ini
cat >z.ini <<'I'
[experiment]
model = mini
tasks = mine
seeds = 1
methods = none
[train]
lr = 1e-3
epochs = 1
[task mine]
format = tsv
train = rows.tsv
dev = rows.tsv
text_a = text
label = y
label_names = no, yes
I
printf 'text\ty\nthe cat sleeps\tyes\nthe dog sleeps\tno\n' >rows.tsv
peftgrid run z.ini --progress none >/dev/null
try verify runs/z --experiment z.ini 2>&1 | short
printf 'text\ty\nthe cat sleeps\tno\nthe dog sleeps\tno\n' >rows.tsv
try verify runs/z --experiment z.ini 2>&1 | short
ls "${TMPDIR:-/tmp}" | grep peftgrid-verify
