#!/usr/bin/env bash
# Builds the demo into wasm-demo/dist: static files that any web server serves, or GitHub Pages.
#
#   wasm-demo/build.sh          build, and print the sizes
#   wasm-demo/build.sh --serve  then serve it at http://127.0.0.1:8000/
#
# Needs rustup (which is asked for the target wasm32-unknown-unknown: `rustup target add wasm32-unknown-unknown`) and, once,
# the crates' registry, for wasm-bindgen's command of the version in Cargo.lock (some 4 minutes). Where `wasm-opt` (binaryen, from
# version 116 on: older ones break tables of references) is installed it makes the modules smaller still. The page itself is wasm-demo/web and needs no build.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

version=$(sed -n '/^name = "wasm-bindgen"$/{n;s/version = "\(.*\)"/\1/p}' Cargo.lock)
bindgen=target/tools/bin/wasm-bindgen
rustup target add wasm32-unknown-unknown 2>/dev/null
if [[ $("$bindgen" --version 2>/dev/null || true) != "wasm-bindgen $version" ]]; then
    cargo install wasm-bindgen-cli --version "$version" --root target/tools --target-dir target/tools/build
fi

optimizer=
if [[ $(wasm-opt --version 2>/dev/null) =~ version\ ([0-9]+) ]] && ((BASH_REMATCH[1] >= 116)); then
    optimizer=wasm-opt
fi

dist=wasm-demo/dist
rm -rf "$dist"
mkdir -p "$dist"
cp -r wasm-demo/web/. "$dist/"
mkdir "$dist/engine"

# module NAME FEATURE OPT_LEVEL RUSTFLAGS: one WebAssembly module with its JavaScript and its types.
module() {
    local name=$1 feature=$2 level=$3 flags=$4
    local target=target/wasm/$name
    RUSTFLAGS=$flags CARGO_PROFILE_RELEASE_OPT_LEVEL=$level CARGO_PROFILE_RELEASE_PANIC=abort \
        cargo build --quiet --release -p wasm-demo --lib --no-default-features --features "$feature" \
        --target wasm32-unknown-unknown --target-dir "$target"
    "$bindgen" --target web --out-dir "$dist/engine" --out-name "$name" \
        "$target/wasm32-unknown-unknown/release/wasm_demo.wasm"
    local wasm=$dist/engine/${name}_bg.wasm
    if [[ -n $optimizer ]]; then
        # -O3 where speed counts, -Oz for what is only used to download; no feature that the build does not use.
        local effort=-O3
        [[ $level == 3 ]] || effort=-Oz
        local simd=()
        [[ $flags == *simd128* ]] && simd=(--enable-simd)
        "$optimizer" "$effort" --enable-bulk-memory --enable-sign-ext --enable-nontrapping-float-to-int \
            --enable-mutable-globals --enable-reference-types --enable-multivalue "${simd[@]}" "$wasm" -o "$wasm"
    fi
}

module simd engine 3 '-C target-feature=+simd128'
module scalar engine 3 ''
module parquet parquet s ''

# What a browser loads at first, compressed as servers do: the page, one engine, no Parquet writer.
compressed() { gzip -9 --stdout "$1" | wc -c; }
total=0
first() {
    local size
    size=$(compressed "$1")
    total=$((total + size))
    printf '%9s bytes compressed  %s\n' "$size" "${1#"$dist/"}"
}
for file in "$dist"/*.html "$dist"/*.css "$dist"/*.js "$dist"/*.svg "$dist"/engine/simd.js "$dist"/engine/simd_bg.wasm; do
    [[ -e $file ]] && first "$file"
done
printf '%9s bytes compressed  first load, of at most 400000\n' "$total"
for file in "$dist"/engine/scalar_bg.wasm "$dist"/engine/parquet_bg.wasm; do
    printf '%9s bytes compressed  %s, only where it is needed\n' "$(compressed "$file")" "${file#"$dist/"}"
done
if ((total > 400000)); then
    echo "the first load is too large" >&2
    exit 1
fi
if [[ ${1:-} == --serve ]]; then
    exec python3 -m http.server 8000 --bind 127.0.0.1 --directory "$dist"
fi
