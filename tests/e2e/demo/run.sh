#!/usr/bin/env bash
# The same short program in four languages against one emulator: the SPIFFE ID,
# what is left of both tokens' lives, and the model's answer.
#
# usage: tests/e2e/demo/run.sh   (after `make emulator python node go`; VENV names the venv)
set -euo pipefail
cd "$(dirname "$0")/../../.."
root=$PWD
venv=${VENV:-$root/.venv}
emulator=${SVIDEX_EMULATOR_BIN:-$root/target/debug/svidex-emulator}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

echo "building the demos …"
library=$root/target/ffi
# macOS has it without saying so to pkg-config.
curl=$(pkg-config --cflags --libs libcurl 2>/dev/null || echo -lcurl)
# shellcheck disable=SC2086
cc -std=c99 -Wall -Wextra -Werror -Iinclude tests/c/demo.c -o "$work/demo-c" \
    -L"$library" -Wl,-rpath,"$library" -lsvidex $curl
(cd tests/e2e/go && go build -o "$work/demo-go" ./demo)

cat >"$work/all.sh" <<DEMOS
set -euo pipefail
title() { printf '\n\033[1m%s\033[0m\n' "\$1"; }
title Python; "$venv/bin/python" "$root/bindings/python/demo.py"
title Node;   node "$root/tests/e2e/node/demo.mjs"
title Go;     "$work/demo-go"
title C;      "$work/demo-c"
DEMOS
"$emulator" run -- bash "$work/all.sh"
