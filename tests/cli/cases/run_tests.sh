# The script that sums the verdicts of test programs, on verdicts of every kind.
runner=$CASES/../../../tools/run-tests.sh
write() { # write NAME LINE...: a program that prints the lines
    name=$1
    shift
    printf '#!/bin/sh\n' >"$name"
    for line in "$@"; do echo "echo '$line'"; done >>"$name"
    chmod +x "$name"
}
write lines 'PASS one' 'SKIP two: not here'
write check '100%: Checks: 5, Failures: 0, Errors: 0'
write nested 'lines   1 passed   0 failed   1 skipped' '3 passed, 0 failed, 1 skipped'
write both 'PASS one' 'FAIL two' '1 passed, 1 failed, 0 skipped'
write silent
write breaks '2 passed, 0 failed, 0 skipped'
echo 'exit 3' >>breaks
for programs in "lines check nested" "both" "silent" "breaks"; do
    # shellcheck disable=SC2046
    sh "$runner" $(for p in $programs; do echo "./$p"; done) | sed 's/ [0-9]* s$/ N s/'
done
