#!/usr/bin/env bash
# Prints which part of each crate's lines, regions and branches the ordinary tests reach, corpora included; the report by
# file is in target/coverage/tests.json.
#
#     bash tests/coverage.sh
#
# It needs a nightly compiler, which counts branches, and LLVM's llvm-cov and llvm-profdata of the compiler's version: those
# of the component llvm-tools, or else of the system.
set -euo pipefail
cd "$(dirname "$0")/.."
version=$(rustc +nightly -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
host=$(rustc +nightly -vV | sed -n 's/^host: //p')
if [ ! -x "$(rustc +nightly --print sysroot)/lib/rustlib/$host/bin/llvm-cov" ]; then
    for tool in llvm-cov llvm-profdata; do
        [ -n "$(command -v "$tool-$version")" ] || {
            echo "llvm-cov and llvm-profdata $version are missing: rustup +nightly component add llvm-tools, or apt-get install llvm-$version" >&2
            exit 1
        }
    done
    LLVM_COV=$(command -v "llvm-cov-$version") LLVM_PROFDATA=$(command -v "llvm-profdata-$version")
    export LLVM_COV LLVM_PROFDATA
fi
cargo llvm-cov --version >/dev/null 2>&1 || cargo install -q --locked cargo-llvm-cov
mkdir -p target/coverage
# What tests start without an environment does not know where its counts belong, and leaves them where it runs.
trap "find . -path ./target -prune -o -name 'default_*.profraw' -exec rm {} +" EXIT
# Members of the workspace are below tests, which are no tests by that.
# The tests of the evidence want the page of what is printed here.
cargo +nightly llvm-cov --workspace --exclude lp-connector-evidence --locked --branch \
    --disable-default-ignore-filename-regex --json --summary-only --output-path target/coverage/tests.json >target/coverage/tests.txt 2>&1 ||
    { tail -n 50 target/coverage/tests.txt >&2; exit 1; }
cargo run -q --locked -p lp-connector-evidence -- coverage target/coverage/tests.json
