#!/usr/bin/env bash
# Builds the wheel and installs it, with what tests and lints use, into a venv.
#
# usage: scripts/python.sh VENV
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$1
pip() { "$venv/bin/python" -m pip --quiet --disable-pip-version-check "$@"; }

pip install --upgrade 'pip>=25.1'
pip install --group bindings/python/pyproject.toml:dev
pip install -r tests/emulator/clients/python/requirements.txt
rm -rf target/wheels
"$venv/bin/maturin" build --quiet --release --manifest-path bindings/python/Cargo.toml --out target/wheels
pip install --force-reinstall --no-deps target/wheels/*.whl
