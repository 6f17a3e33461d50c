#!/bin/sh
# run.sh KILLS: a grid under kill -9. Two drivers with several jobs each share one runs folder; at random moments a
# driver or one of its cells is killed, and a dead driver is started again. That goes on until the grid is complete, and
# with new folders until there were KILLS kills. Then:
#   - after every kill, each record that is there reads (size, checksums, schema, content hash);
#   - in the end records and table are those of a grid that nobody disturbed: every byte outside /environment;
#   - no cell was begun again but for a kill: a finished one never, and no more starts than cells and lost runs;
#   - a cell begun again goes on from its last checkpoint, unless the kill came before the first;
#   - no claim is left.
# Prints PASS or FAIL lines and last 'N passed, N failed, N skipped'.
set -u
kills=$1
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
program=${PEFTGRID:-$root/build/release/peftgrid}
work=$(mktemp -d)
one='' two=''
trap 'kill -9 $one $two 2>/dev/null; rm -rf "$work"' EXIT
cd "$work" || exit 1
cp "$here/crash.ini" .
begin=$(date +%s)
passed=0 failed=0
verdict() { # verdict NAME FILE: an empty file is a pass
    if [ -s "$2" ]; then
        head -n 20 "$2"
        echo "FAIL crash: $1"
        failed=$((failed + 1))
    else
        echo "PASS crash: $1"
        passed=$((passed + 1))
    fi
}
run() { # run RUNS JOBS
    exec "$program" run crash.ini --runs "$1" --cache cache --jobs "$2" --progress plain >>"$1.out" 2>&1
}
below() { # below N: a random number of 0 .. N - 1
    echo $(($(od -An -N2 -tu2 /dev/urandom) % $1))
}
# The cells that a driver runs: processes whose parent it is. The name of a program may hold anything but a ")".
children() {
    cat /proc/[0-9]*/stat 2>/dev/null | sed 's/^\([0-9]*\) (.*) \(.\) \([0-9]*\) .*/\1 \2 \3/' |
        awk -v parent="$1" '$3 == parent && $2 != "Z" { print $1 }'
}
count() { # count EVENT JOURNAL
    grep -c "\"event\":\"$1\"" "$2"
}

(run whole "$(nproc)") || { cat whole.out; echo "FAIL crash: the undisturbed grid"; exit 1; }
"$program" inspect whole/crash/*.h5 --hash | awk '{ sub(".*/", "", $2); print $1, $2 }' >whole.hashes
"$program" table crash.ini --runs whole >whole.table
cells=$(wc -l <whole.hashes)

# ---- one grid until it is complete ------------------------------------------------------------------------------------------
for list in broken different repeated litter; do : >$list; done
killed=0 drivers_killed=0 restarts=0 rounds=0 lost=0 again=0 went_on=0

check_records() {
    for f in "$runs"/crash/*.h5; do
        [ -e "$f" ] || return
        "$program" inspect "$f" --hash >/dev/null 2>>broken
    done
}

strike() { # strike PID: kills a driver, or one of its cells, or nothing when there is none
    cell=$(children "$1")
    if [ "$(below 2)" = 0 ] || [ -z "$cell" ]; then
        kill -9 "$1" 2>/dev/null || return
        lost=$((lost + $(echo "$cell" | wc -w)))
        drivers_killed=$((drivers_killed + 1))
    else
        # shellcheck disable=SC2086
        set -- $cell
        [ "$(below $#)" = 0 ] || shift
        kill -9 "$1" 2>/dev/null || return
        lost=$((lost + 1))
    fi
    killed=$((killed + 1))
    check_records
}

over() { # over PID: 1 when the driver has ended; notes in $code how
    kill -0 "$1" 2>/dev/null && case $(sed 's/.*) \(.\) .*/\1/' "/proc/$1/stat" 2>/dev/null) in Z | '') ;; *) return 1 ;; esac
    wait "$1" 2>/dev/null
    code=$?
}

round() {
    runs=round$1
    complete_one=no complete_two=no
    run "$runs" 2 & one=$!
    run "$runs" 2 & two=$!
    until [ "$complete_one$complete_two" = yesyes ]; do
        sleep "0.$(below 4)$(below 10)"
        if [ -n "$one" ] && over "$one"; then
            one=
            if [ "$code" = 0 ]; then complete_one=yes; else restarts=$((restarts + 1)); run "$runs" 2 & one=$!; fi
        fi
        if [ -n "$two" ] && over "$two"; then
            two=
            if [ "$code" = 0 ]; then complete_two=yes; else restarts=$((restarts + 1)); run "$runs" 2 & two=$!; fi
        fi
        if [ "$killed" -lt "$kills" ]; then
            if [ "$(below 2)" = 0 ]; then victim=$one; else victim=$two; fi
            [ -z "$victim" ] || strike "$victim"
        fi
    done
}

compare() { # compare RUNS: with the undisturbed grid
    check_records
    "$program" inspect "$1"/crash/*.h5 --hash | awk '{ sub(".*/", "", $2); print $1, $2 }' | diff whole.hashes - >>different
    "$program" table crash.ini --runs "$1" | diff whole.table - >>different
    if command -v h5diff >/dev/null; then
        for f in whole/crash/*.h5; do
            h5diff --exclude-path /environment "$f" "$1/crash/${f##*/}" >>different 2>&1
        done
    fi
    awk -F '"' '{ event = cell = ""
        for (i = 2; i < NF; i += 4) { if ($i == "event") event = $(i + 2); if ($i == "cell") cell = $(i + 2) }
        if (event == "finished") done[cell] = 1
        if (event == "started" && done[cell]) print FILENAME ": " cell " was begun again after it was finished" }' \
        "$1/crash/journal.jsonl" >>repeated
    for claim in "$1"/crash/*.claim; do
        [ -e "$claim" ] && echo "$claim of $(cat "$claim")" >>litter
    done
}

while [ "$killed" -lt "$kills" ]; do
    rounds=$((rounds + 1))
    lost=0
    round $rounds
    compare "$runs"
    started=$(count started "$runs/crash/journal.jsonl")
    again=$((again + started - cells)) went_on=$((went_on + $(grep -c 'goes on after step' "$runs.out")))
    [ "$started" -le $((cells + lost)) ] || echo "$runs: $started starts of $cells cells, of which $lost were lost" >>repeated
    [ -s different ] && cat "$runs.out" >>different
    rm -rf "$runs"
done

verdict "every record reads after every kill" broken
verdict "records and table as of an undisturbed grid" different
verdict "nothing is done twice" repeated
verdict "no claim is left" litter
: >restarted
[ $((2 * went_on)) -ge $again ] || echo "$again runs were begun again, and only $went_on of them went on from a checkpoint" >restarted
verdict "killed runs go on" restarted
echo "$killed kills ($drivers_killed of drivers, $((killed - drivers_killed)) of cells), $restarts restarts of drivers, $again starts beyond the first, $went_on times from a checkpoint, $rounds grids of $cells cells, $(($(date +%s) - begin)) s"
echo "$passed passed, $failed failed, 0 skipped"
[ $failed = 0 ]
