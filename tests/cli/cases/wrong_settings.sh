# More of what people write into experiments: names from other programs, decimal commas, other encodings.
. "$CASES/common.inc"
seeds() {
    printf '[experiment]\nmodel = mini\ntasks = mini_sst2\nseeds = %s\nmethods = none\n[train]\nlr = 1\n' "$1" >x.ini
    try check x.ini
}
for s in 1-5 1.. 5..1 '1 2 3' one 1.5 -1 '1, 1' ''; do seeds "$s"; done
for line in 'learning_rate = 1e-3' 'lr = 0,001' 'lr = nan' 'lr 1e-3' 'lr ='; do
    ini 'methods = none' '[train]' "$line"
    try check x.ini
done
for line in 'per_device_train_batch_size = 8' 'device = cuda' 'batch = 0' 'precision = fp16' 'epochs = all'; do
    ini 'methods = none' '[train]' 'lr = 1e-3' "$line"
    try check x.ini
done
ini 'methods = lora' '[train]' 'lr = 1e-3' '[row lora]' 'lora_alpha = 16'
try check x.ini
ini 'methods = full_ft' '[train]' 'lr = 1e-3' '[row full_ft]' 'store = nf4'
try check x.ini
printf '[experiment]\nmodel = mini\nseeds = 1\nmethods = none\n[train]\nlr = 1\n' >x.ini
try check x.ini
printf 'model = mini\n' >x.ini
try check x.ini
: >x.ini
try check x.ini
printf '[experiment]\nmodel = mini\ntasks = cola\nseeds = 1\nmethods = none\n[train]\nlr = 1\n' >x.ini
try check x.ini
iconv -f UTF-8 -t UTF-16 x.ini >y.ini
try check y.ini
echo text >file
sed 's/^tasks/data = file\ntasks/' x.ini >y.ini
try run y.ini
