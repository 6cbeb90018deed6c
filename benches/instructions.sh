#!/usr/bin/env bash
# Instructions per event of parsing and aggregating, counted by callgrind: they repeat exactly, on any machine with the
# same instruction set. `--compare BASE` counts at that commit too and fails where head needs over 5 % more.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
lines=${LINES_COUNTED:-20000}

if ! command -v valgrind >/dev/null; then
  echo "valgrind is missing; install it with the system's package manager (apt-get install valgrind)" >&2
  exit 2
fi

# build FOLDER: prints the path of the program.
build() {
  (cd "$1" && cargo build --quiet --release -p benches --bin count --target-dir "$root/target/instructions/$2")
  echo "$root/target/instructions/$2/release/count"
}

# refs PROGRAM WORK ROUNDS: instructions of one run.
refs() {
  valgrind --tool=callgrind --callgrind-out-file=/dev/null "$1" "$2" "$3" "$lines" 2>&1 |
    sed -n 's/.*Collected : *\([0-9]*\).*/\1/p'
}

# per_event PROGRAM WORK
per_event() {
  local once more
  once=$(refs "$1" "$2" 1)
  more=$(refs "$1" "$2" 3)
  [[ -n $once && -n $more ]] || { echo "callgrind printed no count for $2" >&2; return 1; }
  awk -v once="$once" -v more="$more" -v lines="$lines" 'BEGIN { printf "%.1f", (more - once) / 2 / lines }'
}

root=$PWD
head=$(build "$root" head)
base=""
if [[ ${1:-} == --compare ]]; then
  commit=$(git rev-parse --verify "${2:?--compare needs a commit}^{commit}")
  if git cat-file -e "$commit:benches/src/bin/count.rs" 2>/dev/null; then
    tree="$root/target/instructions/worktree"
    git worktree remove --force "$tree" 2>/dev/null || true
    git worktree add --quiet --detach "$tree" "$commit"
    trap 'git worktree remove --force "$tree"' EXIT
    # The same toolchain for both, whatever the other commit asks for.
    RUSTUP_TOOLCHAIN=${RUSTUP_TOOLCHAIN:-$(rustup show active-toolchain 2>/dev/null | cut -d' ' -f1)}
    [[ -n $RUSTUP_TOOLCHAIN ]] && export RUSTUP_TOOLCHAIN
    base=$(build "$tree" base)
  else
    echo "$commit has no benches/src/bin/count.rs: nothing to compare with"
  fi
fi

failed=0
printf '%-10s %10s %10s %7s   instructions per event, %s lines\n' work base head ratio "$lines"
# knows WORK: whether the program of the base counts it.
knows() {
  [[ -n $base ]] && git show "$commit:benches/src/bin/count.rs" | grep -q "\"$1\""
}

for work in parse general messy aggregate; do
  now=$(per_event "$head" "$work")
  if knows "$work"; then
    before=$(per_event "$base" "$work")
    printf '%-10s %10s %10s %7s\n' "$work" "$before" "$now" "$(awk -v a="$now" -v b="$before" 'BEGIN { printf "%.3f", a / b }')"
    awk -v a="$now" -v b="$before" 'BEGIN { exit !(a > 1.05 * b) }' && failed=1
  else
    printf '%-10s %10s %10s %7s\n' "$work" - "$now" -
  fi
done
if ((failed)); then
  echo "head needs over 5 % more instructions than base" >&2
  exit 1
fi
