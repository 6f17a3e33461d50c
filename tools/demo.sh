#!/bin/sh
# demo.sh: the demo grid, from nothing to a table, in a minute or two. Needs no download: model and data come with the
# program. Records go to runs/mini_demo; a second call only prints the table.
set -eu
cd "$(dirname "$0")/.."
build/peftgrid run bench/experiments/mini_demo.ini --jobs "$(nproc)"
build/peftgrid table bench/experiments/mini_demo.ini
