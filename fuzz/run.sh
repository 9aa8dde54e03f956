#!/usr/bin/env bash
# Runs every target for the given number of seconds (default 60), each from its corpus, and reports the
# executions and how far the coverage (edges of the program) grew from what the corpus reaches. New
# findings go to fuzz/artifacts. Needs a nightly compiler and a C++ compiler, and nothing else: libFuzzer
# is built from the libfuzzer-sys crate.
#
#   bash fuzz/run.sh [SECONDS] [TARGET...]
#
# FUZZ_SEED=1 makes a run repeatable: it starts from the corpus alone and makes the same inputs each time. FUZZ_RUNS
# ends it after so many executions, in place of the seconds. The gate sets both, so that it fails over a change, and neither over luck nor
# because a machine is faster than another.
#
# Each run without FUZZ_SEED adds a line to target/fuzz/runs.jsonl. `executions.sh record` takes these into the record, runs.jsonl.
set -euo pipefail
cd "$(dirname "$0")"
totals=../target/fuzz
mkdir -p "$totals"
seconds=${1:-60}
shift || true
targets=("$@")
if [ ${#targets[@]} = 0 ]; then
    mapfile -t targets < <(sed -n 's/^path = "fuzz_targets\/\(.*\)\.rs"/\1/p' Cargo.toml)
fi
if ! command -v c++ >/dev/null 2>&1; then
    echo "no C++ compiler here: fuzzing skipped"; exit 0
fi
# What cargo-fuzz would set: coverage counters and comparisons for the fuzzer to see, and no sanitizer,
# since there is no unsafe code to look for faults in.
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 -Cdebug-assertions"
host=$(rustc +nightly -vV | sed -n 's/^host: //p')
cargo +nightly build -q --release --target "$host"

commit=$(git describe --always --exclude '*' --dirty 2>/dev/null || echo unknown)

# What a repeatable run finds is not kept.
repeated=$(mktemp -d)
trap 'rm -rf "$repeated"' EXIT

run_target() {
    local target=$1 log=target/found/$1.log found=target/found/$1 options=() length executions took
    mkdir -p "artifacts/$target" "target/found/$target"
    if [ -n "${FUZZ_SEED:-}" ]; then
        found=$repeated/$target
        mkdir "$found"
        options+=("-seed=$FUZZ_SEED")
    fi
    if [ -n "${FUZZ_RUNS:-}" ]; then
        options+=("-runs=$FUZZ_RUNS")
    else
        options+=("-max_total_time=$seconds")
    fi
    [ ! -f "dictionaries/$target.dict" ] || options+=("-dict=dictionaries/$target.dict")
    length=$(bash longest.sh "$target")
    if ! "target/$host/release/$target" -max_len="$length" -timeout=10 \
        -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="artifacts/$target/" \
        "${options[@]}" "$found" "corpus/$target" >"$log" 2>&1; then
        tail -40 "$log"
        echo "$target: FAILED; the input is in fuzz/artifacts/$target"
        return 1
    fi
    executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    took=$(sed -n 's/^Done .* in \([0-9]*\) second.*/\1/p' "$log")
    reached() { grep "$1" "$log" | grep -oE 'cov: [0-9]+' | tail -1 | cut -c6- || true; }
    printf '%-20s %12s executions in %4s s, coverage %5s -> %5s\n' \
        "$target" "$executions" "$took" "$(reached INITED)" "$(reached .)"
    # A run that repeats another one adds nothing to the sum.
    [ -z "${FUZZ_SEED:-}" ] || return 0
    printf '{"target":"%s","at":"%s","commit":"%s","executions":%s,"seconds":%s,"coverage":{"corpus":%s,"run":%s}}\n' \
        "$target" "$(date -u +%FT%TZ)" "$commit" "${executions:-0}" "${took:-0}" "$(reached INITED | grep . || echo 0)" \
        "$(reached . | grep . || echo 0)" >>"$totals/runs.jsonl"
}

# One target for each core at a time.
failed=0
for target in "${targets[@]}"; do
    while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do wait -n || failed=1; done
    run_target "$target" &
done
while [ "$(jobs -p | wc -l)" -gt 0 ]; do wait -n || failed=1; done
exit "$failed"
