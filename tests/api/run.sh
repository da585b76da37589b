#!/usr/bin/env bash
# Compares the public API of the crate with core/api.txt, which was looked at when it
# was committed: what is removed or changed there breaks programs.
#
# usage: tests/api/run.sh [--update]
set -euo pipefail
cd "$(dirname "$0")/../.."

known=core/api.txt
# Outside the checkout: it is built once for all of them.
tool=${XDG_CACHE_HOME:-$HOME/.cache}/svidex/api-$(cksum <<<"$(cat tests/api/Cargo.lock tests/api/src/main.rs)" | cut -d ' ' -f 1)
cargo build --quiet --locked --manifest-path tests/api/Cargo.toml --target-dir "$tool"

RUSTDOC=$PWD/tests/api/rustdoc.sh cargo rustdoc --quiet -p svidex --lib -- \
    -Z unstable-options --output-format json
doc=${CARGO_TARGET_DIR:-target}/doc/svidex.json

now=$(mktemp)
trap 'rm -f "$now"' EXIT
status=0
"$tool/debug/svidex-api" "$doc" >"$now" || status=$?
if [ "$status" = 3 ]; then
    echo "$(rustc --version) writes another format of JSON than tests/api reads: with its own" \
        "version of public-api in tests/api/Cargo.toml this can be compared"
    echo "api: 0 passed, 0 failed, 1 skipped"
    exit 0
elif [ "$status" != 0 ]; then
    exit "$status"
fi

if [ "${1:-}" = --update ]; then
    cp "$now" "$known"
    echo "$known: $(wc -l <"$known") items"
elif diff -u --label "$known" --label "the crate now" "$known" "$now"; then
    echo "api: 1 passed, 0 failed"
else
    echo
    echo "The public API of the crate svidex is another than $known says. A line with - is gone:"
    echo "that breaks programs, and wants a new major version (0.x: minor). If it is meant:"
    echo "    tests/api/run.sh --update    and commit $known"
    echo "api: 0 passed, 1 failed"
    exit 1
fi
