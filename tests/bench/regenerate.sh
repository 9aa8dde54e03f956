#!/usr/bin/env bash
# Measures everything and writes BENCHMARKS.md from BENCHMARKS.template.md and the report, which stays in
# target/bench/report.json. It refuses a machine that does other work.
#
#     tests/bench/regenerate.sh              measures, in less than a quarter of an hour on two cores
#     tests/bench/regenerate.sh --all-builds   with the builds of every program: some nineteen minutes more
#     tests/bench/regenerate.sh --busy       measures whatever the load is, and says what it was
#     tests/bench/regenerate.sh --render     takes the last report
set -euo pipefail
cd "$(dirname "$0")/../.."
mkdir -p target/bench
cargo build -q --release --locked -p lp-connector-bench -p lp-connector-simulation
bench=${CARGO_TARGET_DIR:-target}/release/lp-connector-bench
if [ "${1:-}" != --render ]; then
    "$bench" --json "$@" >target/bench/new.json
    mv target/bench/new.json target/bench/report.json
fi
"$bench" render target/bench/report.json tests/bench/BENCHMARKS.template.md >target/bench/BENCHMARKS.md
mv target/bench/BENCHMARKS.md tests/bench/BENCHMARKS.md
