#!/bin/sh
# From a bare Debian 12 (or newer, or Ubuntu) to a result:
#
#   sh tools/bootstrap.sh demo    install what is missing, build, run the demo grid, print its table, draw a figure
#   sh tools/bootstrap.sh test    the same, then all tests
#   sh tools/bootstrap.sh deps    only install (deps lint: also what `make lint` needs)
#
# Where it may not install (no root, no password-less sudo) it prints what is missing and stops. PEFTGRID_NO_INSTALL=1
# makes it never install.
set -eu
cd "$(dirname "$0")/.."

BUILD_PACKAGES="gcc g++ make pkg-config libc6-dev libopenblas-openmp-dev libhdf5-dev libsentencepiece-dev libpcre2-dev
    libutf8proc-dev libjansson-dev libinih-dev libmd-dev"
PLOT_PACKAGES="gnuplot-nox"
TEST_PACKAGES="check libsubunit-dev hdf5-tools python3-h5py git"
LINT_PACKAGES="clang libclang-rt-dev libomp-dev libsimde-dev clang-format cppcheck shellcheck"

usage() {
    sed -n '2,10p' "$0" | sed 's/^# \{0,1\}//'
    exit 2
}

missing() { # the packages of the list that are not installed
    for p in "$@"; do
        dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || echo "$p"
    done
}

install_packages() {
    if ! command -v dpkg-query >/dev/null 2>&1; then
        echo "bootstrap: this is no Debian or Ubuntu system. Install by your own means the libraries behind these packages:" >&2
        # shellcheck disable=SC2086
        echo $BUILD_PACKAGES $PLOT_PACKAGES $TEST_PACKAGES >&2
        exit 2
    fi
    need=$(missing "$@" | tr '\n' ' ')
    [ -n "$need" ] || return 0
    root=
    if [ "$(id -u)" != 0 ]; then
        if command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then root="sudo -n"; else root=none; fi
    fi
    if [ "$root" = none ] || [ "${PEFTGRID_NO_INSTALL:-0}" != 0 ]; then
        echo "bootstrap: these packages are missing and may not be installed from here: $need" >&2
        echo "bootstrap: install them with:  sudo apt-get install --no-install-recommends $need" >&2
        exit 2
    fi
    echo "bootstrap: installing $need"
    log=$(mktemp)
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086
    if ! { $root apt-get update -q && $root apt-get install -q -y --no-install-recommends $need; } >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        echo "bootstrap: apt-get failed (its last lines are above)" >&2
        rm -f "$log"
        exit 4
    fi
    rm -f "$log"
}

jobs() {
    nproc 2>/dev/null || echo 1
}

[ $# -ge 1 ] || usage
case $1 in
deps)
    # shellcheck disable=SC2086
    case ${2:-} in
    '') install_packages $BUILD_PACKAGES $PLOT_PACKAGES $TEST_PACKAGES ;;
    lint) install_packages $BUILD_PACKAGES $PLOT_PACKAGES $TEST_PACKAGES $LINT_PACKAGES ;;
    *) usage ;;
    esac
    ;;
demo)
    # shellcheck disable=SC2086
    install_packages $BUILD_PACKAGES $PLOT_PACKAGES
    make -s -j"$(jobs)"
    make -s demo
    ;;
test)
    # shellcheck disable=SC2086
    install_packages $BUILD_PACKAGES $PLOT_PACKAGES $TEST_PACKAGES
    make -s -j"$(jobs)" test-programs
    make -s test
    ;;
*) usage ;;
esac
