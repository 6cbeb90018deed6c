#!/usr/bin/env bash
# Runs Tillrace and its peers on one generated file, checks that all agree to the cent, and prints what each took.
#
#   benches/peers/run.sh                                    # all peers, 2 000 000 lines, 3 rounds
#   benches/peers/run.sh --lines 200000 --runs 1 --peers duckdb,plain
#   benches/peers/run.sh --help
#
# Builds with cargo, installs Python peers from PyPI and keeps everything it makes in benches/peers/.work. Needs Rust,
# Python 3.10 or newer and, for Spark and Flink, Java 17 or newer. The exit code is 1 where a peer differs or fails.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# The newest that all peers have packages for.
python=$(command -v python3.11 || command -v python3) || { echo "run.sh: no python3" >&2; exit 2; }
export PYTHONDONTWRITEBYTECODE=1
exec "$python" "$here/bench.py" "$@"
