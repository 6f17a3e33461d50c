#!/bin/sh
# make lint: one verdict line a check. Format, sizes, shell scripts, a clean clang build, one static analyser.
set -u
ours=$(git ls-files '*.c' '*.h')
bad=0
verdict() { # verdict NAME OUTPUT: no output is a pass
    if [ -z "$2" ]; then
        echo "PASS lint: $1"
    else
        echo "$2" | head -n 40
        echo "FAIL lint: $1"
        bad=$((bad + 1))
    fi
}

verdict "layer rule" "$(sh tools/check-layers.sh 2>&1)"
# shellcheck disable=SC2086
verdict "clang-format" "$(clang-format --dry-run $ours 2>&1 | grep 'warning:' | sed 's/:.*//' | sort | uniq -c)"
# shellcheck disable=SC2086
verdict "files under 700 lines" "$(wc -l $ours | awk '$2 != "total" && $1 > 700 {print $2 ": " $1 " lines"}')"
# shellcheck disable=SC2086
verdict "functions within 90 lines" "$(awk '
    FNR == 1 { open = 0 }
    /^\{/ { open = FNR }
    /^\}/ { if (open && FNR - open + 1 > 90) print FILENAME ":" open ": a function of " FNR - open + 1 " lines"; open = 0 }
' $ours)"
verdict "at most 14 entries at the top" "$(git ls-files | grep -v / | awk 'END { if (NR > 14) print NR " files at the top" }')"
# shellcheck disable=SC2046
verdict "shellcheck" "$(shellcheck -s sh -e SC1091,SC2010 $(git ls-files '*.sh') .ci/run 2>&1)"
verdict "clang builds without warnings" "$(make -s -j"$(nproc)" CC="${CLANG:-clang}" CXX="${CLANGXX:-clang++}" BUILD=build/clang OMP_LIB=-lomp all 2>&1)"
verdict "cppcheck" "$(cppcheck -q -j"$(nproc)" --enable=warning,performance,portability --inline-suppr --std=c11 \
    --suppress=missingIncludeSystem --suppress=funcArgOrderDifferent --error-exitcode=0 -I. -D__x86_64__ core models datasets methods results bench tests tools 2>&1)"
echo "$((8 - bad)) passed, $bad failed, 0 skipped"
[ $bad = 0 ]
