#!/bin/sh
# Builds the native library and puts it where the Go packages look for it:
#
#   lib/<os>_<arch>/libsvidex.a, svidex.h   what a release of this module holds too
#   library_sum.h                           its checksum, for Go's build cache
#
# usage: bindings/go/build.sh [cargo arguments…]
#
# It needs go and what ffi/build.sh needs.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$(dirname "$here")")
built=${CARGO_TARGET_DIR:-$root/target}/ffi
"$root/ffi/build.sh" "$built" "$@"

lib=$here/lib/$(go env GOOS)_$(go env GOARCH)
mkdir -p "$lib"
# In this order, and each at once: the build looks for the header.
for file in "$built/libsvidex.a" "$root/include/svidex.h"; do
    cp "$file" "$lib/new"
    mv "$lib/new" "$lib/$(basename "$file")"
done

# Go's build cache does not look into archives that a package links to, but it
# does look at every .h file in the package's own directory.
sha256() { if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi; }
sum=$(cat "$lib/libsvidex.a" "$lib/svidex.h" | sha256 | cut -d ' ' -f 1)
echo "/* libsvidex.a and svidex.h have SHA-256 $sum */" >"$here/library_sum.h"
