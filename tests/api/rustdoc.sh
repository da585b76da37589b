#!/usr/bin/env bash
# Stands between cargo and rustdoc, which writes JSON on a stable compiler too if it
# is told that it may. rustc is not: it would build everything anew.
#
# usage: rustdoc.sh ARGUMENTS...
RUSTC_BOOTSTRAP=1 exec rustdoc "$@"
