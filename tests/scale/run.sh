#!/bin/sh
# Large grids, on a quiet machine:
#   - a grid of 10,000 cells is planned in less than a second;
#   - SCALE_RECORDS (10,000) records are merged in less than 30 s, and tabled in less than 30 s;
#   - jobs that run at once share the mapped base: four take less than one base and four times what is one job's own;
#   - a run of a model of DeBERTaV3-base's size has made its first step, evaluated and written its record in 2 s.
# The last two need SCALE_MODEL, a folder with an f32 checkpoint and its tokenizer, and the GLUE data ($PEFTGRID_DATA); without
# them they are skipped. Prints PASS or FAIL lines with figures and last 'N passed, N failed, N skipped'.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
program=${PEFTGRID:-$root/build/release/peftgrid}
records=${SCALE_RECORDS:-10000}
work=$(mktemp -d)
pids=''
trap 'kill $pids 2>/dev/null; rm -rf "$work"' EXIT
cd "$work" || exit 1
passed=0 failed=0 skipped=0
say() { # say VERDICT TEXT
    echo "$1 scale: $2"
    case $1 in PASS) passed=$((passed + 1)) ;; FAIL) failed=$((failed + 1)) ;; *) skipped=$((skipped + 1)) ;; esac
}
now() { date +%s.%N; }
timed() { # timed BOUND TEXT COMMAND...: its output goes to the file `out`
    bound=$1 text=$2
    shift 2
    begin=$(now)
    "$@" >out 2>&1 || { tail -n 3 out; say FAIL "$text: the command failed"; return; }
    took=$(echo "$begin $(now)" | awk '{ printf "%.2f", $2 - $1 }')
    say "$(echo "$took $bound" | awk '{ print ($1 < $2 ? "PASS" : "FAIL") }')" "$text: $took s, bound $bound s"
}

cat >plan.ini <<END
[experiment]
model = mini
tasks = mini_cola, mini_sst2, mini_mrpc, mini_stsb, mini_rte
seeds = 1..100
methods = lora
[train]
lr = 1e-3
[row lora]
rank = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20
END
timed 1 "planning 10,000 cells" "$program" run plan.ini --dry-run
grep -q '^10000 cells' out || say FAIL "the plan has another number of cells: $(tail -n 1 out)"

SCALE_FOLDER=$work/many SCALE_RECORDS=$records "$root/build/release/many_records" >out 2>&1 || { cat out; exit 1; }
timed 30 "a table of $records records in a folder" "$program" table many
timed 30 "merging $records records into one file" "$program" merge many.h5 many
timed 30 "a table of the merged file" "$program" table many.h5

if [ -z "${SCALE_MODEL:-}" ] || [ -z "${PEFTGRID_DATA:-}" ]; then
    say SKIP "jobs that share one base: SCALE_MODEL and PEFTGRID_DATA are not set"
    say SKIP "time to the first step: SCALE_MODEL and PEFTGRID_DATA are not set"
    echo "$passed passed, $failed failed, $skipped skipped"
    [ "$failed" -eq 0 ]
    exit
fi

ini() { # ini FILE EXTRA: one LoRA cell a seed
    printf '[experiment]\nmodel = %s\ndata = %s\ntasks = cola\nseeds = 1..4\nmethods = lora\n[train]\nlr = 1e-3\nmax_len = 64\n%s\n' \
        "$SCALE_MODEL" "${GLUE:-$PEFTGRID_DATA/glue}" "$2" >"$1"
}
ini start.ini 'max_train = 1
max_dev = 1
batch = 1
epochs = 1'
"$program" run start.ini --runs warm --cache cache --quiet --filter '*/1' >out 2>&1 || { cat out; exit 1; } # fills the caches
timed 2 "start, first step, evaluation and record" "$program" run start.ini --runs cold --cache cache --quiet --filter '*/2'

# Of all cells that run: kB of a field of smaps_rollup, summed. Cells are children of the driver.
sum_of() { # sum_of FIELD
    cat /proc/[0-9]*/stat 2>/dev/null | sed 's/^\([0-9]*\) (.*) . \([0-9]*\) .*/\1 \2/' |
        awk -v parent="$driver" '$2 == parent { print $1 }' | while read -r p; do
        awk -v f="$1:" '$1 == f { print $2 }' "/proc/$p/smaps_rollup" 2>/dev/null
    done | awk '{ n += $1 } END { print n + 0 }'
}
ini share.ini 'max_train = 4000
batch = 8
epochs = 1
recompute = yes'
for jobs in 1 4; do
    "$program" run share.ini --runs "share$jobs" --cache cache --quiet --jobs $jobs --threads 1 >/dev/null 2>&1 &
    driver=$! pids=$!
    most=0 own=0
    for _ in $(seq "${SCALE_SECONDS:-20}"); do # the largest of what is seen
        sleep 1
        m=$(sum_of Pss)
        [ "$m" -gt "$most" ] && most=$m own=$(sum_of Private_Dirty) file=$(sum_of Pss_File)
    done
    kill "$driver" 2>/dev/null
    wait "$driver" 2>/dev/null
    pids=''
    echo "$jobs jobs: $((most / 1024)) MB in all, of it $((file / 1024)) MB of mapped files, $((own / 1024)) MB their own"
    [ $jobs = 1 ] && base=$file one=$own
done
say "$(echo "$most $base $one" | awk '{ print ($1 < 1.1 * ($2 + 4 * $3) ? "PASS" : "FAIL") }')" \
    "four jobs: $((most / 1024)) MB, one base and four parts: $(((base + 4 * one) / 1024)) MB"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
