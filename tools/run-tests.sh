#!/bin/sh
# run-tests.sh [-j N] PROGRAM...: runs test programs, N at a time, and sums their verdicts. A program is a Check program
# (its summary line "Checks: N, Failures: N, Errors: N"), or prints lines that begin with PASS, FAIL or SKIP, or runs
# others through this script (its last line then counts). A Check program names what it cannot run here in lines that
# begin with SKIP. A program that ends without a verdict counts as one failure. Lines come in the order of the programs.
# Last line: 'N passed, N failed, N skipped'. Exit 1 when anything failed.
set -u
jobs=1
if [ "${1:-}" = -j ]; then
    jobs=$2
    shift 2
    [ "$jobs" = 1 ] || export OMP_WAIT_POLICY=passive # programs share the processors: waiting threads must not spin
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'trap - TERM; kill 0' INT TERM

run_one() { # run_one NUMBER PROGRAM: leaves NUMBER.log, and NUMBER.end with exit code and seconds
    case $2 in *.sh) run="sh $2" ;; *) run=$2 ;; esac
    begin=$(date +%s)
    $run >"$work/$1.log" 2>&1
    echo "$? $(($(date +%s) - begin))" >"$work/$1.part"
    mv "$work/$1.part" "$work/$1.end"
}

passed=0 failed=0 skipped=0
tell() { # tell NUMBER PROGRAM: its line, and what went wrong
    log=$work/$1.log
    read -r rc seconds <"$work/$1.end"
    counts=$(awk '
        /Checks: [0-9]+, Failures: [0-9]+, Errors: [0-9]+/ {
            match($0, /Checks: [0-9]+/); c = substr($0, RSTART + 8, RLENGTH - 8)
            match($0, /Failures: [0-9]+/); f = substr($0, RSTART + 10, RLENGTH - 10)
            match($0, /Errors: [0-9]+/); e = substr($0, RSTART + 8, RLENGTH - 8)
            pass += c - f - e; fail += f + e; next }
        /^PASS/ { pass++ } /^FAIL/ { fail++ } /^SKIP/ { skip++ }
        { total = $0 ~ /^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$/ }
        END { if (total) { pass = $1; fail = $3; skip = $5 }
              printf "%d %d %d", pass, fail, skip }' "$log")
    p=${counts%% *} s=${counts##* } f=${counts#* }
    f=${f% *}
    [ "$rc" = 0 ] || [ "$f" -gt 0 ] || f=1
    [ $((p + f + s)) -gt 0 ] || f=1
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    name=$(echo "$2" | sed 's|^.*/tests/||; s|^.*/release/||')
    printf '%-44s %4d passed %3d failed %3d skipped  %3d s\n' "$name" "$p" "$f" "$s" "$seconds"
    if [ "$f" -gt 0 ]; then tail -n 60 "$log"; fi
    grep '^SKIP' "$log"
}

# One worker a job; each takes the next program that nobody has taken: making a folder succeeds for one of them only.
worker() {
    number=0
    for program in "$@"; do
        number=$((number + 1))
        mkdir "$work/$number" 2>/dev/null && run_one $number "$program"
    done
}
while [ "$jobs" -gt 0 ]; do
    worker "$@" &
    jobs=$((jobs - 1))
done
number=0
for program in "$@"; do
    number=$((number + 1))
    until [ -e "$work/$number.end" ]; do sleep 0.1; done
    tell $number "$program"
done
wait
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
