#!/usr/bin/env bash
# Instructions per event of parsing and aggregating, counted by callgrind: they repeat exactly, on any machine with the
# same instruction set.
#
#   benches/instructions.sh                  counts of this tree
#   benches/instructions.sh --compare BASE   beside those of commit BASE, built with the same toolchain
#   benches/instructions.sh --compare        beside those of the commit where this branch left origin/main, else of the
#                                            parent; where neither is known, as in a shallow checkout, this tree's alone
#
# Ends with 1 where this tree needs over 10 % more, unless a commit since BASE says why in a line "instructions: REASON",
# and with 2 where nothing could be counted.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
lines=${LINES_COUNTED:-20000}
percent_more=10
target=${CARGO_TARGET_DIR:-$root/target}
kept=$target/instructions
tree=$kept/worktree

fail() { echo "$1" >&2; exit 2; }

# Installs valgrind where that is possible without asking anyone.
need_valgrind() {
  command -v valgrind >/dev/null && return
  if ((EUID == 0)); then
    echo "valgrind is missing; installing it" >&2
    if command -v apt-get >/dev/null; then
      # Where a list cannot be fetched, an older one may do.
      apt-get -qq update >&2 || true
      DEBIAN_FRONTEND=noninteractive apt-get -qq install -y valgrind >&2 || true
    elif command -v dnf >/dev/null; then
      dnf -q -y install valgrind >&2 || true
    elif command -v apk >/dev/null; then
      apk add -q valgrind >&2 || true
    fi
  fi
  command -v valgrind >/dev/null || fail "valgrind is missing; install it with the system's package manager, as in: apt-get install valgrind"
}

# The commit to compare with, or nothing.
default_base() {
  local head fork
  head=$(git rev-parse -q --verify HEAD) || return 0
  fork=$(git merge-base HEAD origin/main 2>/dev/null) || fork=""
  if [[ -z $fork || $fork == "$head" ]]; then
    fork=$(git rev-parse -q --verify HEAD~1) || fork=""
  fi
  echo "$fork"
}

# build FOLDER TARGET NAME: the program of the tree in FOLDER, kept by NAME. Each tree has a target folder of its own:
# in a common one cargo takes the crates of one for those of the other.
build() {
  (cd "$1" && cargo build --quiet --release -p benches --bin count --target-dir "$2") || return 1
  cp "$2/release/count" "$kept/$3"
}

# collected PROGRAM WORK ROUNDS: instructions of one run.
collected() {
  local out
  out=$(valgrind --tool=callgrind --callgrind-out-file=/dev/null "$1" "$2" "$3" "$lines" 2>&1) || {
    echo "$out" >&2
    return 1
  }
  sed -n 's/.*Collected : *\([0-9]*\).*/\1/p' <<<"$out"
}

# per_event PROGRAM WORK: of the work alone, without what making the input takes.
per_event() {
  local once more
  once=$(collected "$1" "$2" 1) && more=$(collected "$1" "$2" 3) || return 1
  [[ -n $once && -n $more ]] || return 1
  awk -v once="$once" -v more="$more" -v lines="$lines" 'BEGIN { printf "%.1f", (more - once) / 2 / lines }'
}

need_valgrind
mkdir -p "$kept"
base=""
case ${1:-} in
  "") ;;
  --compare)
    if [[ -n ${2:-} ]]; then
      base=$(git rev-parse -q --verify "$2^{commit}") || fail "no commit $2 is known here"
    else
      base=$(default_base)
      [[ -n $base ]] || echo "no commit before this one is known here: its counts alone"
    fi
    ;;
  *) fail "unknown $1; expected --compare [BASE]" ;;
esac

if [[ -n $base ]] && ! git cat-file -e "$base:benches/src/bin/count.rs" 2>/dev/null; then
  echo "${base:0:12} has no benches/src/bin/count.rs: the counts of this tree alone"
  base=""
fi
if [[ -n $base ]]; then
  # The same toolchain for both, whatever the other commit asks for.
  RUSTUP_TOOLCHAIN=${RUSTUP_TOOLCHAIN:-$(rustup show active-toolchain 2>/dev/null | cut -d' ' -f1 || true)}
  if [[ -n $RUSTUP_TOOLCHAIN ]]; then export RUSTUP_TOOLCHAIN; else unset RUSTUP_TOOLCHAIN; fi
  git worktree remove --force "$tree" 2>/dev/null || true
  git worktree prune
  git worktree add --quiet --detach "$tree" "$base"
  trap 'git worktree remove --force "$tree"' EXIT
  if ! build "$tree" "$kept/base" count-base; then
    echo "${base:0:12} does not build: the counts of this tree alone"
    base=""
  fi
fi
build "$root" "$target" count-head || fail "this tree does not build"

works=(parse general messy aggregate)
# knows_base WORK: whether the program of the base counts it.
knows_base() { git show "$base:benches/src/bin/count.rs" | grep -q "\"$1\""; }
names=(head)
[[ -n $base ]] && names+=(base)
# All at once: counts do not hang on what else the machine does.
results=$(mktemp -d)
trap 'rm -rf "$results"; [[ -d $tree ]] && git worktree remove --force "$tree"' EXIT
pids=()
for name in "${names[@]}"; do
  for work in "${works[@]}"; do
    if [[ $name == base ]] && ! knows_base "$work"; then continue; fi
    per_event "$kept/count-$name" "$work" >"$results/$name-$work" &
    pids+=($!)
  done
done
for pid in "${pids[@]}"; do
  wait "$pid" || fail "callgrind counted nothing"
done

echo "instructions per event, $lines lines; base ${base:-none}"
if [[ -n $base ]] && ! git diff --quiet "$base" -- sim benches/src/corpus.rs; then
  echo "the simulator differs between the two, so their lines may, too"
fi
printf '%-10s %10s %10s %7s\n' work base head ratio
failed=0
for work in "${works[@]}"; do
  head=$(<"$results/head-$work")
  if [[ ! -e $results/base-$work ]]; then
    printf '%-10s %10s %10s %7s\n' "$work" - "$head" -
    continue
  fi
  before=$(<"$results/base-$work")
  printf '%-10s %10s %10s %7s\n' "$work" "$before" "$head" "$(awk -v a="$head" -v b="$before" 'BEGIN { printf "%.3f", a / b }')"
  awk -v a="$head" -v b="$before" -v p="$percent_more" 'BEGIN { exit !(a > b * (1 + p / 100)) }' && failed=1
done
((failed)) || exit 0

reason=$(git log --format=%B "$base..HEAD" | sed -n 's/^instructions: *\(..*\)/\1/p' | head -n 1)
if [[ -n $reason ]]; then
  echo "over $percent_more % more than base, and a commit says why: $reason"
  exit 0
fi
echo "over $percent_more % more than base; find out why, or say why in a commit message: \"instructions: REASON\"" >&2
exit 1
