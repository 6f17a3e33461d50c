#!/bin/sh
# The layer rule (docs/ARCHITECTURE.md): who may include whom. Prints each breach; exit 1 when there is one.
set -u
bad=0
rule() { # rule FOLDER ALLOWED-REGEX: every quoted include of FOLDER's files must match
    hits=$(grep -n '^#include "' "$1"/*.c "$1"/*.h 2>/dev/null | grep -vE "#include \"($2)")
    [ -z "$hits" ] || { echo "$hits" | sed "s|^|layer rule: $1 must not include this: |"; bad=1; }
}
only() { # only HEADER FILES-REGEX: a system header that few may include
    hits=$(grep -nE "^#include <($1)>" ./*/*.c ./*/*.h 2>/dev/null | sed 's|^\./||' | grep -vE "^($2):")
    [ -z "$hits" ] || { echo "$hits" | sed "s|^|layer rule: only $2 may include this: |"; bad=1; }
}
rule core 'core/'
rule models '(core|models)/'
rule datasets '(core|datasets)/'
rule methods '(core/|models/(site|lowrank_use).h|methods/(method|common_options).h)'
rule results '(core|results)/'
only 'hdf5[a-z_]*.h' 'results/[a-z0-9_]*\.[ch]'
only 'cblas.h' 'core/gemm_openblas.c'
only 'omp.h' 'core/parallel.c'
hits=$(grep -nE '(^|[^_[:alnum:]])exit\(' ./*/*.c | sed 's|^\./||' | grep -vE '^(bench/main.c|tests/|tools/)' | grep -v '_exit(')
[ -z "$hits" ] || { echo "$hits" | sed 's|^|layer rule: only main may exit: |'; bad=1; }
pragma=$(grep -nE '#pragma omp (parallel|for|critical|atomic)' ./*/*.c | sed 's|^\./||' | grep -v '^core/parallel.c')
[ -z "$pragma" ] || { echo "$pragma" | sed 's|^|layer rule: threads only through core/parallel.h: |'; bad=1; }
calls() { # calls NAMES-REGEX FILES-REGEX WHAT: functions of the C library that few may call; call(2) is a mention
    hits=$(grep -nE "(^|[^_[:alnum:]>.\"])($1)\(" core/*.c models/*.c datasets/*.c methods/*.c results/*.c bench/*.c |
        grep -vE "($1)\(2\)" | grep -vE "^($2):")
    [ -z "$hits" ] || { echo "$hits" | sed "s|^|layer rule: only through $3: |"; bad=1; }
}
files='open|openat|creat|fopen|freopen|fsync|fdatasync|rename|unlink|remove|rmdir|mkdir|opendir|readdir|mmap|stat|statvfs|fstat|lstat|flock'
calls "$files|truncate|ftruncate|link|symlink|mkstemp|utimensat|pipe|pipe2|fork" 'core/(system|fault).c' core/file.h,system.h
calls 'read|pread|write|pwrite' 'core/system.c|bench/grid_child.c' 'core/file.h, system.h (but for the pipes of a grid)'
calls 'malloc|calloc|realloc|aligned_alloc|posix_memalign|strdup|strndup|asprintf|open_memstream' 'core/(arena|heap).c' core/arena.h,heap.h
twice=$(git ls-files '*.c' '*.h' '*.sh' 2>/dev/null | sed 's|.*/||' | sort | uniq -d | grep -v '^run.sh$')
[ -z "$twice" ] || { echo "$twice" | sed 's|^|file names must be unique: |'; bad=1; }
exit $bad
