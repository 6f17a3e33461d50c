#!/bin/sh
# make fuzz: every harness of tests/fuzz under libFuzzer, FUZZ_SECONDS (60) of processor time shared among them. One PASS,
# FAIL or SKIP line a harness with what was run; the last line is 'N passed, N failed, N skipped'.
#
#   FUZZ_ONLY="torch record"   only these harnesses
#
# Old findings are tried first. New inputs are kept in $BUILD/fuzz/corpus/<name> and tried first the next time; a finding
# is left in $BUILD/fuzz/findings and becomes a numbered file of tests/fuzz/regressions once it is fixed.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${BUILD:-build}
out=$build/fuzz
seconds=${FUZZ_SECONDS:-60}
all=$(for f in tests/fuzz/fuzz_*.c; do basename "$f" .c | sed 's/^fuzz_//'; done)
names=${FUZZ_ONLY:-$all}
passed=0 failed=0 skipped=0

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

compiler=${FUZZ_CC:-clang}
echo 'int LLVMFuzzerTestOneInput(const char *p, long n); int LLVMFuzzerTestOneInput(const char *p, long n) { return n > 0 && *p > 200; }' >"$work/t.c"
if ! $compiler -fsanitize=fuzzer,address,undefined -o "$work/t" "$work/t.c" 2>/dev/null; then
    for name in $names; do echo "SKIP fuzz $name: $compiler has no libFuzzer here (Debian: clang, libclang-rt-dev)"; done
    echo "0 passed, 0 failed, $(echo "$names" | wc -w) skipped"
    exit 0
fi
if ! make -s -j"$(nproc)" VARIANT=fuzz BUILD="$build" CC="$compiler" CXX="${FUZZ_CXX:-clang++}" "$out/fuzz"; then
    echo "FAIL fuzz: the harnesses do not build"
    echo "0 passed, 1 failed, 0 skipped"
    exit 1
fi

each=$((seconds / $(echo "$names" | wc -w)))
[ "$each" -ge 1 ] || each=1
memory=/dev/shm # the inputs' files are made and removed thousands of times a second
[ -w "$memory" ] || memory=$work
TMPDIR=$(mktemp -d "$memory/peftgrid-fuzz-XXXXXX")
export TMPDIR
trap 'rm -rf "$work" "$TMPDIR"' EXIT
# An allocation of 256 MB for a small input is a finding, and so is one that takes 60 seconds of the clock: the process
# that opens a record may be silent for 10, and a second one too (results/record_apart.c). Memory that a library holds
# at the end of the process is none; a leak of one input is. Signals are left to ASan, whose reports tell whose fault a
# helper process died of (tests/fuzz/fuzzing_helpers.c).
# Names of functions take most of a second a report: they are looked up for findings only.
options=detect_leaks=1:allocator_may_return_null=0:handle_abort=1
export ASAN_OPTIONS=$options:symbolize=0
export UBSAN_OPTIONS=print_stacktrace=1
mkdir -p "$out/findings"

processor() { # sets now: seconds of processor time that ended children have taken (in this shell: a subshell has none)
    times >"$work/times"
    now=$(awk 'NR == 2 { gsub(/[ms]/, " "); split($0, t); printf "%d", 60 * t[1] + t[2] + 60 * t[3] + t[4] }' "$work/times")
}

total() { # total NAME LOG: a figure of -print_final_stats, summed over the rounds
    sed -n "s/^stat::$1: *//p" "$2" | awk '{ n += $1 } END { print n + 0 }'
}

# Rounds of one harness until it has had its share: libFuzzer counts seconds of the clock, of which a busy machine gives
# it few. The next round starts from what the last one kept.
rounds() { # rounds NAME LOG; sets took; 1: there is a finding
    processor
    begin=$now
    took=0
    found=0
    while [ $found = 0 ] && [ $took -lt "$each" ]; do
        "$out/fuzz" "$out/corpus/$1" "tests/fuzz/corpus/$1" -max_total_time=$((each - took)) -timeout=60 -rss_limit_mb=1024 \
            -malloc_limit_mb=256 -max_len=65536 -len_control=20 -print_final_stats=1 -reload=0 -keep_seed=1 \
            -handle_segv=0 -handle_bus=0 -handle_abrt=0 -handle_fpe=0 -artifact_prefix="$out/findings/$1-" >>"$2" 2>&1 ||
            found=1
        processor
        took=$((now - begin))
    done
    return $found
}

for name in $names; do
    mkdir -p "$out/corpus/$name"
    log=$out/$name.log
    took=0
    PEFTGRID_FUZZ=$name
    export PEFTGRID_FUZZ
    known=$(ls "tests/fuzz/regressions/$name"-* 2>/dev/null)
    # shellcheck disable=SC2086
    { [ -z "$known" ] || "$out/fuzz" $known; } >"$log" 2>&1 && rounds "$name" "$log"
    rc=$?
    covered=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)
    figures="$(total number_of_executed_units "$log") executions, $covered edges, $took s of processor time"
    if [ $rc = 0 ]; then
        passed=$((passed + 1))
        echo "PASS fuzz $name: $figures"
    else
        failed=$((failed + 1))
        input=$(sed -n 's/.*Test unit written to //p' "$log" | tail -n 1)
        [ -z "$input" ] || ASAN_OPTIONS=$options "$out/fuzz" "$input" >>"$log" 2>&1
        grep -aE 'FINDING|ERROR|SUMMARY|runtime error|Test unit written' "$log" | head -n 8
        tail -n 5 "$log" | cut -c1-200
        echo "FAIL fuzz $name: $figures; see $log"
    fi
    rm -rf "${TMPDIR:?}"/*
done
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ]
