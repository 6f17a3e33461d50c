# Data that is missing, unreadable or broken: check and run name file, line and what was expected.
. "$CASES/common.inc"
exec 3>&2 2>err
exec 4>&1 >out
task() { # task LINES...: an experiment with a task of its own
    cat >x.ini <<'I'
[experiment]
model = mini
tasks = mine
seeds = 1
methods = none
[train]
lr = 1e-3
threads = 1
[task mine]
format = tsv
train = train.tsv
dev = dev.tsv
text_a = text
label = y
label_names = no, yes
I
    for line in "$@"; do printf '%s\n' "$line" >>x.ini; done
}
task
try check x.ini --fast
printf 'text\ty\nthe cat sleeps\tyes\nthe cat sleeps\tno\n' >train.tsv
try check x.ini --fast
printf 'text\ty\nthe cat sleeps\tyes\na dog\tmaybe\n' >dev.tsv
try check x.ini --fast
try run x.ini --progress none
printf 'text\tlabel\nthe cat sleeps\tyes\n' >dev.tsv
try check x.ini --fast
printf 'text\ty\nthe cat sleeps\tyes\na dog\tno\n' >dev.tsv
try check x.ini --fast
task 'lable_names = a, b'
try check x.ini --fast
task 'metric = accuracy, f2'
try check x.ini --fast
# Official data with a file that is not there.
mkdir -p glue/CoLA
cp train.tsv glue/CoLA/train.tsv
printf '[experiment]\nmodel = mini\ndata = glue\ntasks = cola, rte\nseeds = 1\nmethods = none\n[train]\nlr = 1\n' >x.ini
try check x.ini --fast
# A model folder that is not one.
mkdir model
echo '{"model_type": "bertt"}' >model/config.json
printf '[experiment]\nmodel = model\ntasks = mini_sst2\nseeds = 1\nmethods = none\n[train]\nlr = 1\n' >x.ini
try check x.ini --fast
if [ "$(id -u)" != 0 ]; then chmod 0 x.ini; else rm x.ini; mkfifo x.ini; fi
try check x.ini 2>&1 | sed 's|x.ini: .*|x.ini: not readable|' >&2
sed "s|$HOME|HOME|" err >&3
grep -v '^model mini' out >&4
