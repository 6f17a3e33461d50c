#!/bin/sh
# run-tests.sh PROGRAM...: runs test programs and sums their verdicts. A program is a Check program (its summary line
# "Checks: N, Failures: N, Errors: N"), or prints lines that begin with PASS, FAIL or SKIP. A Check program names what it
# cannot run here in lines that begin with SKIP. A program that ends without a verdict counts as one failure.
# Last line: 'N passed, N failed, N skipped'. Exit 1 when anything failed.
set -u
passed=0 failed=0 skipped=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for program in "$@"; do
    case $program in *.sh) run="sh $program" ;; *) run=$program ;; esac
    begin=$(date +%s)
    $run >"$log" 2>&1
    rc=$?
    counts=$(awk '
        /Checks: [0-9]+, Failures: [0-9]+, Errors: [0-9]+/ {
            match($0, /Checks: [0-9]+/); c = substr($0, RSTART + 8, RLENGTH - 8)
            match($0, /Failures: [0-9]+/); f = substr($0, RSTART + 10, RLENGTH - 10)
            match($0, /Errors: [0-9]+/); e = substr($0, RSTART + 8, RLENGTH - 8)
            pass += c - f - e; fail += f + e; next }
        /^PASS/ { pass++ } /^FAIL/ { fail++ } /^SKIP/ { skip++ }
        END { printf "%d %d %d", pass, fail, skip }' "$log")
    p=${counts%% *} s=${counts##* } f=${counts#* }
    f=${f% *}
    [ "$rc" = 0 ] || [ "$f" -gt 0 ] || f=1
    [ $((p + f + s)) -gt 0 ] || f=1
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    name=$(echo "$program" | sed 's|^.*/tests/||; s|^.*/release/||')
    printf '%-44s %4d passed %3d failed %3d skipped  %3d s\n' "$name" "$p" "$f" "$s" $(($(date +%s) - begin))
    if [ "$f" -gt 0 ]; then tail -n 60 "$log"; fi
    grep '^SKIP' "$log"
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
