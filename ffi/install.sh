#!/bin/sh
# Installs the C library and the command below PREFIX (default: /usr/local):
#
#   bin/svidex, and below share/ its man pages and the completions of bash, zsh and fish
#   include/svidex.h
#   lib/libsvidex.a, lib/libsvidex.so -> its soname -> libsvidex.so.VERSION
#   (macOS: libsvidex.dylib, libsvidex.VERSION.dylib)
#   lib/pkgconfig/svidex.pc
#
# usage: ffi/install.sh [PREFIX]      DESTDIR is put in front of it for packagers
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
prefix=${1:-/usr/local}
case $prefix in
    /*) ;;
    *) prefix=$(pwd)/$prefix ;;
esac
built=${CARGO_TARGET_DIR:-$root/target}/ffi
"$here/build.sh" "$built"

cd "$root"
cargo build --release -p svidex-cli -p svidex-pages
made=${CARGO_TARGET_DIR:-$root/target}/release

version=$(sed -n 's/^Version: //p' "$built/svidex.pc")
into=${DESTDIR:-}$prefix
install -d "$into/include" "$into/lib/pkgconfig"
install -m 644 "$root/include/svidex.h" "$into/include/svidex.h"
install -m 644 "$built/libsvidex.a" "$into/lib/libsvidex.a"
# As build.sh has named them: NAME -> soname -> the library.
for name in libsvidex.so libsvidex.dylib; do
    [ -L "$built/$name" ] || continue
    soname=$(readlink "$built/$name")
    library=$(readlink "$built/$soname")
    install -m 755 "$built/$library" "$into/lib/$library"
    ln -sf "$library" "$into/lib/$soname"
    ln -sf "$soname" "$into/lib/$name"
done
sed -e "s|@PREFIX@|$prefix|" -e "s|@VERSION@|$version|" \
    -e "s|@LIBS_PRIVATE@|$(cat "$built/libs-private")|" \
    "$here/svidex.pc.in" >"$into/lib/pkgconfig/svidex.pc"
chmod 644 "$into/lib/pkgconfig/svidex.pc"

install -d "$into/bin"
install -m 755 "$made/svidex" "$into/bin/svidex"
"$made/svidex-pages" "$into/share"
echo "svidex $version: header, libraries, svidex.pc and the command are in $into"
