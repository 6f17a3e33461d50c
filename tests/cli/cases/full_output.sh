# Standard output that takes nothing: an error with its cause, never success, and no summary lost in silence.
. "$CASES/common.inc"
[ -w /dev/full ] || { echo "/dev/full is not here"; exit 77; }
try list methods >/dev/full
try help --man >/dev/full
ini 'methods = none' '[train]' 'lr = 1e-2' 'max_train = 8' 'max_dev = 8' 'epochs = 1' 'threads = 1'
try run x.ini --progress none >/dev/full
try table x.ini --format csv >/dev/full
mkdir data
sed 's/mini_sst2/cola/; s/model = mini/model = mini\ndata = data/' x.ini >y.ini
try run y.ini --progress none >/dev/full
