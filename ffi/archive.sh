#!/bin/sh
# Makes an archive that a program can link beside any other out of the one that rustc
# made: one object, in which only the functions of svidex.h are visible.
#
# usage: ffi/archive.sh FROM EXPORTS UNWINDER TO
#
#   FROM       rustc's static library
#   EXPORTS    a file with the names that stay visible, a line each
#   UNWINDER   an archive that has _Unwind_*, such as libgcc_eh.a; it becomes part of TO,
#              so that no program needs libgcc_s.so.1 for us, or another flag when it
#              links statically
#
# LD, OBJCOPY and AR name the tools (of the binutils, or LLVM's). ELF only.
set -eu

from=$1
exports=$2
unwinder=$3
to=$4
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# One object of everything the exports reach. Groups are dissolved: the linker
# keeps one of each name per program, and would tie ours to another archive's.
roots=$(sed 's/^/-u /' "$exports")
# shellcheck disable=SC2086
"${LD:-ld}" -r --gc-sections --force-group-allocation $roots -o "$work/svidex.o" "$from" "$unwinder"
# Bitcode that Rust's own archives carry: a linker with LLVM's plugin would take
# the object for nothing but that, and find no symbols in it.
"${OBJCOPY:-objcopy}" --remove-section=.llvmbc --remove-section=.llvmcmd "$work/svidex.o"
"${OBJCOPY:-objcopy}" --keep-global-symbols="$exports" --strip-unneeded "$work/svidex.o"
"${AR:-ar}" rcsD "$work/libsvidex.a" "$work/svidex.o"
mv -f "$work/libsvidex.a" "$to"
