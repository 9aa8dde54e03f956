#!/bin/bash -eu
# Builds every target for OSS-Fuzz, with its corpus and its dictionary. Prepared, not submitted: see README.md beside it.
cd "$SRC/lp-connector"
cargo fuzz build -O --debug-assertions
sed -n 's/^path = "fuzz_targets\/\(.*\)\.rs"/\1/p' fuzz/Cargo.toml | while read -r target; do
    cp "fuzz/target/x86_64-unknown-linux-gnu/release/$target" "$OUT/"
    zip -q -j -r "$OUT/${target}_seed_corpus.zip" "fuzz/corpus/$target"
    if [ -f "fuzz/dictionaries/$target.dict" ]; then
        cp "fuzz/dictionaries/$target.dict" "$OUT/$target.dict"
    fi
    printf '[libfuzzer]\nmax_len = %s\n' "$(bash fuzz/longest.sh "$target")" >"$OUT/$target.options"
done
