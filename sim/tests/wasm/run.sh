#!/usr/bin/env bash
# The same seed gives the same bytes on this machine, in debug and release, and on wasm32 under Node, with 1 and 8 lanes.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../../.."

rustup target add wasm32-wasip1
cargo build --quiet -p sim --example lines
cargo build --quiet --release -p sim --example lines
cargo build --quiet --release -p sim --example lines --target wasm32-wasip1
target=${CARGO_TARGET_DIR:-target}
passed=0
for lanes in 1 8; do
    expected=$("$target/release/examples/lines" "$lanes" 200000 | sha256sum)
    debug=$("$target/debug/examples/lines" "$lanes" 200000 | sha256sum)
    # Into a file: Node does not wait for a pipe that is full.
    node --no-warnings "$here/run.mjs" "$target/wasm32-wasip1/release/examples/lines.wasm" "$lanes" 200000 >"$target/wasm.jsonl"
    wasm=$(sha256sum <"$target/wasm.jsonl")
    rm "$target/wasm.jsonl"
    echo "$lanes lanes: release ${expected:0:16}, debug ${debug:0:16}, wasm32 under Node ${wasm:0:16}"
    if [[ $expected != "$debug" || $expected != "$wasm" ]]; then
        echo "the bytes differ" >&2
        exit 1
    fi
    passed=$((passed + 2))
done
echo "$passed passed, 0 failed"
