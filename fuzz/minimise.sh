#!/usr/bin/env bash
# Makes each corpus again, with what run.sh has found: the inputs with a name, and of the rest the smallest inputs
# that together reach the same edges. Needs the targets built by run.sh.
#
#   bash fuzz/minimise.sh [TARGET...]
set -euo pipefail
cd "$(dirname "$0")"
targets=("$@")
if [ ${#targets[@]} = 0 ]; then
    mapfile -t targets < <(sed -n 's/^path = "fuzz_targets\/\(.*\)\.rs"/\1/p' Cargo.toml)
fi
host=$(rustc +nightly -vV | sed -n 's/^host: //p')
for target in "${targets[@]}"; do
    smaller=$(mktemp -d)
    mkdir -p "corpus/$target" "target/found/$target"
    # What has a name was put there by hand: a seed, an odd case, or a crash that was mended.
    find "corpus/$target" -type f -regextype posix-extended -not -regex '.*/[0-9a-f]{40}' -exec cp -t "$smaller" {} +
    # Edges alone: how often each is passed would keep ten times as many.
    mkdir -p "artifacts/$target"
    "target/$host/release/$target" -merge=1 -use_counters=0 -timeout=10 -rss_limit_mb=2048 \
        -artifact_prefix="artifacts/$target/" "$smaller" "corpus/$target" "target/found/$target" >"target/found/$target.merge.log" 2>&1 ||
        { tail -20 "target/found/$target.merge.log"; exit 1; }
    rm -r "corpus/$target"
    mv "$smaller" "corpus/$target"
    chmod 755 "corpus/$target"
    printf '%-20s %5d inputs, %8d bytes\n' "$target" "$(find "corpus/$target" -type f | wc -l)" \
        "$(find "corpus/$target" -type f -printf '%s\n' | awk '{ sum += $1 } END { print sum + 0 }')"
done
