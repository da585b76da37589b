#!/usr/bin/env bash
# Measures svidex beside its peers, all in one run and taking turns, and prints
# one table of ratios. `make bench` builds what this needs and calls it.
#
# usage: tests/bench/run.sh [python|node|go|c|requests|sizes …]      default: all of them
#
#   VENV      Python with the wheel in it (default: .venv)
#   ROUNDS    how many processes of each kind are measured (default: 51); warm reads
#             are measured twenty times as often
#   ROTATIONS over how many rotations of the SVID, of about 6 s, each language makes whole
#             requests (default: 10); from 100 on the table has their 99th percentile
#
# Samples and table also go to bench.json in cargo's target directory. The exit status says whether
# everything was measured, not whether every bar was met: the table does.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
here=tests/bench
python=${VENV:-$root/.venv}/bin/python
rounds=${ROUNDS:-51}
rotations=${ROTATIONS:-10}
warm_rounds=$((rounds * 20))
target=${CARGO_TARGET_DIR:-$root/target}
work=$target/bench
modules=$root/$here/node_modules

wanted=("$@")
[ $# -gt 0 ] || wanted=(python node go c requests sizes)
for name in "${wanted[@]}"; do
    case $name in
        python | node | go | c | requests | sizes) ;;
        *)
            sed -n 's/^# usage: /usage: /p' "$here/run.sh" >&2
            exit 2
            ;;
    esac
done
wants() { [[ " ${wanted[*]} " == *" $1 "* ]]; }
say() { printf 'bench: %s\n' "$*" >&2; }

build() {
    mkdir -p "$work"
    # The tests' emulator has no optimisation, and would be much of what a first
    # token takes. This one is not left where they would find it.
    say "building the emulator with optimisation"
    cargo build --quiet --release -p svidex-emulator
    rm -f "$work/svidex-emulator"
    mv "$target/release/svidex-emulator" "$work/"
    if wants python; then
        say "getting py-spiffe and the OpenAI SDK for Python"
        "$python" -m pip --quiet --disable-pip-version-check install -r $here/requirements.txt
        # A library that was just written is in the page cache in larger pieces than
        # one that was read, and more of it counts as a process's memory.
        sync
        find "$("$python" -c 'import sysconfig; print(sysconfig.get_path("platlib"))')" \
            -name '*.so' -exec dd if={} iflag=nocache count=0 status=none \;
    fi
    if wants node; then
        say "getting the OpenAI SDKs for Node"
        npm --prefix $here ci --no-audit --no-fund --loglevel error
        cc -shared -fPIC -O2 -Wall -Wextra -Werror -I"$modules/node22/include/node" \
            $here/noop.c -o "$work/noop.node"
    fi
    if wants go; then
        say "building the Go programs"
        (
            cd $here/go
            go test -c -o "$work/bench.go" .
            go build -o "$work/first-svidex" ./first/svidex
            go build -o "$work/first-gospiffe" ./first/gospiffe
        )
    fi
    if wants c; then
        for program in bench further; do
            cc -std=c99 -O2 -Wall -Wextra -Werror -Iinclude $here/$program.c -o "$work/$program.c" \
                -L"$target/ffi" -lsvidex -lpthread -Wl,-rpath,"$target/ffi"
        done
    fi
    if wants requests; then "$python" $here/whole_requests.py install; fi
}

# Runs inside `svidex-emulator run`, which sets the environment.
measure() {
    if wants python; then
        say "Python: warm reads"
        "$python" $here/bench.py "$warm_rounds"
        say "Python: new processes"
        "$python" $here/processes.py "$rounds" \
            python.first="$python $here/first.py svidex" \
            python.first_py_spiffe="$python $here/first.py py_spiffe"
    fi
    if wants node; then
        say "Node: warm reads"
        # The SDK's version 7 wants Node 22.
        node7=node
        if [ "$(node --print 'process.versions.node.split(`.`)[0]')" -lt 22 ]; then
            node7=$modules/node22/bin/node
            node $here/bench.mjs "$warm_rounds" "$modules/openai6" "$work/noop.node"
        fi
        "$node7" $here/bench.mjs "$warm_rounds" "$modules/openai7" "$work/noop.node"
    fi
    if wants go; then
        say "Go: warm reads"
        for _ in $(seq "$rounds"); do
            "$work/bench.go" -test.run '^$' -test.bench . -test.benchtime 10ms
        done >"$work/go.txt"
        "$python" $here/go_samples.py "$work/go.txt"
        say "Go: new processes"
        "$python" $here/processes.py "$rounds" \
            go.first="$work/first-svidex" \
            go.first_gospiffe="$work/first-gospiffe"
    fi
    if wants c; then
        say "C: warm reads"
        "$work/bench.c" "$warm_rounds"
        say "C: further providers"
        "$work/further.c" 20
    fi
    if wants requests; then
        say "Python, Node, Go: whole requests, and those at a rotation"
        SVIDEX_EMULATOR_BIN=$work/svidex-emulator "$python" $here/whole_requests.py "$rounds" "$rotations"
    fi
    if wants sizes; then
        PYTHONPATH=scripts/dist "$python" $here/sizes.py
    fi
}

if [ -z "${SVIDEX_EMULATOR_INFO:-}" ]; then
    build
    export ROUNDS=$rounds ROTATIONS=$rotations VENV=${VENV:-$root/.venv}
    # Tokens that outlive the run: what is measured is reading, not renewal.
    exec "$work/svidex-emulator" run --svid-ttl-seconds 7200 -- "$root/$here/run.sh" "${wanted[@]}"
fi
measure >"$work/samples.jsonl"
"$python" $here/table.py "$work/samples.jsonl" "$target/bench.json"
