#!/bin/sh
# make-table.sh KIND HEADER FILE.c... OUT.c: writes a NULL-terminated table of `const struct KIND KIND_<name>`, one row a
# file, sorted by name; keeps OUT.c untouched when nothing changed, so that nothing is rebuilt.
set -eu
kind=$1 header=$2
shift 2
for out in "$@"; do :; done
mkdir -p "$(dirname "$out")"
names=$(for f in "$@"; do
    [ "$f" = "$out" ] || basename "$f" .c | sed "s/^store_//; s/^cmd_//; s/^fuzz_//"
done | LC_ALL=C sort)
{
    echo "/* Made by tools/make-table.sh from the file list. */"
    echo "#include \"$header\""
    for n in $names; do echo "extern const struct $kind ${kind}_$n;"; done
    echo "const struct $kind *const ${kind}_table[] = {"
    for n in $names; do echo "    &${kind}_$n,"; done
    echo "    NULL};"
} >"$out.new"
if cmp -s "$out.new" "$out"; then rm "$out.new"; else mv "$out.new" "$out"; fi
