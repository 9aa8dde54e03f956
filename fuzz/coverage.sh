#!/usr/bin/env bash
# What the corpora reach of core/src: replays them with a program that counts (the tests of `cargo test`), prints lines
# and regions for each module, and writes the same to target/coverage/corpora.json.
#
#   bash fuzz/coverage.sh            # each directory, and each file beside them
#   bash fuzz/coverage.sh missed     # and the lines that no input reaches
#
# Needs llvm-profdata and llvm-cov of rustc's LLVM: from `rustup component add llvm-tools`, or from the package llvm-N,
# which is installed where apt-get and the rights are there.
set -euo pipefail
cd "$(dirname "$0")/.."
out=target/coverage
mkdir -p "$out"

version=$(rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
host=$(rustc -vV | sed -n 's/^host: //p')
tools() {
    local directory
    for directory in "$(rustc --print sysroot)/lib/rustlib/$host/bin" "/usr/lib/llvm-$version/bin"; do
        if [ -x "$directory/llvm-profdata" ] && [ -x "$directory/llvm-cov" ]; then
            echo "$directory"
            return
        fi
    done
}
bin=$(tools)
if [ -z "$bin" ] && command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
    { apt-get update -qq && apt-get install -y -qq "llvm-$version"; } >/dev/null 2>&1 || true
    bin=$(tools)
fi
if [ -z "$bin" ]; then
    echo "llvm-profdata and llvm-cov of LLVM $version are missing: rustup component add llvm-tools, or install llvm-$version"
    exit 1
fi

# Built apart: the counters would build everything else again. What runs while it is built counts too, and is dropped.
program=$(LLVM_PROFILE_FILE="$PWD/$out/build-%p.profraw" RUSTFLAGS="-Cinstrument-coverage" CARGO_INCREMENTAL=0 cargo test -q -p lp-connector-differential --test corpora \
    --locked --target-dir "$out/build" --no-run --message-format=json |
    sed -n '/"name":"corpora"/s/.*"executable":"\([^"]*\)".*/\1/p')
rm -f "$out"/*.profraw
# The corpora alone: the property makes inputs of its own.
LLVM_PROFILE_FILE="$PWD/$out/%p-%m.profraw" "$program" -q --skip random_scripts >"$out/replay.txt" 2>&1 ||
    { tail -30 "$out/replay.txt"; exit 1; }
"$bin/llvm-profdata" merge -sparse "$out"/*.profraw -o "$out/corpora.profdata"
rm -f "$out"/*.profraw

# Without what is there for tests alone.
mapfile -t sources < <(find core/src -name '*.rs' -not -path 'core/src/fuzz*' -not -path 'core/src/bridge/world/*' | sort)
"$bin/llvm-cov" export -summary-only -format=text -instr-profile="$out/corpora.profdata" "$program" \
    "${sources[@]/#/$PWD/}" >"$out/export.json"
# One line for each file: its name, lines and regions, each as a count and what was reached.
sed 's/{"filename":/\n&/g; s/"totals"/\n&/' "$out/export.json" |
    sed -n 's|.*"filename":"[^"]*core/src/\([^"]*\)".*"lines":{"count":\([0-9]*\),"covered":\([0-9]*\),.*"regions":{"count":\([0-9]*\),"covered":\([0-9]*\),.*|\1 \2 \3 \4 \5|p' |
    awk -v json="$out/corpora.json" '
function share(of, all) { return all ? 100 * of / all : 100 }
function line(name, a, b, c, d) {
    printf "%-28s %6d of %6d lines (%5.1f %%)   %6d of %6d regions (%5.1f %%)\n", name, b, a, share(b, a), d, c, share(d, c)
}
function record(name, a, b, c, d) {
    return sprintf("{\"module\":\"%s\",\"lines\":{\"count\":%d,\"reached\":%d},\"regions\":{\"count\":%d,\"reached\":%d}}", name, a, b, c, d)
}
{
    name = $1
    sub(/\/.*/, "/", name)
    if (!(name in lines)) order[++count] = name
    lines[name] += $2; hit[name] += $3; regions[name] += $4; met[name] += $5
    all += $2; all_hit += $3; all_regions += $4; all_met += $5
}
END {
    if (!count) { print "no coverage was read"; exit 1 }
    printf "{\"modules\":[" >json
    for (i = 1; i <= count; i++) {
        name = order[i]
        line(name, lines[name], hit[name], regions[name], met[name])
        printf "%s%s", (i > 1 ? "," : ""), record(name, lines[name], hit[name], regions[name], met[name]) >json
    }
    line("core/src", all, all_hit, all_regions, all_met)
    printf "],\"all\":%s}\n", record("core/src", all, all_hit, all_regions, all_met) >json
}'

if [ "${1:-}" = missed ]; then
    "$bin/llvm-cov" show -instr-profile="$out/corpora.profdata" "$program" "${sources[@]/#/$PWD/}" |
        awk '/^\// { file = $0; sub(/.*core\/src\//, "", file) } /^ +[0-9]+\| +0\|/ { print file $0 }'
fi
