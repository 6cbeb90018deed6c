#!/usr/bin/env bash
# WebAssembly against native on the same input: records a second of the same session, one thread each, best of three rounds.
#
#   wasm-demo/tests/speed.sh           what is in wasm-demo/dist, in Node
#   wasm-demo/tests/speed.sh --frames  and, in Chromium, the frames while the page runs at full speed, from the browser's trace
#
# Needs wasm-demo/build.sh to have run, Node, and for frames what run.sh installs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

cargo build --quiet --release -p wasm-demo --example speed
native=${CARGO_TARGET_DIR:-target}/release/examples/speed
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
cargo run --quiet --release -p sim --example lines -- 1 500000 >"$work/shop.jsonl"

printf '%-22s %12s %12s %7s %12s %7s\n' 'records a second' native 'wasm, SIMD' ratio 'no SIMD' ratio
for what in "$work/shop.jsonl" lines events; do
    name=$what
    [[ $what == */shop.jsonl ]] && name='a file of JSON Lines'
    [[ $what == lines ]] && name='simulated JSON Lines'
    [[ $what == events ]] && name='simulated structs'
    n=$("$native" "$what")
    v=$(node wasm-demo/tests/speed.mjs simd "$what")
    s=$(node wasm-demo/tests/speed.mjs scalar "$what")
    awk -v name="$name" -v n="$n" -v v="$v" -v s="$s" \
        'BEGIN { printf "%-22s %12d %12d %7.2f %12d %7.2f\n", name, n, v, v / n, s, s / n }'
done
if [[ ${1:-} == --frames ]]; then
    node wasm-demo/tests/frames.mjs
fi
