#!/usr/bin/env bash
# Plants each bug of `planted/` in a copy of what is committed, and lets the simulation look for it:
# which promise it breaks, and at which seed. Exits with 1 if one is not found.
#
#   bash tests/simulation/planted.sh [SEEDS] [NAME...]
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
seeds=${1:-10000}
shift || true
patches=("${@/%/.patch}")
patches=("${patches[@]/#/tests/simulation/planted/}")
[ $# -gt 0 ] || patches=(tests/simulation/planted/*.patch)
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
git clone -q "$root" "$copy/tree"
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target/planted}
missed=0
printf '%-42s %-22s %s\n' "planted bug" "promise broken" "seed"
for patch in "${patches[@]}"; do
    git -C "$copy/tree" checkout -q .
    git -C "$copy/tree" apply "$root/$patch"
    (cd "$copy/tree" && cargo build -q --release --locked -p lp-connector-simulation 2>/dev/null)
    told=$("$CARGO_TARGET_DIR/release/lp-connector-simulation" --seeds "$seeds" || true)
    found=$(sed -n 's/^seed \([0-9]*\) breaks a promise. \([A-Za-z]*\):.*/\2 \1/p' <<<"$told")
    read -r promise seed <<<"${found:-nothing -}"
    printf '%-42s %-22s %s\n' "$(basename "$patch" .patch)" "$promise" "$seed"
    [ -n "$found" ] || missed=1
done
exit $missed
