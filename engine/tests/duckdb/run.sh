#!/usr/bin/env bash
# Runs tillrace over generated input in several variants and checks each lake with DuckDB: Gold from the input
# (check.py), the other layers from the input and Gold from Silver (layers.py); and with the readers that people use
# (readers.py).
#
#   engine/tests/duckdb/run.sh              # seeds 1 2 3
#   SEEDS="7 8" engine/tests/duckdb/run.sh
#   SPARK=1 engine/tests/duckdb/run.sh      # with Spark too, where pyspark is installed in .venv
#
# The binary is $TILLRACE, else target/release/tillrace or target/debug/tillrace, whichever is newer. A lake that
# fails is kept under target/ and named.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../../.." && pwd)
cd "$root"

source engine/tests/checks.sh
tillrace=$(built_tillrace run.sh)
need_python "$here/requirements.txt"
export PYTHONDONTWRITEBYTECODE=1

mkdir -p target
work=$(mktemp -d target/duckdb-check.XXXXXX)
failed=0

# check_variant FOLDER SHARDS WINDOW ROLLUP LATENESS OFFSET: one run over the files in `inputs`, judged by both.
check_variant() {
    local folder=$1 shards=$2 window=$3 rollup=$4 lateness=$5 offset=$6
    local semantics=(--window "$window" --rollup "$rollup" --lateness "$lateness" "--utc-offset=$offset")
    local grains=(--window "$window" --rollup "$rollup")
    local lake=$work/$folder/lake
    mkdir -p "$work/$folder"
    echo "== $folder: ${semantics[*]}${shards:+ --shards $shards}"
    if "$tillrace" run "${inputs[@]}" --lake "$lake" "${semantics[@]}" ${shards:+--shards "$shards"} --summary json \
        --layers bronze,silver,quarantine,gold \
        >"$work/$folder/summary.json" &&
        .venv/bin/python "$here/check.py" --lake "$lake" "${inputs[@]}" "${semantics[@]}" \
            --summary "$work/$folder/summary.json" &&
        .venv/bin/python "$here/layers.py" --lake "$lake" "${inputs[@]}" "${grains[@]}" "--utc-offset=$offset" &&
        .venv/bin/python "$here/readers.py" --lake "$lake" "${grains[@]}" ${SPARK:+--spark}; then
        rm -r "${work:?}/$folder"
    else
        echo "== FAILED: see $work/$folder"
        failed=$((failed + 1))
    fi
}

for seed in ${SEEDS:-1 2 3}; do
    inputs=()
    while read -r file; do
        inputs+=(--input "$file")
    done < <(.venv/bin/python "$here/make_input.py" --seed "$seed" --output "$work/input-$seed")
    if [[ ${#inputs[@]} -eq 0 ]]; then
        echo "run.sh: make_input.py made no files for seed $seed" >&2
        exit 1
    fi
    #                                  shards window rollup lateness offset
    check_variant "seed-$seed-default" ""     60s    1h,1d  10s      +00:00
    check_variant "seed-$seed-shards"  3      60s    1h,1d  10s      +00:00
    check_variant "seed-$seed-offset"  3      90s    1d     45s      +05:30
    check_variant "seed-$seed-none"    1      60s    none   0s       -08:00
done

if [[ $failed -gt 0 ]]; then
    echo "$failed variants failed; input and lakes are in $work"
    exit 1
fi
rm -r "$work"
echo "all variants passed"
