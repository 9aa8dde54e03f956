#!/usr/bin/env bash
# Plants bugs in a copy of the committed tree, one at a time, and runs what must catch them. Prints a line for each: what
# caught it, or SURVIVED. Exits with 1 if a bug survives, and with 2 if a patch cannot be tried: it does not apply, or
# what it makes does not build or run.
# Tests that fail without any bug catch nothing: they run once before, and if they fail that is all, with 2.
#
#   bash tests/planted.sh SET [--seeds N] [NAME...]
#   bash tests/planted.sh all
#
# The sets, and what must catch their bugs:
#
#   calls     the simulation of calls: an invariant, within 20000 seeds
#   bridge    the simulation of the bridge: an invariant, within 10000 seeds
#   core      the tests of lp-connector-core
#   gateway   the tests of lp-connector-gateway with its server
#   sandbox   the tests of lp-connector-sandbox
#   adapters  the tests of the adapter that has the bug; if they do not, the conformance suite
#   axum      the tests of lp-connector-axum
#   sqlite    the tests of lp-connector-sqlite; if they do not, the cases of all stores
#
# tests/README.md has the number of bugs of each; a test compares it.
#
# A simulation ends at the first seed that breaks an invariant: many seeds cost time for rare bugs only.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
set_name=${1:-}
shift || true
seeds=
if [ "${1:-}" = --seeds ]; then
    seeds=$2
    shift 2
fi

# Builds what must catch the bugs of this set, and runs it.
build=(cargo test --locked -q --no-run)
run=(cargo test --locked --no-fail-fast)
simulate() { # the default number of seeds, options
    build=(cargo build -q --release --locked -p lp-connector-simulation)
    run=("${CARGO_TARGET_DIR:-$root/target/planted}/release/lp-connector-simulation" "${@:2}" --seeds "${seeds:-$1}")
    caught_by='s/^seed \([0-9]*\) breaks an invariant: \([A-Za-z]*\):.*/\2 at seed \1/p'
}
caught_by='s/^test \(.*\) \.\.\. FAILED$/\1/p'

# Which tests are run, and which if none of those fails.
tests_of() { # the patch
    case $set_name in
    calls | bridge) echo ;;
    core) echo "-p lp-connector-core --lib" ;;
    gateway) echo "-p lp-connector-gateway --features server" ;;
    sandbox) echo "-p lp-connector-sandbox --features console --lib --tests" ;;
    adapters)
        # One module of the suite has all that the runtimes share.
        local adapter module=smol
        adapter=$(sed -n 's|^+++ b/adapters/\([^/]*\)/.*|\1|p' "$1" | head -n 1)
        [ "$adapter" != ureq ] || module=ureq
        echo "-p lp-connector-$adapter --lib --tests"
        echo "-p lp-connector-conformance --test adapters --test handles $module"
        ;;
    axum) echo "-p lp-connector-axum --lib --test endpoint --test strangers --test deliveries" ;;
    sqlite)
        echo "-p lp-connector-sqlite --lib --tests"
        echo "-p lp-connector-stores --test conformance sqlite"
        ;;
    esac
}

case $set_name in
calls)
    patches=tests/simulation/planted
    simulate 20000
    ;;
bridge)
    patches=tests/simulation/planted/bridge
    simulate 10000 --bridge
    ;;
core)
    patches=core/tests/planted
    ;;
gateway)
    patches=adapters/gateway/tests/planted
    ;;
sandbox)
    patches=tests/sandbox/tests/planted
    ;;
adapters)
    patches=tests/conformance/planted
    ;;
axum)
    patches=adapters/axum/tests/planted
    ;;
sqlite)
    patches=adapters/sqlite/tests/planted
    ;;
all)
    status=0
    for one in calls bridge core gateway sandbox adapters axum sqlite; do
        echo "== $one"
        bash tests/planted.sh "$one" || status=$?
    done
    exit "$status"
    ;;
*)
    echo "there is no set \"$set_name\": there are calls, bridge, core, gateway, sandbox, adapters, axum, sqlite, and all" >&2
    exit 2
    ;;
esac
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
cd "$tree"
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

# The tests of all these patches, each once, on the tree as it is. A simulation has no such tests.
for name in "${names[@]}"; do
    [ ! -e "$root/$patches/$name.patch" ] || tests_of "$root/$patches/$name.patch"
done | sort -u >"$copy/tests"
while read -ra tested; do
    [ ${#tested[@]} -ne 0 ] || continue
    status=0
    { "${build[@]}" "${tested[@]}" && timeout 900 "${run[@]}" "${tested[@]}"; } >"$log" 2>&1 </dev/null || status=$?
    if [ "$status" -ne 0 ]; then
        echo "without a bug these tests fail already, or do not build: ${tested[*]}"
        sed 's/^/    /' "$log" >&2
        exit 2
    fi
done <"$copy/tests"

for name in "${names[@]}"; do
    git checkout -q .
    if ! git apply "$root/$patches/$name.patch" 2>"$log"; then
        unusable "$name" "the patch does not apply"
        continue
    fi
    status=0
    found=
    while read -ra tested; do
        if ! "${build[@]}" "${tested[@]}" 2>"$log" </dev/null; then
            unusable "$name" "it does not build"
            continue 2
        fi
        # Without what it waits for, a test may wait for ever: others have failed by then. A simulation takes its time.
        limit=0
        [ ${#tested[@]} -eq 0 ] || limit=300
        timeout "$limit" "${run[@]}" "${tested[@]}" >"$log" 2>&1 </dev/null || status=$?
        found=$(sed -n "$caught_by" "$log" | sort -u | paste -sd ' ')
        [ -z "$found" ] && [ "$status" -eq 0 ] || break
    done < <(tests_of "$root/$patches/$name.patch")
    if [ -n "$found" ]; then
        echo "$name: caught by $found"
        caught=$((caught + 1))
    elif [ "$status" -eq 0 ]; then
        echo "$name: SURVIVED"
        survived=$((survived + 1))
    else
        unusable "$name" "it ends with status $status"
    fi
done
echo "${#names[@]} bugs: $caught caught, $survived survived, $broken could not be tried"
[ "$broken" -eq 0 ] || exit 2
[ "$survived" -eq 0 ] || exit 1
