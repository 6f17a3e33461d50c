#!/bin/sh
# run.sh: the program under valgrind's memcheck: a grid, its table, its merged file, an inspection. Any error, and any
# definite leak, of the driver or of a cell is a failure.
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
program=${PEFTGRID:-$root/build/release/peftgrid}
if ! command -v valgrind >/dev/null; then
    echo "SKIP valgrind: it is not installed"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
cat >x.ini <<'I'
[experiment]
model = mini
tasks = mini_cola
seeds = 1
methods = lora, adalora, blora, qdylora, full_ft
[train]
steps = 2
eval_steps = 1
batch = 4
max_train = 8
max_dev = 6
lr = 1e-3
threads = 1
save_adapter = yes
I
passed=0 failed=0
check() { # check WORDS...: peftgrid with these words
    valgrind -q --error-exitcode=99 --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite \
        --num-callers=30 --log-file="$work/log.%p" "$program" "$@" >out 2>&1
    rc=$?
    cat log.* >log
    rm -f log.*
    if [ $rc = 0 ] && [ ! -s log ]; then
        echo "PASS valgrind: peftgrid $1"
        passed=$((passed + 1))
    else
        tail -n 5 out
        head -n 60 log
        echo "FAIL valgrind: peftgrid $1: exit code $rc"
        failed=$((failed + 1))
    fi
}
check run x.ini --runs runs --cache cache
check table x.ini --runs runs
check merge all.h5 runs/x
check inspect all.h5
echo "$passed passed, $failed failed, 0 skipped"
[ $failed = 0 ]
