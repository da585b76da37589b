#!/usr/bin/env bash
# Stands between cargo and rustc, and lets libFuzzer watch the crates that do
# the parsing: with the flags of cargo-fuzz, without its sanitizers, which only
# nightly has (there is next to no `unsafe` here for them to watch).
#
# usage: instrument.sh RUSTC ARGUMENTS...
set -euo pipefail
shopt -s extglob

case " $* " in
# The same crates at another level are part of a build script.
*" opt-level=2 "*) ;;
*) exec "$@" ;;
esac
case " $* " in
*" --crate-name "@(svidex|spiffe|serde_json|base64|url|percent_encoding|httpdate|http)" "*) ;;
*) exec "$@" ;;
esac
flags=(-Cpasses=sancov-module -Ccodegen-units=1)
for option in level=4 inline-8bit-counters pc-table trace-compares; do
    flags+=("-Cllvm-args=-sanitizer-coverage-$option")
done
exec "$@" "${flags[@]}"
