#!/usr/bin/env bash
# Plants bugs in copies of the committed tree, one at a time in each, and runs what must catch them. Prints a line for
# each: what caught it, or SURVIVED. Exits with 1 if a bug survives, and with 2 if a patch cannot be tried: it does not
# apply, or what it makes does not build or run.
#
#   bash tests/planted.sh SET [--jobs N] [--record] [--seeds N] [NAME...]
#   bash tests/planted.sh all [--jobs N] [--record]
#
# The sets, and what must catch their bugs:
#
#   calls         the simulation of calls: an invariant, within 20000 seeds
#   bridge        the simulation of the bridge: an invariant, within 10000 seeds
#   bridge-tests  the tests of lp-connector-core, or those of lp-connector-bridge if the bug is there
#   core          the tests of lp-connector-core
#   gateway       the tests of lp-connector-gateway with its server
#   sandbox       the tests of lp-connector-sandbox
#   adapters      the tests of the adapter that has the bug; if they do not, the orders of its threads, if it is the async
#                 one, and then the conformance suite
#   axum          the tests of lp-connector-axum
#   sqlite        the tests of lp-connector-sqlite; if they do not, the cases of all stores
#
# tests/README.md has the number of bugs of each; a test compares it.
#
# The first line of a patch may say what catches it: `Caught by: seed 17`, or the arguments of `cargo test` with the names
# of tests at their end. That alone is built and run first. If it does not catch the bug, the whole set has its turn, and
# the line is said to be wrong; --record writes it anew. So the line saves time, and proves nothing: a test counts only if
# it passed without a bug in the same run of this script, and fails alone; and a seed only if it breaks no invariant without
# the bug.
#
# So many bugs as --jobs says are tried at a time, in a tree and a target directory each: one for each processor, if it
# says nothing. They stay in target/planted, for they are built incrementally.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
fail() {
    echo "$*" >&2
    exit 2
}

set_name=${1:-}
shift || true
options=("$@")
processors=$(nproc)
jobs=$processors
seeds=
record=
while [ $# -gt 0 ]; do
    case $1 in
    --jobs) jobs=${2:?} && shift 2 ;;
    --seeds) seeds=${2:?} && shift 2 ;;
    --record) record=yes && shift ;;
    --*) fail "there is no option $1" ;;
    *) break ;;
    esac
done
names=("$@")

simulate=() # the options of the simulation, if this is one
case $set_name in
calls) patches=tests/simulation/planted simulate=(--threads 1) seeds=${seeds:-20000} ;;
bridge) patches=tests/simulation/planted/bridge simulate=(--threads 1 --bridge) seeds=${seeds:-10000} ;;
bridge-tests) patches=adapters/bridge/tests/planted ;;
core) patches=core/tests/planted ;;
gateway) patches=adapters/gateway/tests/planted ;;
sandbox) patches=tests/sandbox/tests/planted ;;
adapters) patches=tests/conformance/planted ;;
axum) patches=adapters/axum/tests/planted ;;
sqlite) patches=adapters/sqlite/tests/planted ;;
all)
    status=0
    for one in calls bridge bridge-tests core gateway sandbox adapters axum sqlite; do
        echo "== $one"
        bash tests/planted.sh "$one" "${options[@]}" || status=$?
    done
    echo "all sets in $SECONDS s"
    exit "$status"
    ;;
*) fail "there is no set \"$set_name\": see the first lines of tests/planted.sh" ;;
esac

# What must catch the bug of a patch: arguments, a line each. The next line is of use if the one before does not.
whole_set() { # patch
    local adapter module=smol
    adapter=$(sed -n 's|^+++ b/adapters/\([^/]*\)/.*|\1|p' "$1" | head -n 1)
    case $set_name in
    calls | bridge) echo "--seeds $seeds" ;;
    core) echo "-p lp-connector-core --lib" ;;
    bridge-tests)
        case $adapter in
        bridge) echo "-p lp-connector-bridge --features axum,blocking --lib" ;;
        *) echo "-p lp-connector-core --lib" ;;
        esac
        ;;
    gateway) echo "-p lp-connector-gateway --features server --lib --tests" ;;
    sandbox) echo "-p lp-connector-sandbox --features console --lib --tests" ;;
    adapters)
        # One module of the suite has all that the runtimes share.
        [ "$adapter" != ureq ] || module=ureq
        echo "-p lp-connector-$adapter --lib --tests"
        [ "$adapter" != async ] || echo "-p lp-connector-interleavings --test orders"
        echo "-p lp-connector-conformance --test adapters --test handles $module"
        ;;
    axum) echo "-p lp-connector-axum --lib --test endpoint --test strangers --test deliveries" ;;
    sqlite)
        echo "-p lp-connector-sqlite --lib --tests"
        echo "-p lp-connector-stores --test conformance sqlite"
        ;;
    esac
}

# The package and the features in arguments of `cargo test`.
package_of() { # arguments
    sed 's/ --\(lib\|test\).*//' <<<"$1"
}

# What the patch's first line says, as arguments. Nothing, if it names nothing of the whole set.
named_by() { # patch
    local line whole
    line=$(sed -n '1s/^Caught by: //p' "$1")
    if [[ $line =~ ^seed\ [0-9]+$ ]]; then
        [ ${#simulate[@]} -eq 0 ] || echo "--from ${line#seed } --seeds 1"
        return
    fi
    whole_set "$1" | while read -r whole; do
        if [[ $line == "$(package_of "$whole") --"* && $line =~ ^(.*\ --(lib|test\ [^ ]+))\ (.+)$ ]]; then
            echo "${BASH_REMATCH[1]} -- ${BASH_REMATCH[3]}"
        fi
    done
}

base=${CARGO_TARGET_DIR:-$root/target}/planted
mkdir -p "$base"
exec 9>"$base/lock"
! command -v flock >/dev/null || flock -n 9 || fail "bugs are planted in $base already"
work=$(mktemp -d)
trap 'jobs -p | xargs -r kill 2>/dev/null || true; rm -rf "$work"' EXIT
# A change of one line is built fast. Only a simulation without a seed to begin with pays for it.
export CARGO_TERM_COLOR=never CARGO_INCREMENTAL=1 CARGO_PROFILE_DEV_DEBUG=0
export CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_CODEGEN_UNITS=256
export CARGO_BUILD_JOBS=$processors

# Builds and runs tests, or the simulation, and writes their output to a file. Status 200: they do not build. A run ends at
# the first failure: without what it waits for, a further test may wait for ever.
running=
run() { # place, output, the most seconds, arguments
    local output=$2 limit=$3 status=0
    local in=(--locked --manifest-path "$base/$1/tree/Cargo.toml" --target-dir "$base/$1/target")
    shift 3
    local build=(test -q "${in[@]}" --no-run "$@") command=(cargo test "${in[@]}" "$@")
    if [ ${#simulate[@]} -gt 0 ]; then
        build=(build -q "${in[@]}" --release -p lp-connector-simulation)
        command=("${in[-1]}/release/lp-connector-simulation" "${simulate[@]}" "$@")
    fi
    cargo "${build[@]}" >"$output" 2>&1 </dev/null 9>&- || return 200
    timeout "$limit" "${command[@]}" >"$output" 2>&1 </dev/null 9>&- &
    running=$!
    while kill -0 "$running" 2>/dev/null; do
        ! grep -q '^test .* FAILED$' "$output" || kill "$running" 2>/dev/null || true
        sleep 0.1
    done
    wait "$running" || status=$?
    running=
    return "$status"
}

# The tests in an output that ended so, as the first line of a patch names them.
tests_that() { # "ok" or "FAILED", output, package
    awk -v ended="$1" -v package="$3" '
        $1 == "Running" {
            target = $NF
            gsub(/^.*\/|-[0-9a-f]*\)$/, "", target)
            target = $2 == "unittests" ? "--lib" : "--test " target
        }
        $1 == "test" && $NF == ended { print package, target, $2 }
    ' "$2"
}

# What has caught a bug by this output, as the first line of a patch names it. What fails without a bug too is left out.
caught_by() { # output, arguments
    if [ ${#simulate[@]} -eq 0 ]; then
        tests_that FAILED "$1" "$(package_of "$2")" | grep -Fxf "$work/green" || true
        return
    fi
    local seed
    seed=$(sed -n 's/^seed \([0-9]*\) breaks an invariant: .*/\1/p' "$1")
    [ -z "$seed" ] || ! "$work/simulation" "${simulate[@]}" --from "$seed" --seeds 1 >/dev/null || echo "seed $seed"
}

# Runs something without a bug, and notes the tests that pass.
run_without_bug() { # arguments
    local status=0
    run 1 "$work/output" 900 "$@" || status=$?
    tests_that ok "$work/output" "$(package_of "$*")" >>"$work/green"
    return "$status"
}

# Whether a test that failed among others fails alone too: beside them it may have failed for want of time.
fails_alone() { # place, output, the test, as the first line of a patch names it
    local status=0
    # shellcheck disable=SC2086
    run "$1" "$2" 300 ${3% *} -- "${3##* }" || status=$?
    [ "$status" -ne 0 ] && [ "$status" -ne 200 ]
}

# Prints how it ended for a bug: a line, and what a command printed that failed.
ended() { # outcome, name, text, output
    echo "$1" >>"$work/outcomes"
    echo "$2: $3"
    [ -z "${4:-}" ] || sed 's/^/    /' "$4" >&2
}

# Plants one bug. One that is not caught by what its first line names is left to the whole set.
plant() { # named_by or whole_set, place, name
    local patch=$root/$patches/$3.patch output=$work/output.$2 git=(git -C "$base/$2/tree")
    local status=0 found='' limit=300 text arguments
    # A simulation of many seeds takes its time.
    [ "$1" = named_by ] || [ ${#simulate[@]} -eq 0 ] || limit=0
    "${git[@]}" checkout -q -f . && "${git[@]}" clean -q -f -d
    if ! "${git[@]}" apply "$patch" 2>"$output"; then
        ended broken "$3" "ERROR: the patch does not apply" "$output"
        return
    fi
    while read -ra arguments; do
        status=0
        run "$2" "$output" "$limit" "${arguments[@]}" || status=$?
        [ "$status" -ne 200 ] || break
        found=$(caught_by "$output" "${arguments[*]}")
        [ -z "$found" ] && [ "$status" -eq 0 ] || break
    done < <("$1" "$patch")
    if [ -n "$found" ] && [ "$1" = whole_set ] && [ ${#simulate[@]} -eq 0 ] &&
        ! fails_alone "$2" "$output" "$(head -n 1 <<<"$found")"; then
        ended broken "$3" "ERROR: what failed passes alone: $(head -n 1 <<<"$found")"
        return
    fi
    if [ -n "$found" ]; then
        text=$(sed 's/.* //' <<<"$found" | paste -sd ' ')
        [ ${#simulate[@]} -eq 0 ] || text="$(sed -n 's/^seed .* invariant: \([A-Za-z]*\):.*/\1/p' "$output") at $found"
        [ "$1" = named_by ] || ! grep -q '^Caught by: ' "$patch" || text+=" (its first line is wrong)"
        if [ -n "$record" ]; then
            sed -i '1{/^Caught by: /d}' "$patch"
            sed -i "1i Caught by: $(head -n 1 <<<"$found")" "$patch"
        fi
        ended caught "$3" "caught by $text"
    elif [ "$1" = named_by ]; then
        echo "$3" >>"$work/left"
    elif [ "$status" -eq 200 ]; then
        ended broken "$3" "ERROR: it does not build" "$output"
    elif [ "$status" -ne 0 ]; then
        ended broken "$3" "ERROR: it ends with status $status" "$output"
    else
        ended survived "$3" SURVIVED
    fi
}

# Plants bugs in all places at once.
plant_all() { # named_by or whole_set, names
    local place name
    [ $# -gt 1 ] || return 0
    mkdir "$work/$1"
    for ((place = 1; place <= jobs; place++)); do
        # What was built without a bug need not be built again.
        [ -d "$base/$place/target" ] || cp -a "$base/1/target" "$base/$place/target"
        {
            trap '[ -z "$running" ] || kill "$running" 2>/dev/null || true' EXIT
            CARGO_BUILD_JOBS=$(((processors + jobs - 1) / jobs))
            for name in "${@:2}"; do
                ! mkdir "$work/$1/$name" 2>/dev/null || plant "$1" "$place" "$name"
            done
        } &
    done
    wait
}

for ((place = 1; place <= jobs; place++)); do
    tree=$base/$place/tree
    [ -d "$tree/.git" ] || git init -q "$tree"
    git -C "$tree" fetch -q --depth 1 "$root" HEAD
    git -C "$tree" checkout -q -f --detach FETCH_HEAD
    git -C "$tree" clean -q -f -d
done
if [ ${#names[@]} -eq 0 ]; then
    for patch in "$patches"/*.patch; do
        names+=("$(basename "$patch" .patch)")
    done
fi
touch "$work"/{outcomes,left,green,named}
with_line=()
for name in "${names[@]}"; do
    named=$([ ! -e "$patches/$name.patch" ] || named_by "$patches/$name.patch")
    if [ -n "$named" ]; then
        with_line+=("$name")
        echo "$named" >>"$work/named"
    else
        echo "$name" >>"$work/left"
    fi
done

if [ ${#simulate[@]} -gt 0 ]; then
    run_without_bug --seeds 1 || { cat "$work/output" && fail "without a bug the simulation does not run"; } >&2
    cp "$base/1/target/release/lp-connector-simulation" "$work/simulation"
else
    # The tests of one program run together. Those that fail catch nothing.
    while read -ra program; do
        mapfile -t tests < <(grep -F -- "${program[*]} -- " "$work/named" | sed 's/.* -- //' | tr ' ' '\n' | sort -u)
        run_without_bug "${program[@]}" -- "${tests[@]}" || true
    done < <(sed 's/ -- .*//' "$work/named" | sort -u)
fi
plant_all named_by "${with_line[@]}"

mapfile -t left <"$work/left"
for name in "${left[@]}"; do
    [ ${#simulate[@]} -gt 0 ] || [ ! -e "$patches/$name.patch" ] || whole_set "$patches/$name.patch"
done | sort -u >"$work/programs"
git -C "$base/1/tree" checkout -q -f . && git -C "$base/1/tree" clean -q -f -d
while read -ra program; do
    run_without_bug "${program[@]}" ||
        { cat "$work/output" && fail "without a bug these tests fail, or do not build: ${program[*]}"; } >&2
done <"$work/programs"
plant_all whole_set "${left[@]}"

count() { grep -cx "$1" "$work/outcomes" || true; }
echo "${#names[@]} bugs: $(count caught) caught, $(count survived) survived, $(count broken) could not be tried; $SECONDS s"
[ "$(count broken)" -eq 0 ] && [ "$(wc -l <"$work/outcomes")" -eq ${#names[@]} ] || exit 2
[ "$(count survived)" -eq 0 ] || exit 1
