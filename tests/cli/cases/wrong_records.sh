# Records that are cut off, changed or no records at all, in every command that reads them.
. "$CASES/common.inc"
tried() { # tried WORDS...: what it says, then its exit code; ids and sizes left out
    peftgrid "$@" >said 2>&1
    code=$?
    sed 's|[0-9a-f]\{64\}|ID|g; s|holds [0-9]* bytes|holds N bytes|; s|\(seal, expected\) [0-9]*|\1 N|; s| in [0-9.]* s$||; s|done in .*|done|' said
    echo "exit $code"
}
ini 'methods = none' '[train]' 'lr = 1e-3' 'epochs = 1' 'max_train = 8' 'max_dev = 8' 'threads = 1'
peftgrid run x.ini --progress none >/dev/null
record=$(echo runs/x/*.h5)
cp "$record" whole.h5
echo "--- cut off"
truncate -s 3000 "$record"
tried inspect "$record"
tried table runs/x
tried table x.ini
tried evaluate "$record"
tried merge all.h5 runs/x
tried fsck runs
echo "--- run makes it anew"
tried run x.ini --progress plain
tried fsck runs
echo "--- one byte changed"
printf '\001' | dd of="$record" bs=1 seek=5000 conv=notrunc 2>/dev/null
tried fsck runs
cp whole.h5 "$record"
echo "--- not records"
tried inspect x.ini
tried table nothing
tried evaluate x.ini
tried verify x.ini
tried merge x.ini runs/x
tried fsck nothing
mkdir empty
tried table empty
