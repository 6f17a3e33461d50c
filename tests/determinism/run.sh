#!/bin/sh
# run.sh determinism|determinism-short: every registered method on a small encoder and a small decoder, trained again with
# other numbers of threads, evaluation batches, compilers and vector widths. The content hash of its record must be one and
# the same. The full form takes all 72 combinations; the generic kernels, fifty times as slow, and one combination of each
# compiler beside them, in shorter runs. The short form takes five combinations, in which every value occurs, in shorter runs.
# PRECISION=bf16 (f32 when not given) trains in bfloat16, where the classes with instructions for it join in.
# One PASS or FAIL line a method; what this machine lacks is a SKIP line. Last line: 'N passed, N failed, N skipped'.
set -u
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.." || exit 1
form=$1
precision=${PRECISION:-f32}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
build=${BUILD:-build}
export OMP_WAIT_POLICY=passive # eight threads on two processors must not spin
gcc=$build/release
skipped=0
skip() {
    echo "SKIP determinism: $1"
    skipped=$((skipped + 1))
}
build_with() { # build_with TARGET...: with clang
    ${MAKE:-make} -s -j"$(nproc)" CC="${CLANG:-clang}" CXX="${CLANGXX:-clang++}" BUILD="$build/clang" VARIANT=release "$@" >"$work/log" 2>&1 ||
        { cat "$work/log"; echo "FAIL determinism: no build of $* with clang"; exit 1; }
}

# ---- what there is to run -----------------------------------------------------------------------------------------------
compilers=gcc
if command -v clang >/dev/null; then
    compilers="gcc clang"
    build_with all
else
    skip "no clang"
fi
wide=avx512
PEFTGRID_CPU=avx2 "$gcc/peftgrid" list methods >/dev/null 2>&1 || skip "this machine has no AVX2"
if ! PEFTGRID_CPU=avx512 "$gcc/peftgrid" list methods >/dev/null 2>&1; then
    wide=emulated
    skip "this machine has no AVX-512; its kernels are run over AVX2 by emulation instead"
    if [ ! -e /usr/include/simde/x86/avx512.h ]; then
        skip "no libsimde-dev, no emulation"
        wide=
    fi
fi
if [ "$wide" = emulated ]; then
    case $form$compilers in
    determinism-short*clang) build_with emulated-programs ;;
    determinism-short*) ${MAKE:-make} -s VARIANT=release emulated-programs || exit 1 ;;
    *) ${MAKE:-make} -s VARIANT=release emulated-programs emulated-tests || exit 1
       [ "$compilers" = gcc ] || build_with emulated-programs ;;
    esac
fi

own= # classes with bfloat16 instructions
if [ "$precision" = bf16 ]; then
    for class in avx512bf16 amx; do
        if PEFTGRID_CPU=$class "$gcc/peftgrid" list methods >/dev/null 2>&1; then
            own="$own $class"
        elif [ "$wide" = emulated ]; then
            own="$own emulated-$class"
            skip "this machine has no $class; its kernels are run over AVX2 by emulation instead"
        else
            skip "this machine has no $class"
        fi
    done
fi

# ---- one combination ------------------------------------------------------------------------------------------------------
methods=$("$gcc/peftgrid" list methods | awk '{ print $1 }' | paste -sd, -)
cp -r "$here/decoder" "$here/notes.tsv" "$work/"
mv "$work/decoder" "$work/shape"
"$gcc/tools/random_checkpoint" "$work/shape" "$work/decoder" >/dev/null && cp "$work"/shape/* "$work/decoder/" || exit 1

# combine LENGTH THREADS EVAL_BATCH COMPILER CLASS: runs all methods. One line a record in $work/hashes: method, model,
# length, hash and the combination.
combine() {
    length=$1
    shift
    case $length in
    short) numbers='s/@STEPS@/2/; s/@DEV@/9/; s/@BATCH@/4/' ;;
    long) numbers='s/@STEPS@/3/; s/@DEV@/17/; s/@BATCH@/8/' ;;
    esac
    program=$gcc/peftgrid class=$4
    [ "$3" = gcc ] || program=$build/clang/release/peftgrid
    case $4 in
    emulated) program=$program-emulated class=avx512 ;;
    emulated-*) program=$program-emulated class=${4#emulated-} ;;
    esac
    place=$work/$length-$1-$2-$3-$4
    mkdir "$place"
    for model in encoder decoder; do
        sed "s/@METHODS@/$methods/; s/@EVAL_BATCH@/$2/; s/@PRECISION@/$precision/; $numbers" "$here/$model.ini" >"$work/$model.ini"
        # A cache of its own for what methods keep: nothing may come from another combination.
        PEFTGRID_CPU=$class XDG_CACHE_HOME=$place/own "$program" run "$work/$model.ini" --runs "$place" --cache "$work/cache" --threads "$1" \
            --jobs "$(nproc)" --quiet >"$place/log" 2>&1 || cat "$place/log"
        "$program" run "$work/$model.ini" --runs "$place" --cache "$work/cache" --dry-run |
            while read -r label id there; do
                case $label in */*) ;; *) continue ;; esac
                hash=none
                [ "$there" = recorded ] && hash=$("$program" inspect "$place/$model/$id.h5" --hash | cut -d ' ' -f 1)
                echo "${label%%/*} $model $length $hash $1 $2 $3 $4"
            done >>"$work/hashes"
    done
    rm -rf "$place"
}

begin=$(date +%s)
last=${compilers##* }
if [ "$form" = determinism-short ]; then
    combine short 1 1 gcc avx2
    combine short 2 7 "$last" avx2
    combine short 3 32 "$last" generic
    combine short 8 7 gcc avx2
    [ -z "$wide" ] || combine short 2 32 "$last" "$wide"
    for class in $own; do
        case $class in
        emulated-*) combine short 3 7 "$last" "$class" ;; # as above: that compiler's program is there
        *) combine short 3 7 gcc "$class" ;;
        esac
    done
else
    for compiler in $compilers; do
        for kernels in avx2 $wide $own generic; do
            size=long
            if [ "$kernels" = generic ]; then
                size=short
                combine short 1 32 "$compiler" avx2
            fi
            for threads in 1 2 3 8; do
                for batch in 1 7 32; do combine $size $threads $batch "$compiler" "$kernels"; done
            done
        done
    done
fi

# ---- verdicts -------------------------------------------------------------------------------------------------------------
awk -v skipped="$skipped" -v seconds=$(($(date +%s) - begin)) '
    !($1 in seen) { method[++methods] = $1; seen[$1] = 1 }
    { key = $1 " " $2 " " $3; runs[$1]++; where = $5 " threads, evaluation batch " $6 ", " $7 ", " $8
      if (!(key in hash)) { hash[key] = $4; first[key] = where }
      if (($4 == "none" || $4 != hash[key]) && !($1 in bad))
          bad[$1] = $2 " with " where ($4 == "none" ? ": no record" : ": " $4 ", with " first[key] ": " hash[key]) }
    END {
        for (i = 1; i <= methods; i++) {
            m = method[i]
            if (m in bad) { print "FAIL determinism " m ": " bad[m]; failed++; continue }
            printf "PASS %-10s encoder %.16s  decoder %.16s  %d runs\n", m, hash[m " encoder short"], hash[m " decoder short"], runs[m]
        }
        if (!methods) { print "FAIL determinism: nothing was run"; failed++ }
        printf "%d combinations in %d s\n", methods ? runs[method[1]] / 2 : 0, seconds
        printf "%d passed, %d failed, %d skipped\n", methods - failed, failed, skipped
        exit failed > 0
    }' "$work/hashes"
