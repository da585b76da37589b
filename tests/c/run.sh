#!/bin/sh
# Everything that is tested of the C library, against the emulator. Needs cargo, gcc,
# g++, binutils, pkg-config and valgrind. Ends with `c: N passed, N failed`.
#
# usage: tests/c/run.sh
set -u

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cd "$root" || exit 1
target=${CARGO_TARGET_DIR:-$root/target}
emulator=$target/debug/svidex-emulator
work=$(mktemp -d)
# Of its own: somebody may build another while the tests run.
lib=$work/lib
trap 'rm -rf "$work"' EXIT
passed=0
failed=0

for tool in cargo gcc g++ nm pkg-config valgrind; do
    command -v "$tool" >/dev/null || {
        echo "tests/c/run.sh: $tool is missing" \
            "(Debian: apt-get install gcc g++ binutils pkg-config valgrind)" >&2
        exit 1
    }
done

say() { printf '\n== %s\n' "$*"; }

# result NAME STATUS: counts one test.
result() {
    if [ "$2" -eq 0 ]; then
        passed=$((passed + 1))
        echo "ok $1"
    else
        failed=$((failed + 1))
        echo "not ok $1"
    fi
}

# try NAME COMMAND…: counts one test that is a command; shows its output if it fails.
try() {
    name=$1
    shift
    "$@" >"$work/output" 2>&1
    status=$?
    [ $status -eq 0 ] || cat "$work/output"
    result "$name" $status
}

# program NAME COMMAND…: runs a test program beside a fresh emulator (and both inside
# $around) and counts the tests it reports; dying is one more that failed.
around=
program() {
    name=$1
    shift
    say "$name"
    # shellcheck disable=SC2086 # a command with its arguments, or none
    timeout 600 $around "$emulator" run -- "$@" >"$work/output"
    status=$?
    cat "$work/output"
    passed=$((passed + $(grep -c '^ok ' "$work/output")))
    bad=$(grep -c '^not ok ' "$work/output")
    failed=$((failed + bad))
    if [ $status -ne 0 ] && [ "$bad" -eq 0 ]; then
        failed=$((failed + 1))
        echo "not ok $name: ended with status $status"
    fi
}

same() { diff -u "$1" "$2"; }

say "building"
ffi/build.sh "$lib" || exit 1
cargo build -q -p svidex-emulator || exit 1
# The same library with panics on demand, kept apart from the real one.
mkdir -p "$work/broken"
cargo build -q -p svidex-ffi --features inject-panics || exit 1
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
# While the major version is 0, the minor one tells what breaks: ffi/README.md.
case $version in
    0.*) soname=libsvidex.so.$(echo "$version" | cut -d. -f1,2) ;;
    *) soname=libsvidex.so.${version%%.*} ;;
esac
cp "$target/debug/libsvidex_ffi.so" "$work/broken/$soname"
ln -s "$soname" "$work/broken/libsvidex.so"

warnings="-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror"
c99="gcc -std=c99 -g $warnings -Iinclude"
cxx="g++ -x c++ -std=c++11 -g $warnings -Iinclude"
suite=$(echo "$here"/suite/*.c)
helpers="$here/suite/check.c $here/suite/results.c $here/suite/emulator.c $here/suite/inbox.c \
    $here/suite/journal.c"
shared="-L$lib -lsvidex -lpthread -lm -Wl,-rpath,$lib"
static="$lib/libsvidex.a $(cat "$lib/libs-private")"

say "header and exports"
try "the header is the one that the sources make" \
    cargo test -q -p svidex-ffi --test header
echo '#include "svidex.h"' >"$work/only.c"
# shellcheck disable=SC2086 # lists of words, here and below
for standard in c99 c11 c17; do
    try "the header compiles as $standard" \
        gcc -std=$standard $warnings -Iinclude -fsyntax-only "$work/only.c"
done
# shellcheck disable=SC2086
for standard in c++11 c++17 c++20; do
    try "the header compiles as $standard" \
        g++ -x c++ -std=$standard $warnings -Iinclude -fsyntax-only "$work/only.c"
done
gcc -E -P -Iinclude "$work/only.c" | grep -o 'svidex_[a-z_]*(' | tr -d '(' | sort -u >"$work/header"
nm -D --defined-only "$lib/libsvidex.so" | awk '{ print $NF }' | sort >"$work/shared"
nm -g --defined-only "$lib/libsvidex.a" | awk 'NF == 3 { print $NF }' | sort >"$work/static"
try "the shared library exports what the header declares" same "$work/header" "$work/shared"
try "the static library exports what the header declares" same "$work/header" "$work/static"
readelf -d "$lib/libsvidex.so" >"$work/dynamic"
try "the soname follows the version" grep -qF "[$soname]" "$work/dynamic"
chain() { [ "$(readlink "$1/libsvidex.so")" = "$soname" ] &&
    [ "$(readlink "$1/$soname")" = "libsvidex.so.$version" ] && [ ! -h "$1/libsvidex.so.$version" ]; }
try "libsvidex.so leads to the soname, and that to the version" chain "$lib"
try "never unloaded" grep -q NODELETE "$work/dynamic"

say "compiling"
# shellcheck disable=SC2086
{
    try "suite as C99" $c99 $suite $shared -o "$work/suite"
    try "suite as C++" $cxx $suite $shared -o "$work/suite++"
    try "suite with AddressSanitizer, static" \
        $c99 -fsanitize=address,undefined $suite $static -o "$work/suite-asan"
    try "panics as C99" $c99 "$here/panics.c" $helpers -L"$work/broken" -lsvidex -lpthread \
        -Wl,-rpath,"$work/broken" -o "$work/panics"
    try "panics as C++" $cxx "$here/panics.c" $helpers -L"$work/broken" -lsvidex -lpthread \
        -Wl,-rpath,"$work/broken" -o "$work/panics++"
    try "trouble as C99" $c99 "$here/trouble.c" $helpers $shared -o "$work/trouble"
    try "dlopen as C99" $c99 "$here/dlopen.c" "$here/suite/check.c" "$here/suite/emulator.c" \
        -ldl -o "$work/dlopen"
    if pkg-config --exists libcurl; then
        # shellcheck disable=SC2046
        try "the demo as C99" gcc -std=c99 $warnings -Iinclude "$here/demo.c" $shared \
            $(pkg-config --cflags --libs libcurl) -o "$work/demo"
    fi
    try "another Rust static library" rustc -C opt-level=1 --crate-type staticlib \
        --edition 2024 "$here/second_runtime.rs" -o "$work/libsecond.a"
    try "two Rust static libraries in one program" $c99 "$here/two_runtimes.c" $helpers \
        "$work/libsecond.a" $static -o "$work/two_runtimes"
}

program "suite, C99, shared library" "$work/suite"
program "suite, C++, shared library" "$work/suite++"
# LeakSanitizer is part of it. A leak is reported at the end, by the exit status.
program "suite, AddressSanitizer and LeakSanitizer, static library" \
    env SVIDEX_TEST_PATIENCE=3 ASAN_OPTIONS=detect_leaks=1 \
    LSAN_OPTIONS="suppressions=$here/lsan.supp:print_suppressions=0" "$work/suite-asan"
program "suite, valgrind" \
    env SVIDEX_TEST_PATIENCE=20 valgrind -q --fair-sched=try --leak-check=full --num-callers=30 \
    --show-leak-kinds=definite --errors-for-leak-kinds=definite --error-exitcode=99 \
    --suppressions="$here/valgrind.supp" --log-file="$work/valgrind.%p" "$work/suite"
# With -q a log has words only where there is something wrong, in children too.
cat "$work"/valgrind.* >"$work/valgrind"
head -100 "$work/valgrind"
try "valgrind has nothing to say" test ! -s "$work/valgrind"

"$work/panics" --list | sort >"$work/tried"
try "a panic is tried in every function of the header" same "$work/header" "$work/tried"
program "panics, C99" "$work/panics"
program "panics, C++" "$work/panics++"
around=tests/hangs/hangs.py
$around true || around=
program "trouble" "$work/trouble"
around=
program "dlopen" "$work/dlopen" "$lib/libsvidex.so"
program "two Rust runtimes" "$work/two_runtimes"

if [ -x "$work/demo" ]; then
    try "the demo runs" "$emulator" run -- "$work/demo"
else
    echo "skipped: the demo, for libcurl's header is missing (apt-get install libcurl4-openssl-dev)"
fi

say "installed"
try "install" ffi/install.sh "$work/prefix"
try "what is installed has the same names" chain "$work/prefix/lib"
try "the command runs" test "$("$work/prefix/bin/svidex" --version)" = "svidex $version"
share=$work/prefix/share
# Only what bash itself does when somebody presses the tabulator.
completed() {
    bash -c '. "$1"; COMP_WORDS=(svidex "$2"); COMP_CWORD=1; _svidex svidex "$2" svidex
        [ "${COMPREPLY[*]}" = "$3" ]' - "$share/bash-completion/completions/svidex" "$@"
}
try "bash completes commands" completed tok token
try "bash completes options" completed --vers --version
every_command() {
    "$work/prefix/bin/svidex" --help | sed -n '/^Commands:$/,/^$/s/^  \([a-z]*\) .*/\1/p' >"$work/commands"
    test -s "$work/commands" || return 1
    while read -r command; do
        [ "$command" = help ] && continue
        for file in zsh/site-functions/_svidex fish/vendor_completions.d/svidex.fish; do
            grep -q "$command" "$share/$file" || return 1
        done
        test -s "$share/man/man1/svidex-$command.1" || return 1
        grep -q "svidex..$command(1)" "$share/man/man1/svidex.1" || return 1
    done <"$work/commands"
}
try "zsh, fish and man know every command" every_command
try "man tells the exit status" grep -q '^  5  the deadline' "$share/man/man1/svidex.1"
export PKG_CONFIG_PATH="$work/prefix/lib/pkgconfig"
try "pkg-config tells the version" test "$(pkg-config --modversion svidex)" = "$version"
# shellcheck disable=SC2016 # a fence, not a command
sed -n '/^```c$/,/^```$/p' ffi/README.md | sed -e 1d -e '/^```$/,$d' >"$work/readme.c"
# shellcheck disable=SC2046,SC2086
{
    try "the README's program compiles" gcc -std=c99 $warnings "$work/readme.c" \
        $(pkg-config --cflags --libs svidex) -Wl,-rpath,"$work/prefix/lib" -o "$work/readme"
    rm "$work"/prefix/lib/*.so*
    try "it links statically through pkg-config" gcc -std=c99 "$work/readme.c" \
        $(pkg-config --static --cflags --libs svidex) -o "$work/readme-static"
}
try "it runs" "$emulator" run -- "$work/readme-static"

printf '\nc: %d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
