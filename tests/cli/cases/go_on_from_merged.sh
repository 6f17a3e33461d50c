# Records kept as one merged file go back into a folder, byte for byte, and the grid goes on from there. Slim ones too:
# their cells are skipped and the table is the same; only what they leave out is gone.
. "$CASES/common.inc"
grid() { # grid SEEDS
    cat >x.ini <<I
[experiment]
model = mini
tasks = mini_sst2
seeds = $1
methods = none, lora
[train]
lr = 1e-3
epochs = 1
max_train = 64
max_dev = 32
threads = 1
I
}
grid 1
peftgrid run x.ini --progress none
peftgrid table runs/x | sed '/runs\/x/d' >before
peftgrid merge whole.h5 runs/x --full | sed 's|; [0-9.]* MB||'
peftgrid merge slim.h5 runs/x | sed 's|; [0-9.]* MB||'
for kind in whole slim; do
    echo "--- $kind"
    grid 1
    peftgrid merge $kind/x $kind.h5
    peftgrid run x.ini --progress none --runs $kind
    peftgrid table $kind/x | sed "/$kind\/x/d" | cmp - before && echo "the same table"
    for f in runs/x/*.h5; do cmp -s "$f" "$kind/x/${f##*/}" && echo "a file is the same"; done
    peftgrid inspect --hash runs/x/*.h5 | cut -c 1-64 >a
    peftgrid inspect --hash $kind/x/*.h5 | cut -c 1-64 | cmp - a && echo "the same content"
    grid 1,2
    peftgrid run x.ini --progress none --runs $kind
done
echo "--- a whole record takes the place of a slim one, not the other way round"
peftgrid merge slim/x whole.h5
peftgrid merge slim/x slim.h5
for f in runs/x/*.h5; do cmp "$f" "slim/x/${f##*/}" && echo "a file is the same"; done
