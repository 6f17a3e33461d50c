# Places that cannot be read or written. Root may read and write everything: it gives that right up first.
. "$CASES/common.inc"
if [ "$(id -u)" = 0 ]; then
    lesser() { setpriv --bounding-set -dac_override,-dac_read_search "$@"; }
else
    lesser() { "$@"; }
fi
lesser true 2>/dev/null || { echo "root, and setpriv cannot give its rights up here"; exit 77; }
tried() { lesser peftgrid "$@" 2>&1; }
ini 'methods = none' '[train]' 'lr = 1e-3' 'epochs = 1' 'max_train = 8' 'max_dev = 8' 'threads = 1'
peftgrid run x.ini --progress none >/dev/null
cp runs/x/*.h5 record.h5
chmod 0 record.h5
tried inspect record.h5
tried table record.h5
cp x.ini closed.ini
chmod 0 closed.ini
tried check closed.ini
mkdir locked
chmod 555 locked
tried run x.ini --runs locked --progress none
tried merge locked/all.h5 runs/x
mkdir dark
chmod 0 dark
tried table dark
tried fsck dark
tried run x.ini --runs x.ini --progress none
