#!/usr/bin/env python3
"""What a dashboard with browsers costs a run: records a second with it beside those without, in turns.

    cargo build --release -p engine && benches/dashboard_cost.py
    benches/dashboard_cost.py --readers 4 --pairs 9 --rate 2000
    benches/dashboard_cost.py --limit 3        exit 1 where the median costs more than 3 %

Each pair runs `tillrace run` twice over the same simulated trade, once plain and once with `--dashboard` and readers that
take in every event of the stream as fast as they can, in an order that changes from pair to pair, into memory. The ratio of
a pair is that of the rates their summaries state; what is printed is the median of the pairs, and how far they spread.
The readers run on the same cores, so their own work, which a real browser does elsewhere, counts too. Beside it stands the
processor time of the runs, which a busy machine moves less: it tells how much work the dashboard is, wherever it is done.

Python 3.11, standard library only.
"""

import argparse
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def listen(address: tuple[str, int], taken: list[int]) -> None:
    """Reads a stream to its end."""
    with socket.create_connection(address) as connection:
        connection.sendall(b"GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        while chunk := connection.recv(1 << 20):
            taken.append(len(chunk))


def run(binary: Path, lake: Path, arguments: list[str], readers: int | None) -> tuple[float, float]:
    """Records a second of one run and its processor seconds; with a dashboard where `readers` are given."""
    command = [binary, "run", "--lake", lake, "--summary", "json", *arguments]
    if readers is not None:
        command += ["--dashboard", "127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        taken: list[int] = []
        if readers is not None:
            found = re.search(r"dashboard: http://([\d.]+):(\d+)/", process.stderr.readline())
            address = (found[1], int(found[2]))
            threads = [threading.Thread(target=listen, args=(address, taken)) for _ in range(readers)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        out, err = process.stdout.read(), process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    shutil.rmtree(lake)
    if process.returncode != 0:
        sys.exit(f"tillrace failed: {err}")
    if readers:
        assert sum(taken) > 0, "the readers heard nothing"
    return json.loads(out)["records_per_second"], usage.ru_utime + usage.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=Path, default=ROOT / "target/release/tillrace")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--readers", type=int, default=1)
    parser.add_argument("--duration", default="12h", help="event time of each run")
    parser.add_argument("--limit", type=float, help="percent that it may cost")
    options, arguments = parser.parse_known_args()
    arguments = ["--duration", options.duration, *arguments]
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else None))
    ratios, works = [], []
    try:
        run(options.binary, folder / "lake", arguments, None)  # Warms up.
        for pair in range(options.pairs):
            order = [None, options.readers] if pair % 2 == 0 else [options.readers, None]
            runs = {readers: run(options.binary, folder / "lake", arguments, readers) for readers in order}
            (rate, work), (rate_with, work_with) = runs[None], runs[options.readers]
            ratios.append(rate_with / rate)
            works.append(work_with / work)
            rates = f"without {rate:>12,.0f}/s {work:6.2f} s   with {rate_with:>12,.0f}/s {work_with:6.2f} s"
            print(f"{rates}   {ratios[-1]:.3f} {works[-1]:.3f}", flush=True)
    finally:
        shutil.rmtree(folder)
    cost = 100 * (1 - statistics.median(ratios))
    spread = f"{100 * (1 - max(ratios)):.1f} to {100 * (1 - min(ratios)):.1f}"
    work = 100 * (statistics.median(works) - 1)
    print(f"{options.readers} readers cost {cost:.1f} % of the rate (median of {len(ratios)} pairs; {spread} %), {work:.1f} % more work")
    if options.limit is not None and cost > options.limit:
        sys.exit(f"more than {options.limit} %")


if __name__ == "__main__":
    main()
