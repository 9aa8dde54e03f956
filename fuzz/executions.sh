#!/usr/bin/env bash
# Sums up the runs of run.sh: prints each target's executions so far and the figures of its last run, and writes them to
# target/fuzz/executions.json.
set -euo pipefail
cd "$(dirname "$0")/../target/fuzz"
awk '
function text(name) { match($0, "\"" name "\":\"[^\"]*\""); return substr($0, RSTART + length(name) + 4, RLENGTH - length(name) - 5) }
function number(name) { match($0, "\"" name "\":[0-9]*"); return substr($0, RSTART + length(name) + 3, RLENGTH - length(name) - 3) }
{
    target = text("target")
    if (!(target in runs)) order[++count] = target
    runs[target]++
    executions[target] += number("executions")
    seconds[target] += number("seconds")
    at[target] = text("at")
    last[target] = number("executions")
    took[target] = number("seconds")
    corpus[target] = number("corpus")
    run[target] = number("run")
    total += number("executions")
}
END {
    printf "%-20s %14s %5s %8s   last run: %12s executions in %6s s, coverage\n", "target", "executions", "runs", "seconds", "", ""
    printf "{\"executions\":%.0f,\"targets\":[", total >"executions.json"
    for (i = 1; i <= count; i++) {
        target = order[i]
        printf "%-20s %14.0f %5d %8d   %22s in %17s s, %5s -> %5s\n", target, executions[target], runs[target], seconds[target], last[target], took[target], corpus[target], run[target]
        printf "%s{\"target\":\"%s\",\"executions\":%.0f,\"runs\":%d,\"seconds\":%d,\"last\":{\"at\":\"%s\",\"executions\":%s,\"seconds\":%s,\"coverage\":{\"corpus\":%s,\"run\":%s}}}", \
            (i > 1 ? "," : ""), target, executions[target], runs[target], seconds[target], at[target], last[target], took[target], corpus[target], run[target] >"executions.json"
    }
    printf "]}\n" >"executions.json"
    printf "%-20s %14.0f\n", "all", total
}' runs.jsonl
