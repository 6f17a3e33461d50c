# An experiment written on Windows: byte-order mark, CR LF.
printf '\357\273\277[experiment]\r\nmodel = mini\r\ntasks = mini_sst2\r\nseeds = 1\r\nmethods = none\r\n\r\n[train]\r\nlr = 1e-3\r\n' >x.ini
peftgrid run x.ini --dry-run --filter other
