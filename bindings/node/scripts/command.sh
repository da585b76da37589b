#!/bin/sh
# Makes the package's command a program that runs in any environment, as npm's is only
# where `env` finds node, and says where it lies.
#
# usage: bindings/node/scripts/command.sh FOLDER
set -eu
package=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$1"
# Not of its name: a thread inherits that, and the tests know ours by it.
program=$(cd "$1" && pwd)/command
printf '#!%s\nrequire("%s/bin/svidex.js")\n' "$(command -v node)" "$package" >"$program"
chmod +x "$program"
echo "$program"
