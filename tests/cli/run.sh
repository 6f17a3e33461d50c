#!/bin/sh
# run.sh [CASE...]: the command line, case by case. cases/<name>.sh runs in a scratch folder of its own with peftgrid in
# the PATH; its output must equal <name>.out, its errors <name>.err (missing: nothing may come), its exit code the number
# in <name>.exit (missing: 0). Exit code 77: skipped, the last line of output says why. Prints a PASS, FAIL or SKIP line a
# case. UPDATE=1 writes the expected files instead: look at the difference before you commit it.
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
program=${PEFTGRID:-$root/build/peftgrid}
[ -x "$program" ] || { echo "FAIL no program $program: run make first"; exit 1; }
program=$(readlink -f "$program")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin"
ln -s "$program" "$work/bin/peftgrid"
PATH=$work/bin:$PATH
# Nothing of the user's: no models, no data, no caches but the ones a case makes.
HOME=$work/home
CASES=$here/cases
SHARED=${PEFTGRID_SHARED:-$root/../shared}
export PATH HOME CASES SHARED
unset PEFTGRID_MODELS PEFTGRID_DATA PEFTGRID_CPU XDG_CACHE_HOME
if [ $# = 0 ]; then
    for case in "$here"/cases/*.sh; do set -- "$@" "$(basename "$case" .sh)"; done
fi

expect() { # expect FILE ACTUAL: shows the difference
    if [ -f "$1" ]; then diff -u "$1" "$2"; else diff -u /dev/null "$2"; fi
}
bad=0
for name in "$@"; do
    case=$here/cases/$name
    dir=$work/$name
    mkdir -p "$dir" "$HOME"
    (cd "$dir" && sh "$case.sh") >"$work/out" 2>"$work/err" </dev/null
    rc=$?
    if [ "$rc" = 77 ]; then
        echo "SKIP cli $name: $(tail -n 1 "$work/out")"
        continue
    fi
    if [ "${UPDATE:-}" = 1 ]; then
        for part in out err; do
            if [ -s "$work/$part" ]; then cp "$work/$part" "$case.$part"; else rm -f "$case.$part"; fi
        done
        if [ "$rc" = 0 ]; then rm -f "$case.exit"; else echo "$rc" >"$case.exit"; fi
        echo "wrote $name"
        continue
    fi
    want=0
    [ -f "$case.exit" ] && want=$(cat "$case.exit")
    ok=1
    expect "$case.out" "$work/out" >"$work/diff" || ok=0
    expect "$case.err" "$work/err" >>"$work/diff" || ok=0
    [ "$rc" = "$want" ] || { ok=0; echo "exit code $rc, expected $want" >>"$work/diff"; }
    if [ "$ok" = 1 ]; then
        echo "PASS cli $name"
    else
        echo "FAIL cli $name"
        cat "$work/diff"
        bad=1
    fi
    rm -rf "$dir" "$HOME"
done
exit $bad
