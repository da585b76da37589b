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

# Debian packages by the tool or header that shows that they are there.
need=()
want() { # want PACKAGE CHECK...
    local package=$1
    shift
    "$@" >/dev/null 2>&1 || need+=("$package")
}
compiles() { printf '#include <%s>\n' "$1" | cc -E -xc - >/dev/null; }

want gcc have cc
want make have make
want binutils have objcopy
want pkg-config have pkg-config
want libcurl4-openssl-dev compiles curl/curl.h
if [ "$what" = test ]; then
    want g++ have c++
    want valgrind have valgrind
    want openssl have openssl
fi
have python3 || need+=(python3 python3-venv)
have node || need+=(nodejs npm)
have go || need+=(golang-go)
have cargo || need+=(cargo)

if [ ${#need[@]} -gt 0 ]; then
    say "installing ${need[*]}"
    as_root=()
    [ "$(id -u)" = 0 ] || as_root=(sudo)
    if ! have apt-get; then
        say "this system has no apt-get: install these yourself, by the names they have here: ${need[*]}"
        exit 1
    fi
    "${as_root[@]}" apt-get update -qq
    DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${need[@]}" >/dev/null
fi

at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -1)" = "$2" ]; }
check() { # check NAME VERSION MINIMUM
    at_least "$2" "$3" && { say "$1 $2"; return; }
    say "$1 is $2, and at least $3 is needed"
    exit 1
}
check rust "$(rustc --version | cut -d' ' -f2)" 1.88
check go "$(go env GOVERSION | sed 's/^go//')" 1.24
check node "$(node --version | sed 's/^v//')" 20
check python "$(python3 -c 'import platform; print(platform.python_version())')" 3.10
if [ "$what" = test ]; then
    cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1 || {
        say "adding rustfmt and clippy"
        rustup component add rustfmt clippy
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
