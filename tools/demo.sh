#!/bin/sh
# demo.sh: the demo grid, from nothing to a table and a figure, in a minute or two. Needs no download: model and data come
# with the program. Records go to runs/mini_demo, figures to figures/mini_demo; a second call only prints and draws.
set -eu
cd "$(dirname "$0")/.."
build/peftgrid run bench/experiments/mini_demo.ini --jobs "$(nproc)"
build/peftgrid table bench/experiments/mini_demo.ini
echo
if command -v gnuplot >/dev/null 2>&1; then
    echo "Figure (score against bit operations; \`build/peftgrid plot mini_demo\` draws all kinds):"
    build/peftgrid plot bench/experiments/mini_demo.ini --kind bops
else
    echo "No figure: gnuplot is not installed (apt-get install gnuplot-nox)."
fi
