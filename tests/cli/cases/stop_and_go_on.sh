# Signals and limits: a stopped grid keeps the state of running cells, a limit of time too, a damaged checkpoint is told
# of and the one before taken; in the end the record is that of an undisturbed run.
. "$CASES/common.inc"
ini 'name = x' 'methods = lora' '[train]' 'lr = 1e-3' 'epochs = 150' 'max_train = 64' 'max_dev = 16' 'eval_steps = 100' \
    'threads = 1' 'checkpoint_minutes = 0'
(cat x.ini && echo 'time_limit = 1e-9') >limit.ini
(cat x.ini && echo 'memory_limit = 1') >small.ini
hash() { peftgrid inspect --hash "$1"/x/*.h5 | cut -d ' ' -f 1; }
left() { find parts/x -name '*.*' | sed 's/.*\/[0-9a-f]*\././' | grep -v journal | sort | tr '\n' ' ' && echo; }
# When a signal comes, and how long things take, is no part of the result.
plain() { grep -v 'step [0-9]* of 300, loss' | sed 's/step [1-9][0-9]* of/step N of/; s/[0-9a-f]\{64\}/ID/; s/ after [0-9.]* s:/ after T:/; s/ in [0-9.]* .*/ in T/'; }
peftgrid run x.ini --quiet --runs whole
echo "--- SIGTERM"
peftgrid run x.ini --progress plain --runs parts >out 2>err &
pid=$!
n=0
while [ $n -lt 1200 ] && ! grep -qs started parts/x/journal.jsonl; do
    sleep 0.05
    n=$((n + 1))
done
kill -TERM $pid
wait $pid
echo "exit $?"
cat out
plain <err
left
echo "--- time_limit"
peftgrid run limit.ini --progress plain --runs parts 2>&1 | plain
left
echo "--- damage"
printf 'XXXX' | dd of="$(ls parts/x/*.ckpt)" bs=1 seek=5000 conv=notrunc 2>/dev/null
peftgrid run limit.ini --progress plain --runs parts 2>&1 | plain | grep notice
echo "--- memory_limit"
peftgrid run small.ini --progress plain --runs small 2>&1 | plain | sed 's/: deberta[^:]*: out/: out/; s/memory: [0-9]* bytes for .* would/memory: N bytes for X would/'
echo "--- the rest"
peftgrid run x.ini --progress plain --runs parts 2>&1 | plain
left
[ "$(hash whole)" = "$(hash parts)" ] && echo "the same result"
