. "$CASES/common.inc"
exec 3>&2 2>err
ini 'methods = lroa' '[train]' 'lr = 1e-3'
try check x.ini
ini 'methods = lora' '[train]' 'lr = 1e-3' '[row lora]' 'rnak = 4'
try check x.ini
ini 'methods = lora' '[train]' 'lr = 1e-3' '[row lora]' 'rank = 0'
try check x.ini
ini 'methods = lora' '[train]' 'lr = -1'
try check x.ini
ini 'methods = lora' '[train]' 'lr = 1e-3' 'rank = 4'
try check x.ini
ini 'methods = lora'
try check x.ini
ini 'methods = lora' '[tarin]' 'lr = 1'
try check x.ini
ini 'methods = lora' 'tasks = mini_cola'
try check x.ini
ini 'methods = none' '[train]' 'lr = 1' '[row lora]' 'rank = 4'
try check x.ini
printf '[experiment]\nmodel = mini\ntasks = mini_sst\nseeds = 1\nmethods = none\n' >x.ini
try check x.ini
printf '[experiment]\nmodel = no-such-model\ntasks = mini_sst2\nseeds = 1\nmethods = none\n[train]\nlr = 1\n' >x.ini
try check x.ini | sed "s|$HOME|HOME|"
try run x.ini
printf '[experiment]\nmodel = mini\ndata = no-such-folder\ntasks = cola\nseeds = 1\nmethods = none\n[train]\nlr = 1\n' >x.ini
try check x.ini | sed "s|$HOME|HOME|"
printf '[experiment]\nlike = base/table1.ini\n' >x.ini
try check x.ini
mkdir folder.ini
try check folder.ini
printf 'a\000b' >x.ini
try check x.ini
sed "s|$HOME|HOME|" err >&3
