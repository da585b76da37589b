#!/bin/sh
# Builds the C library into OUT (default: ffi/ below cargo's target directory):
#
#   libsvidex.so.VERSION   the shared library (macOS: libsvidex.VERSION.dylib); its soname
#                          (build.rs has the rule) and libsvidex.so are links to it
#   libsvidex.a            the static library; on Linux only svidex_* can be linked to
#   libs-private           what a static link needs besides, one line
#   svidex.pc              for use from OUT itself; install.sh makes another
#
# usage: ffi/build.sh [OUT] [cargo arguments…]
#
# It needs cargo, a C compiler and binutils, or on macOS Xcode's command line tools.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
target=${CARGO_TARGET_DIR:-$root/target}
out=${1:-$target/ffi}
[ $# -eq 0 ] || shift

version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' "$root/Cargo.toml")
case $(uname -s) in
    Darwin)
        tools='cargo cc nm otool strip'
        from='xcode-select --install, and rustup'
        suffix=.dylib
        full_name=libsvidex.$version.dylib
        # Names of C functions begin with an underscore there.
        exports_of() { nm -gU "$1" | sed 's/.* _//'; }
        name_of() { otool -D "$1" | sed -n '$s|.*/||p'; }
        # Its unwinder is the system's.
        archive() { cp "$1" "$3" && strip -S "$3"; }
        ;;
    *)
        tools='cargo cc ld objcopy ar nm readelf'
        from='Debian: apt-get install cargo gcc binutils'
        suffix=.so
        full_name=libsvidex.so.$version
        exports_of() { nm -D --defined-only "$1" | awk '{ print $3 }'; }
        name_of() { readelf -d "$1" | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p'; }
        archive() { "$here/archive.sh" "$1" "$2" "$(cc -print-file-name=libgcc_eh.a)" "$3"; }
        ;;
esac
for tool in $tools; do
    command -v "$tool" >/dev/null || {
        echo "ffi/build.sh: $tool is missing ($from)" >&2
        exit 1
    }
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$root"
made=$target/release
# The list stays where it is: cargo makes it only when it compiles.
libs=$made/svidex-ffi.native-libs
cargo rustc --release -p svidex-ffi --lib "$@" -- --print=native-static-libs="$libs"

# Names of C functions, from the header: what else is in the archive is nobody's
# business. Two Rust archives in one program would otherwise both define
# rust_eh_personality and the rest of their runtime.
sed -n 's/.*\(svidex_[a-z_]*\)(.*/\1/p' include/svidex.h | sort -u >"$work/named"
exports_of "$made/libsvidex_ffi$suffix" | sort -u >"$work/exports"
missing=$(comm -23 "$work/named" "$work/exports")
[ -z "$missing" ] || {
    echo "ffi/build.sh: the header names what the library lacks: $missing" >&2
    exit 1
}

archive "$made/libsvidex_ffi.a" "$work/exports" "$work/libsvidex.a"

# put FILE NAME: in one step, for a program that runs has the old file mapped.
put() {
    cp "$1" "$out/.$2.$$"
    mv -f "$out/.$2.$$" "$out/$2"
}
mkdir -p "$out"
put "$work/libsvidex.a" libsvidex.a
soname=$(name_of "$made/libsvidex_ffi$suffix")
put "$made/libsvidex_ffi$suffix" "$full_name"
ln -sf "$full_name" "$out/$soname"
ln -sf "$soname" "$out/libsvidex$suffix"
# What another version has left would be found by nobody but by mistake.
for old in "$out"/libsvidex.so.* "$out"/libsvidex.*.dylib; do
    case ${old##*/} in
        "$full_name" | "$soname") ;;
        *) rm -f "$old" ;;
    esac
done
# Without the unwinder, which the archive has in it.
tr '\n' ' ' <"$libs" | sed 's/-lgcc_s *//; s/ *$//' >"$out/libs-private"
echo >>"$out/libs-private"
sed -e "s|@PREFIX@|$out|" -e "s|@VERSION@|$version|" -e "s|@LIBS_PRIVATE@|$(cat "$out/libs-private")|" \
    -e "s|^libdir=.*|libdir=$out|" -e "s|^includedir=.*|includedir=$root/include|" \
    ffi/svidex.pc.in >"$out/svidex.pc"
