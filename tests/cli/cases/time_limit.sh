# A cell that has used up its time keeps its state; run again, it goes on there, to the record of an undisturbed one.
. "$CASES/common.inc"
ini '[train]' 'lr = 1e-3' 'epochs = 1' 'max_train = 400' 'max_dev = 32' 'threads = 1' 'time_limit = 0.0005'
sed -i 's/^seeds.*/seeds = 1\nmethods = lora/' x.ini
try run x.ini --progress none | sed 's/after step [0-9]* of/after step N of/'
ls runs/x | sed 's/^[0-9a-f]*\./ID./'
sed -i 's/^time_limit.*//' x.ini
try run x.ini --progress none 2>&1 | sed 's/after step [0-9]* of/after step N of/'
ls runs/x | sed 's/^[0-9a-f]*\./ID./'
peftgrid run x.ini --progress none --runs whole
peftgrid inspect --hash runs/x/*.h5 | cut -d ' ' -f 1 >a
peftgrid inspect --hash whole/x/*.h5 | cut -d ' ' -f 1 >b
cmp a b && echo "the same result"
