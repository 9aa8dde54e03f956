#!/usr/bin/env bash
# Sums up the runs of run.sh that are recorded in runs.jsonl: each target's executions, and the figures of its last run.
#
#   bash fuzz/executions.sh            # prints the sums
#   bash fuzz/executions.sh record     # takes the runs of this checkout into the record first
#
# It ends with 1 if a target has no run. Which commit a run was of is in its line.
set -euo pipefail
cd "$(dirname "$0")"
runs=../target/fuzz/runs.jsonl
case ${1:-} in
'') ;;
record)
    if [ -s "$runs" ]; then
        cat "$runs" >>runs.jsonl
        rm "$runs"
    fi
    ;;
*)
    sed -n '4,5s/^# \{0,1\}//p' executions.sh >&2
    exit 2
    ;;
esac
[ -e runs.jsonl ] || : >runs.jsonl
mapfile -t targets < <(sed -n 's/^path = "fuzz_targets\/\(.*\)\.rs"/\1/p' Cargo.toml)
awk -v targets="${targets[*]}" '
function text(name) { match($0, "\"" name "\":\"[^\"]*\""); return substr($0, RSTART + length(name) + 4, RLENGTH - length(name) - 5) }
function number(name) { match($0, "\"" name "\":[0-9]*"); return substr($0, RSTART + length(name) + 3, RLENGTH - length(name) - 3) }
{
    target = text("target")
    executions[target] += number("executions")
    seconds[target] += number("seconds")
    corpus[target] = number("corpus")
    reached[target] = number("run")
}
END {
    printf "%-20s %14s %8s   %s\n", "target", "executions", "seconds", "edges: corpus -> last run"
    count = split(targets, names, " ")
    for (i = 1; i <= count; i++) {
        name = names[i]
        if (!(name in executions)) { missing = missing " " name; continue }
        if (i == 1 || executions[name] < fewest) fewest = executions[name]
        total += executions[name]
        printf "%-20s %14.0f %8d   %15d -> %d\n", name, executions[name], seconds[name], corpus[name], reached[name]
    }
    printf "%d targets: %.0f executions, at least %.0f of each\n", count, total, missing == "" ? fewest : 0
    if (missing != "") { print "no run of" missing; exit 1 }
}' runs.jsonl
