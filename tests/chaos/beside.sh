#!/usr/bin/env bash
# The version before and this one side by side over one store, under kills.
#
#   bash tests/chaos/beside.sh [REV [OPTION…]]
#
# builds the chaos program of REV (by default the newest tag, or else the first commit with numbered migrations), and runs
# this one with half of its processes of that version. Options go to the program.
set -euo pipefail
cd "$(dirname "$0")/../.."
rev=${1:-}
[ $# = 0 ] || shift
if [ -z "$rev" ]; then
    rev=$(git describe --tags --abbrev=0 2>/dev/null ||
        git log --reverse --format=%H -- adapters/postgres/src/migrations | sed -n 1p)
fi
if [ -z "$rev" ] || ! git rev-parse --quiet --verify "$rev^{commit}" >/dev/null; then
    echo "skipped: this clone does not have the version before"
    exit 0
fi
rev=$(git rev-parse --short "$rev")
here=$PWD
built=$here/target/beside/$rev/release/lp-connector-chaos
# With the features of the whole workspace: what the gate has built so is not built again.
cargo build --locked -q --release --workspace --bin lp-connector-chaos
if [ ! -x "$built" ]; then
    source=$(mktemp -d)
    trap 'rm -rf "$source"' EXIT
    # Newer than what is built: nothing of this version is taken for its own.
    git archive --prefix="beside-$rev/" "$rev" | tar -x -m -C "$source"
    # What both versions depend on is built already.
    mkdir -p "target/beside/$rev"
    [ -d "target/beside/$rev/release" ] || cp -a target/release "target/beside/$rev/release"
    (cd "$source/beside-$rev" &&
        CARGO_TARGET_DIR="$here/target/beside/$rev" cargo build --locked -q --release --workspace --bin lp-connector-chaos)
    # Not left to the trap: there is none after `exec`.
    rm -rf "$source"
fi
if [ $# = 0 ]; then
    set -- --store postgres --instances 4 --kill-every 300ms --messages 2000
fi
echo "beside $rev:"
exec target/release/lp-connector-chaos --beside "$built" "$@"
