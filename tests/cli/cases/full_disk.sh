# A disk that fills up: what was recorded stays, the message names file and cause, and with room the grid goes on.
. "$CASES/common.inc"
[ "$(id -u)" = 0 ] || { echo "only root can mount a small disk"; exit 77; }
mkdir small
mount -t tmpfs -o size=512k none small 2>/dev/null || { echo "no small disk can be mounted here"; exit 77; }
trap 'umount small' EXIT HUP INT TERM
ini 'methods = none' '[train]' 'lr = 1e-3' 'epochs = 1' 'max_train = 8' 'max_dev = 8' 'threads = 1'
run() { peftgrid run x.ini --progress none --runs small 2>&1 | sed 's|[0-9a-f]\{64\}|ID|g'; }
run
head -c 1048576 /dev/zero >small/big 2>/dev/null
sed -i 's/^seeds = 1/seeds = 1..3/' x.ini
run
peftgrid fsck small/x
rm small/big
run
peftgrid fsck small/x
echo "--- standard output"
peftgrid list tasks >/dev/full
echo "exit $?"
