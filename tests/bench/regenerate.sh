#!/usr/bin/env bash
# Measures everything and writes BENCHMARKS.md from BENCHMARKS.template.md, in some twenty minutes on two
# cores without other load. The figures stay in target/bench as JSON and Markdown.
#
#     tests/bench/regenerate.sh            measures everything
#     tests/bench/regenerate.sh --render   uses the last figures
set -euo pipefail
cd "$(dirname "$0")/../.."
mkdir -p target/bench
cargo build -q --release --locked -p lp-connector-bench
bench=${CARGO_TARGET_DIR:-target}/release/lp-connector-bench
if [ "${1:-}" != --render ]; then
    "$bench" --json >target/bench/report.json
    bash tests/bench/weight.sh >target/bench/weight.md
fi
"$bench" render target/bench/report.json target/bench/weight.md \
    tests/bench/BENCHMARKS.template.md >target/bench/BENCHMARKS.md
mv target/bench/BENCHMARKS.md tests/bench/BENCHMARKS.md
