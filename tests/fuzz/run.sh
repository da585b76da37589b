#!/usr/bin/env bash
# Fuzzes what reads input from outside: first the corpus, then for a while what
# libFuzzer makes of it, guided by coverage. Runs on stable Rust.
#
# usage: tests/fuzz/run.sh [--seconds N] [--grow] [TARGET ...]
#   --seconds N  for each target; 20 by default, 600 if SVIDEX_LONG is 1
#   --grow       keeps the inputs that reach new code in corpus/
# A crash leaves its input in target/fuzz/crashes and the exit status 1.
set -euo pipefail
cd "$(dirname "$0")"

seconds=20
[ "${SVIDEX_LONG:-}" != 1 ] || seconds=600
grow=
targets=()
while [ $# -gt 0 ]; do
    case $1 in
    --seconds)
        seconds=$2
        shift
        ;;
    --grow) grow=1 ;;
    *) targets+=("$1") ;;
    esac
    shift
done
[ ${#targets[@]} -gt 0 ] || targets=(jwt doctor token_response endpoint_uri token_file)

out=$PWD/../../target/fuzz
mkdir -p "$out/crashes"

RUSTC_WRAPPER=$PWD/instrument.sh cargo build --quiet --locked --target-dir "$out"

fuzz() { # fuzz TARGET
    local target=$1 status=0
    local program=$out/debug/$target scratch=$out/found/$target log=$out/$target.log
    mkdir -p "$scratch"
    # The first directory takes what is found; the corpus stays as it is.
    if "$program" "$scratch" "corpus/$target" -max_total_time="$seconds" -max_len=8192 -timeout=10 \
        -rss_limit_mb=512 -artifact_prefix="$out/crashes/$target-" -print_final_stats=1 \
        >"$log" 2>&1; then
        local tries covered
        tries=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
        covered=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -1)
        echo "$target: $tries inputs in ${seconds} s, $covered edges covered"
    else
        echo "$target: CRASHED"
        tail -30 "$log"
        status=1
    fi
    if [ -n "$grow" ]; then
        "$program" -merge=1 -use_counters=0 -use_cmp=0 "corpus/$target" "$scratch" >/dev/null 2>&1
    fi
    return $status
}

passed=0
failed=0
running=0
finish_one() {
    if wait -n; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
    running=$((running - 1))
}
# Each keeps one processor busy.
for target in "${targets[@]}"; do
    [ "$running" -lt "$(nproc)" ] || finish_one
    fuzz "$target" &
    running=$((running + 1))
done
while [ "$running" -gt 0 ]; do finish_one; done
echo "fuzz: $passed passed, $failed failed"
[ "$failed" = 0 ]
