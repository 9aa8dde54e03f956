#!/usr/bin/env bash
# Plants each bug of `planted/` in a copy of the committed tree, and runs the tests of the sandbox on it.
# Prints a line for each: the tests that catch it, or SURVIVED. Exits with 1 if a bug survives, and with 2 if a patch
# cannot be tried: it does not apply, or what it makes does not build.
#
#   bash tests/sandbox/tests/planted.sh [NAME...]
set -euo pipefail
cd "$(dirname "$0")/../../.."
root=$PWD
patches=tests/sandbox/tests/planted
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
    tests=(cargo test --locked -p lp-connector-sandbox --features console --lib --tests)
    if ! (cd "$tree" && "${tests[@]}" -q --no-run) 2>"$log"; then
        unusable "$name" "it does not build"
        continue
    fi
    status=0
    # Without what it waits for, a test may wait for ever: others have failed by then.
    (cd "$tree" && timeout 300 "${tests[@]}" --no-fail-fast) >"$log" 2>&1 || status=$?
    found=$(sed -n 's/^test \(.*\) \.\.\. FAILED$/\1/p' "$log" | sort -u | paste -sd ' ')
    if [ -n "$found" ]; then
        echo "$name: caught by $found"
        caught=$((caught + 1))
    elif [ "$status" -eq 0 ]; then
        echo "$name: SURVIVED"
        survived=$((survived + 1))
    else
        unusable "$name" "the tests end with status $status"
    fi
done
echo "${#names[@]} bugs: $caught caught, $survived survived, $broken could not be tried"
[ "$broken" -eq 0 ] || exit 2
[ "$survived" -eq 0 ] || exit 1
