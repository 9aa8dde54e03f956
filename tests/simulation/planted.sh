#!/usr/bin/env bash
# Plants each bug of `planted/` in a copy of the committed tree, and runs the simulation on it. Prints a
# line for each: the invariant that catches it and the seed, or SURVIVED. Exits with 1 if a bug survives,
# and with 2 if a patch cannot be tried: it does not apply, or what it makes does not build or run.
#
#   bash tests/simulation/planted.sh [--bridge] [SEEDS] [NAME...]
#
# With --bridge, the bugs are those of `planted/bridge/`, and the simulation is that of the bridge. A run ends
# at the first seed that breaks an invariant: many SEEDS cost time for rare bugs only. Default: 20000, and
# 10000 with --bridge.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
patches=tests/simulation/planted
options=()
default=20000
if [ "${1:-}" = --bridge ]; then
    patches=$patches/bridge
    options=(--bridge)
    default=10000
    shift
fi
seeds=${1:-$default}
shift || true
names=("$@")
if [ $# -eq 0 ]; then
    for patch in "$patches"/*.patch; do
        names+=("$(basename "$patch" .patch)")
    done
fi
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
tree=$copy/tree
log=$copy/log
git clone -q "$root" "$tree"
# The patches share a target directory, so that dependencies are built once, and are built incrementally,
# as each changes a line or two.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target/planted} CARGO_INCREMENTAL=1
caught=0
survived=0
broken=0

# Reports a patch that cannot be tried, with the output of the command that failed.
unusable() { # name, what is wrong with it
    echo "$1: ERROR: $2"
    sed 's/^/    /' "$log" >&2
    broken=$((broken + 1))
}

for name in "${names[@]}"; do
    git -C "$tree" checkout -q .
    if ! git -C "$tree" apply "$root/$patches/$name.patch" 2>"$log"; then
        unusable "$name" "the patch does not apply"
        continue
    fi
    if ! (cd "$tree" && cargo build -q --release --locked -p lp-connector-simulation) 2>"$log"; then
        unusable "$name" "it does not build"
        continue
    fi
    status=0
    "$CARGO_TARGET_DIR/release/lp-connector-simulation" "${options[@]}" --seeds "$seeds" >"$log" 2>&1 || status=$?
    found=$(sed -n 's/^seed \([0-9]*\) breaks an invariant: \([A-Za-z]*\):.*/\2 \1/p' "$log")
    if [ -n "$found" ]; then
        read -r invariant seed <<<"$found"
        echo "$name: caught by $invariant at seed $seed"
        caught=$((caught + 1))
    elif [ "$status" -eq 0 ]; then
        echo "$name: SURVIVED"
        survived=$((survived + 1))
    else
        unusable "$name" "the simulation ends with status $status"
    fi
done
echo "${#names[@]} bugs: $caught caught, $survived survived, $broken could not be tried"
[ "$broken" -eq 0 ] || exit 2
[ "$survived" -eq 0 ] || exit 1
