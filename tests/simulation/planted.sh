#!/usr/bin/env bash
# Plants each bug of `planted/` in a copy of the committed tree and runs the simulation on it. Prints a
# table: the bug, the invariant that catches it (or SURVIVED), and the seed. Exits with 1 if a bug
# survives, and with 2 if a patch does not apply or does not build.
#
# A caught bug ends at its seed, so that many SEEDS cost time for rare ones only. Default: 100000.
#
#   bash tests/simulation/planted.sh [SEEDS] [NAME...]
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
seeds=${1:-100000}
shift || true
patches=("${@/%/.patch}")
patches=("${patches[@]/#/tests/simulation/planted/}")
[ $# -gt 0 ] || patches=(tests/simulation/planted/*.patch)
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
git clone -q "$root" "$copy/tree"
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target/planted}
survived=0
broken=0
row() { printf '| %-42s | %-22s | %-5s |\n' "$@"; }

# Reports a patch that cannot be tried, with the output of the command that failed.
unusable() { # name, what is wrong with it, the output
    echo "error: planted/$1.patch $2:" >&2
    sed 's/^/    /' "$3" >&2
    row "$1" "ERROR: $2" -
    broken=1
}

row "planted bug" "invariant broken" "seed"
row --- --- ---
for patch in "${patches[@]}"; do
    name=$(basename "$patch" .patch)
    git -C "$copy/tree" checkout -q .
    if ! git -C "$copy/tree" apply "$root/$patch" 2>"$copy/log"; then
        unusable "$name" "does not apply" "$copy/log"
        continue
    fi
    if ! (cd "$copy/tree" && cargo build -q --release --locked -p lp-connector-simulation) 2>"$copy/log"; then
        unusable "$name" "does not build" "$copy/log"
        continue
    fi
    status=0
    "$CARGO_TARGET_DIR/release/lp-connector-simulation" --seeds "$seeds" >"$copy/log" 2>&1 || status=$?
    found=$(sed -n 's/^seed \([0-9]*\) breaks an invariant: \([A-Za-z]*\):.*/\2 \1/p' "$copy/log")
    if [ -n "$found" ]; then
        read -r invariant seed <<<"$found"
        row "$name" "$invariant" "$seed"
    elif [ "$status" -eq 0 ]; then
        row "$name" SURVIVED -
        survived=1
    else
        unusable "$name" "ends the simulation with status $status" "$copy/log"
    fi
done
[ "$broken" -eq 0 ] || exit 2
exit "$survived"
