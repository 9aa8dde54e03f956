#!/usr/bin/env bash
# Changes one thing at a time in a copy of the tree (cargo-mutants), and runs the tests of the package.
#
#   bash tests/mutants.sh PART [--shard K/N] [--file GLOB]... [--jobs N]
#   bash tests/mutants.sh shards
#   bash tests/mutants.sh table
#
# PART is one of the parts below. What is found is in target/mutants. `shards` prints how the work is divided so that each
# takes less than an hour on two cores, a line for each: the nightly workflow runs these. `table` prints all that is in
# target/mutants as one table, a line for each module, and writes it as target/mutants/table.json. It ends with 1 if a mutant
# is missed that tests/mutants-equivalent.toml does not name with a reason, or one that it names is caught; and with 2 if that
# is not all of one commit: a shard has not run to its end, or ran on another commit.
#
# A mutant of the core is tried with the tests of its module first. If they do not catch it, all tests of the core are run,
# and for the bridge those of all stores too: what a store in memory must do is written down there.
set -euo pipefail
cd "$(dirname "$0")/.."

# Left out: async-std, it has sixty lines, which the conformance suite tests over sockets.
# Left out: smol, as async-std.
# Left out: tokio, as async-std.
# Left out: lp-connector, it has names of others alone.
# Left out: cli, its tests start a program for each line: its shards would take days.
# Left out: postgres, its tests need a server.
# The package, of the core the module, and the number of shards: some 300 mutants each, fewer where tests take longer.
parts=(
    core/api:2 core/bridge:8 core/connector:3 core/http1:1 core/json:2 core/manifest:1 core/policy:1 core/webhook:3 core/rest:2
    async:2 ureq:3 tls:1 axum:3 bridge:4 gateway:8 sqlite:3
)

usage() {
    sed -n '2,6s/^# \{0,1\}//p' tests/mutants.sh >&2
    echo "The parts: ${parts[*]%:*}" >&2
    exit 2
}

case ${1:-} in
shards)
    for part in "${parts[@]}"; do
        for ((shard = 0; shard < ${part#*:}; shard++)); do
            echo "${part%:*} --shard $shard/${part#*:}"
        done
    done
    exit
    ;;
table) exec python3 tests/mutants.py ;;
esac

part=${1:-}
[[ " ${parts[*]%:*} " == *" $part "* ]] || usage
shift
name=${part/\//-}
jobs=$(nproc)
shard=()
files=()
while [ $# -gt 0 ]; do
    case $1 in
    --shard)
        name=$name-${2/\//-of-}
        shard=("$1" "$2")
        ;;
    --file)
        name=$name-$(tr -c 'a-z0-9_\n' - <<<"$2")
        files+=("$1" "$2")
        ;;
    --jobs) jobs=$2 ;;
    *) usage ;;
    esac
    shift 2 || usage
done

features=()
tests=(--lib --tests)
# Which of them are run first, and the package whose tests are run last.
first=()
last=
module=()
case $part in
core/rest)
    tests=(--lib)
    first=(--skip bridge:: --skip interleavings --skip every_)
    module=(--file 'core/src/*.rs' --file 'core/src/error/**')
    ;;
core/*)
    tests=(--lib)
    first=("${part#*/}::" --skip small_worlds --skip interleavings)
    module=(--file "core/src/${part#*/}/**")
    ;;&
core/bridge) last=lp-connector-stores ;;
async | tls) tests=(--lib) ;;
axum) tests=(--lib --test endpoint --test strangers --test deliveries) ;;
gateway) features=(--features server) ;;
bridge) features=(--features axum,blocking) ;;
esac
[ ${#files[@]} -gt 0 ] || files=("${module[@]}")

command -v cargo-mutants >/dev/null || { echo "cargo-mutants is missing: cargo install cargo-mutants --locked" >&2; exit 2; }
# Without debug information, and only what a mutant changes is built anew.
export CARGO_INCREMENTAL=1 CARGO_PROFILE_DEV_DEBUG=0 CARGO_PROFILE_TEST_DEBUG=0
commit=$(git rev-parse HEAD)
[ -z "$(git status --porcelain)" ] || commit="$commit, changed"
output=target/mutants/$name
rm -rf "$output"
mkdir -p "$output"
# Its status says that mutants are missed (2) or took too long (3): the table judges that. Any other is an error.
try() { # options, and after -- what `cargo test` is given
    local status=0
    cargo mutants --package "lp-connector-${part%%/*}" "${features[@]}" --output "$output" --jobs "$jobs" --colors never \
        "${files[@]}" "${shard[@]}" "$@" || status=$?
    case $status in
    0 | 2 | 3) ;;
    *) exit "$status" ;;
    esac
    tries=$((tries + 1))
    cp "$output/mutants.out/outcomes.json" "$output/$tries.json"
}
# Tries again what was missed, by name: which mutants a shard has depends on what else is left out.
again() { # options, and after -- what `cargo test` is given
    local missed=() name
    while read -r name; do
        missed+=(--re "^$(sed 's/[][\.*^$+?(){}|]/\\&/g' <<<"$name")\$")
    done <"$output/mutants.out/missed.txt"
    files=()
    shard=()
    [ ${#missed[@]} -eq 0 ] || try "${missed[@]}" "$@"
}
tries=0
if [ ${#first[@]} -eq 0 ]; then
    try -- "${tests[@]}"
else
    try -- "${tests[@]}" -- "${first[@]}"
    again -- "${tests[@]}"
    [ -z "$last" ] || again --test-package "$last" -- --tests
fi
# The table takes what ended, and all of it of one commit.
echo "$commit" >"$output/commit"
