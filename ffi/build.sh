#!/bin/sh
# Builds the C library into OUT (default: ffi/ below cargo's target directory):
#
#   libsvidex.so.VERSION   the shared library; its soname (build.rs has the rule) and
#                          libsvidex.so are links to it
#   libsvidex.a            the static library; only svidex_* can be linked to
#   libs-private           what a static link needs besides, one line
#   svidex.pc              for use from OUT itself; install.sh makes another
#
# usage: ffi/build.sh [OUT] [cargo arguments…]
#
# It needs cargo, a C compiler and binutils. Linux only: the post-link step is ELF's.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
target=${CARGO_TARGET_DIR:-$root/target}
out=${1:-$target/ffi}
[ $# -eq 0 ] || shift

for tool in cargo cc ld objcopy ar nm readelf; do
    command -v "$tool" >/dev/null || {
        echo "ffi/build.sh: $tool is missing (Debian: apt-get install cargo gcc binutils)" >&2
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
nm -D --defined-only "$made/libsvidex_ffi.so" | awk '{ print $3 }' | sort -u >"$work/exports"
missing=$(comm -23 "$work/named" "$work/exports")
[ -z "$missing" ] || {
    echo "ffi/build.sh: the header names what the library lacks: $missing" >&2
    exit 1
}

unwinder=$(cc -print-file-name=libgcc_eh.a)
"$here/archive.sh" "$made/libsvidex_ffi.a" "$work/exports" "$unwinder" "$work/libsvidex.a"

# put FILE NAME: in one step, for a program that runs has the old file mapped.
put() {
    cp "$1" "$out/.$2.$$"
    mv -f "$out/.$2.$$" "$out/$2"
}
mkdir -p "$out"
put "$work/libsvidex.a" libsvidex.a
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
soname=$(readelf -d "$made/libsvidex_ffi.so" | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p')
put "$made/libsvidex_ffi.so" "libsvidex.so.$version"
ln -sf "libsvidex.so.$version" "$out/$soname"
ln -sf "$soname" "$out/libsvidex.so"
# What another version has left would be found by nobody but by mistake.
for old in "$out"/libsvidex.so.*; do
    case ${old##*/} in
        "libsvidex.so.$version" | "$soname") ;;
        *) rm -f "$old" ;;
    esac
done
# Without the unwinder, which the archive has in it.
tr '\n' ' ' <"$libs" | sed 's/-lgcc_s *//; s/ *$//' >"$out/libs-private"
echo >>"$out/libs-private"
sed -e "s|@PREFIX@|$out|" -e "s|@VERSION@|$version|" -e "s|@LIBS_PRIVATE@|$(cat "$out/libs-private")|" \
    -e "s|^libdir=.*|libdir=$out|" -e "s|^includedir=.*|includedir=$root/include|" \
    ffi/svidex.pc.in >"$out/svidex.pc"
