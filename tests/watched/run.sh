#!/bin/sh
# run.sh memcheck|memcheck-short|threads: the program under a tool that watches it. A grid on an encoder and on a decoder;
# memcheck also its table, its merged file, an inspection. Any error, and any definite leak, of the driver or of a cell is
# a failure.
#   memcheck        valgrind; some methods, one thread; the short form: fewer
#   threads         a ThreadSanitizer build ($PEFTGRID); every method, three threads
# Prints PASS or FAIL lines and last 'N passed, N failed, N skipped'.
set -u
form=$1
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
program=${PEFTGRID:-$root/build/release/peftgrid}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
case $form in
threads)
    watch=
    threads=3
    methods=$("$program" list methods | awk '{ print $1 }' | paste -sd, -)
    export TSAN_OPTIONS="exitcode=99 log_path=$work/log" OMP_NUM_THREADS=1
    ;;
*)
    if ! command -v valgrind >/dev/null; then
        echo "SKIP valgrind: it is not installed"
        echo "0 passed, 0 failed, 1 skipped"
        exit 0
    fi
    watch="valgrind -q --error-exitcode=99 --leak-check=full --show-leak-kinds=definite
        --errors-for-leak-kinds=definite --num-callers=30 --log-file=$work/log.%p"
    threads=1
    methods="lora, adalora, blora, qdylora, full_ft"
    [ "$form" = memcheck ] || methods="qdylora, blora"
    ;;
esac
cat >encoder.ini <<I
[experiment]
model = mini
tasks = mini_cola
seeds = 1
methods = $methods
[train]
steps = 2
eval_steps = 1
batch = 4
max_train = 8
max_dev = 6
lr = 1e-3
threads = $threads
save_adapter = yes
I
passed=0 failed=0
check() { # check NAME WORDS...: peftgrid with these words
    name=$1
    shift
    # shellcheck disable=SC2086
    $watch "$program" "$@" >out 2>&1
    rc=$?
    cat log.* >log 2>/dev/null
    rm -f log.*
    if [ $rc = 0 ] && [ ! -s log ]; then
        echo "PASS $form: $name"
        passed=$((passed + 1))
    else
        tail -n 5 out
        head -n 60 log
        echo "FAIL $form: $name: exit code $rc"
        failed=$((failed + 1))
    fi
}
check "run an encoder" run encoder.ini --runs runs --cache cache
if [ "$form" != memcheck-short ]; then
    cp -r "$root/tests/determinism/decoder" shape
    cp "$root/tests/determinism/notes.tsv" .
    "${program%/*}/tools/random_checkpoint" shape decoder >/dev/null && cp shape/* decoder/ || exit 1
    sed "s/@METHODS@/$methods/; s/@PRECISION@/f32/; s/@STEPS@/2/; s/@EVAL_BATCH@/3/; s/@BATCH@/2/; s/@DEV@/2/" \
        "$root/tests/determinism/decoder.ini" >decoder.ini
    check "run a decoder" run decoder.ini --runs runs --cache cache --threads $threads
fi
if [ "$form" != threads ]; then
    check table table encoder.ini --runs runs
    check merge merge all.h5 runs/encoder
    check inspect inspect all.h5
fi
echo "$passed passed, $failed failed, 0 skipped"
[ $failed = 0 ]
