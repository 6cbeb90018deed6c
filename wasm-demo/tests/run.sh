#!/usr/bin/env bash
# The demo in a real browser, and WebAssembly against the command line.
#
#   wasm-demo/tests/run.sh                     build, then test
#   BUILT=1 wasm-demo/tests/run.sh             test what is in wasm-demo/dist
#   KEEP_SCREENSHOTS=1 wasm-demo/tests/run.sh  and renew wasm-demo/screenshots
#
# Needs rustup, Node 20, npm, python3 and Chromium, which it installs where it may (Debian's package). Playwright and axe come
# from npm into target/browser, DuckDB from PyPI into .venv. What fails leaves its files under target/demo-check.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

if [[ -z ${CHROMIUM:-} ]] && ! command -v chromium >/dev/null && ! command -v google-chrome >/dev/null; then
    apt-get update -qq && apt-get install -qq --no-install-recommends chromium >/dev/null
fi
if [[ ! -d target/browser/node_modules/playwright-core || ! -d target/browser/node_modules/typescript ]]; then
    mkdir -p target/browser
    cp wasm-demo/tests/package.json target/browser/
    npm install --prefix target/browser --no-audit --no-fund --silent
fi
source engine/tests/checks.sh
need_python engine/tests/duckdb/requirements.txt

[[ -n ${BUILT:-} ]] || wasm-demo/build.sh
cargo build --quiet -p engine
tillrace=${CARGO_TARGET_DIR:-target}/debug/tillrace

echo "types of the page's scripts"
target/browser/node_modules/.bin/tsc --project wasm-demo/tests/tsconfig.json
# The worker with the engine's own types, which the build has made.
target/browser/node_modules/.bin/tsc --project wasm-demo/tests/tsconfig.worker.json

work=target/demo-check
rm -rf "$work"
mkdir -p "$work"
"$tillrace" simulate --mode batch --events 60000 --seed 3 --late 0.02 --duplicates 0.03 --malformed 0.01 --delayed 0.05 \
    --output "$work/shop.jsonl"
python3 wasm-demo/tests/make_files.py "$work"

# compare NAME FILE: what both builds make of the file in Node, and the page in a browser, against a lake.
lake() { "$tillrace" run --input "$2" --lake "$work/lake-$1" --summary json >/dev/null; }
lake shop "$work/shop.jsonl"
lake day engine/samples/day.jsonl.gz
lake names "$work/names.jsonl"
gunzip --keep --stdout engine/samples/day.jsonl.gz >"$work/day.jsonl"
for build in simd scalar; do
    for name in shop day names; do
        node wasm-demo/tests/rows.mjs "$build" "$work/$name.jsonl" "$work/$build-$name"
        .venv/bin/python wasm-demo/tests/compare.py "$work/lake-$name" "$work/$build-$name"
    done
done

node wasm-demo/tests/browser.mjs "$work"
TILLRACE=$tillrace node wasm-demo/tests/live.mjs "$work"
for name in shop day; do
    echo "downloads of $name from the browser"
    .venv/bin/python wasm-demo/tests/compare.py "$work/lake-$name" "$work/browser/$name"
done
