#!/usr/bin/env bash
# Cache lines that an event waits for, by simulation: first-level and last-level misses per event of parsing and aggregating.
#
#   benches/misses.sh [LINES]      300 000 lines unless said; some five minutes
#
# Cachegrind's caches are simple ones, without prefetching by the processor, of this size each: so the figures count the lines
# an event touches that are not near, not the time they take. The engine's own fetching ahead counts as a touch.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
lines=${1:-300000}
level1=49152,12,64
last=8388608,16,64
command -v valgrind >/dev/null || { echo "valgrind is missing; benches/instructions.sh says how to install it" >&2; exit 2; }
cargo build --quiet --release -p benches --bin count
program=${CARGO_TARGET_DIR:-target}/release/count

# counted WORK ROUNDS: instructions, first-level read and write misses, last-level ones, of the whole process.
counted() {
  valgrind --tool=cachegrind --cache-sim=yes --D1=$level1 --LL=$last --cachegrind-out-file=/dev/null "$program" "$1" "$2" "$lines" 2>&1 |
    awk '/I +refs/ { i = $NF } /D1 +misses/ { split($0, a, ":"); d = a[2] } /LLd misses/ { split($0, a, ":"); l = a[2] }
         END { gsub(",", "", i); sub(/\(.*/, "", d); sub(/\(.*/, "", l); gsub(/[^0-9]/, "", d); gsub(/[^0-9]/, "", l)
               # The line of I refs begins with the process number.
               print i, d, l }'
}

echo "per event of $lines; caches $level1 and $last (bytes, ways, line)"
printf '%-10s %13s %12s %12s\n' work instructions "D1 misses" "LL misses"
for work in parse aggregate; do
  read -r i1 d1 l1 < <(counted "$work" 1)
  read -r i3 d3 l3 < <(counted "$work" 3)
  awk -v w="$work" -v n="$lines" -v i=$((i3 - i1)) -v d=$((d3 - d1)) -v l=$((l3 - l1)) \
    'BEGIN { printf "%-10s %13.1f %12.2f %12.2f\n", w, i / 2 / n, d / 2 / n, l / 2 / n }'
done
