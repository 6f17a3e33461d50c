# A grid from end to end on the mini model: run, run again, parts, other threads, forced; equal results throughout.
. "$CASES/common.inc"
cat >x.ini <<'I'
[experiment]
model = mini
tasks = mini_sst2
seeds = 1, 2
methods = none, lora
[train]
lr = 1e-3
epochs = 1
max_train = 64
max_dev = 32
threads = 1
[row lora]
rank = 2, 4
I
run() { peftgrid run x.ini --progress none "$@"; }
hashes() { # of all records of a runs folder, in the order of their ids
    for f in "$1"/x/*.h5; do peftgrid inspect --hash "$f" | cut -d ' ' -f 1; done
}
try check x.ini --fast | grep -v '^model mini'
run --dry-run | awk '{ print $1, $3 }'
run --threads 1
run
run --dry-run | awk '{ print $1, $3 }'
run --filter none/ --force
echo "--- two threads, two jobs, two parts"
run --threads 2 --runs two
run --jobs 2 --runs jobs
run --shard 1/2 --runs parts
run --shard 2/2 --runs parts
peftgrid table x.ini | awk '/^(none|lora)/ { print $1, $2 }'
hashes runs >a
[ "$(wc -l <a)" = 6 ] || echo "there are not six records"
for other in two jobs parts; do
    hashes $other >b
    cmp a b && echo "$other: the same six results"
done
ls runs/x | grep -v '\.h5$'
