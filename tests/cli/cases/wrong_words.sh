. "$CASES/common.inc"
try lst
try frobnicate 2>&1 | sed 's|known: .*|known: ...|' >&2
try list tsks
try list
try list tasks metrics
try list --tasks
try show method lroa
try show metod lora
try show method
try show train lora
try help rum
try run
try run x.ini --job 2
try run x.ini --jobs 0
try run x.ini --jobs
try run x.ini --shard 3/2
try run nothing.ini
try run mini_dmo
try run ./nothing.ini
PEFTGRID_CPU=avx1024 try list methods
