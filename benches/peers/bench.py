#!/usr/bin/env python3
"""Builds, runs, times and compares Tillrace and its peers; run.sh starts it.

Each run is a whole process, from its start to its end, on a file that lies in the page cache. Rounds go over all chosen
peers, each round beginning with another one; a ratio is that of two times of the same round. The results of every run
are compared with Tillrace's Gold of that round.
"""

import argparse
import ast
import contextlib
import ctypes
import datetime
import fcntl
import json
import os
import platform
import re
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

import chart

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
WORK = HERE / ".work"
TILLRACE = ROOT / "target" / "release" / "tillrace"
# Whose start-up is so long that the rate between two sizes says more.
SLOW_STARTERS = ("flink", "spark")


class Failure(Exception):
    """Something that ends the whole run, in words for the user."""


class Peer:
    """One of the programs compared."""

    def __init__(self, name, title, kind, package=None, needs_java=False, leaves_out=None):
        self.name = name
        self.title = title
        self.kind = kind
        self.package = package
        self.needs_java = needs_java
        self.folder = HERE / name
        self.leaves_out = leaves_out or self.constant("LEAVES_OUT")
        # Compared with a Tillrace run that keeps late events too.
        self.keeps_late = not leaves_out and self.constant("KEEPS_LATE", False)

    def constant(self, name, default=None):
        """A constant of the peer's script, read without importing what the script needs."""
        for node in ast.parse((self.folder / "job.py").read_text()).body:
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", None) == name:
                return ast.literal_eval(node.value)
        if default is None:
            raise Failure(f"{self.folder / 'job.py'} has no {name}")
        return default

    @property
    def python(self):
        return WORK / "venv" / self.name / "bin" / "python"

    def command(self, source, results):
        if self.name == "tillrace":
            return [TILLRACE, "run", "--input", source, "--lake", results, "--summary", "json"]
        if self.package:
            return [self.python, self.folder / "job.py", source, results]
        return [HERE / "target" / "release" / f"peer-{self.name}", source, results]

    def prepare(self):
        """Builds or installs it; says why it is skipped, or nothing."""
        if self.needs_java:
            reason = java_missing()
            if reason:
                return reason
        if self.name == "tillrace":
            cargo(ROOT, "--package", "engine")
        elif self.package:
            install(self)
        else:
            cargo(HERE, "--package", f"peer-{self.name}")
        return None

    def version(self):
        if self.package:
            code = f"from importlib.metadata import version; print(version('{self.package}'))"
            return output([self.python, "-c", code])
        if self.name == "timely":
            lock = (HERE / "Cargo.lock").read_text()
            return re.search(r'name = "timely"\nversion = "(.*?)"', lock)[1]
        if self.name == "tillrace":
            return commit()
        return output(["rustc", "--version"]).split()[1]


def peers():
    """All there are, in the order in which they are printed."""
    lines = "a line that repeats a field's name is refused"
    return [
        Peer("tillrace", "Tillrace", "stream engine",
             leaves_out="nothing; it also computes the categories, funnel, quality, rejections, customer_activity and "
             "dimension tables and the rollups 1h and 1d, and writes quarantine"),
        Peer("plain", "plain Rust", "loop, 2 threads", leaves_out=lines),
        Peer("timely", "timely dataflow", "dataflow, 2 workers",
             leaves_out=lines + "; of copies of an id that differ, any one counts"),
        Peer("duckdb", "DuckDB", "batch SQL", package="duckdb"),
        Peer("polars", "Polars", "batch, streaming engine", package="polars"),
        Peer("chdb", "chDB", "batch SQL", package="chdb"),
        Peer("spark", "Spark", "streaming, AvailableNow", package="pyspark", needs_java=True),
        Peer("flink", "Flink", "streaming", package="apache-flink", needs_java=True),
    ]  # fmt: skip


def output(command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def commit():
    """The commit of the checkout, marked where files differ from it."""
    try:
        head = output(["git", "-C", ROOT, "rev-parse", "--short=10", "HEAD"])
        is_changed = output(["git", "-C", ROOT, "status", "--porcelain", "--untracked-files=no"])
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head + ("+changes" if is_changed else "")


def java_missing():
    """Why Java cannot be used, or nothing."""
    try:
        text = subprocess.run(["java", "-version"], capture_output=True, text=True, check=True).stderr
    except (OSError, subprocess.CalledProcessError):
        return "java is missing (17 or newer is needed)"
    version = re.search(r'version "(\d+)', text)
    if not version or int(version[1]) < 17:
        return f"java 17 or newer is needed, found: {text.splitlines()[0] if text else 'no version'}"
    return None


def cargo(folder, *args):
    command = ["cargo", "build", "--release", "--locked", "--quiet", *args]
    # From its folder, so that the folder's own .cargo/config.toml counts.
    if subprocess.run(command, cwd=folder).returncode != 0:
        raise Failure(f"{' '.join(command)} failed in {folder.relative_to(ROOT.parent)}")


def install(peer):
    """Its own virtual environment, so that no peer's dependencies bend another's; again only if its list changed."""
    wanted = (peer.folder / "requirements.txt").read_text()
    home = WORK / "venv" / peer.name
    mark = home / "installed.txt"
    if mark.is_file() and mark.read_text() == wanted:
        return
    print(f"installing {' '.join(wanted.split())}", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", "--clear", home], check=True)
    command = [peer.python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]
    if subprocess.run([*command, peer.folder / "requirements.txt"]).returncode != 0:
        raise Failure(f"pip could not install {' '.join(wanted.split())} for {sys.version.split()[0]}")
    mark.write_text(wanted)


def generate(lines, rate):
    """The input, made once for each size and binary."""
    path = WORK / f"events-{lines}-{rate}.jsonl"
    mark = path.with_suffix(".made")
    # Another binary may draw other events.
    key = str(TILLRACE.stat().st_mtime_ns)
    if not (path.is_file() and mark.is_file() and mark.read_text() == key):
        command = [TILLRACE, "simulate", "--mode", "batch", "--events", str(lines), "--rate", str(rate)]
        print(f"making {path.name}", file=sys.stderr)
        path.unlink(missing_ok=True)
        if subprocess.run([*command, "--output", path]).returncode != 0:
            raise Failure("tillrace simulate failed")
        mark.write_text(key)
    return path


def machine_busy():
    """CPU seconds that all processes of the machine have used, and those stolen by its host."""
    ticks = os.sysconf("SC_CLK_TCK")
    fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    user, nice, system, _idle, _iowait, irq, softirq, steal = fields
    return (user + nice + system + irq + softirq) / ticks, steal / ticks


class Memory(threading.Thread):
    """Samples the resident bytes of a session's processes together: Python and the Java machines it starts."""

    def __init__(self, session):
        super().__init__(daemon=True)
        self.session = str(session)
        self.peak = 0
        self.done = threading.Event()

    def run(self):
        page = os.sysconf("SC_PAGE_SIZE")
        while not self.done.wait(0.25):
            total = 0
            for stat in Path("/proc").glob("[0-9]*/stat"):
                try:
                    fields = stat.read_text().rpartition(")")[2].split()
                except OSError:
                    continue
                if fields[3] == self.session:
                    total += int(fields[21]) * page
            self.peak = max(self.peak, total)


def measure(command, log, timeout, many_processes, lock):
    """Runs a command to its end and gives what it took, its children included."""
    with open(log, "wb") as sink, open(lock, "ab") if lock else contextlib.nullcontext() as held:
        if held:
            fcntl.flock(held, fcntl.LOCK_EX)
        busy, stolen = machine_busy()
        begin = time.monotonic()
        # A session of its own, so that a peer that hangs ends with all it started.
        child = subprocess.Popen(command, stdout=sink, stderr=sink, start_new_session=True)
        memory = Memory(child.pid) if many_processes else None
        if memory:
            memory.start()
        timer = threading.Timer(timeout, os.killpg, (child.pid, signal.SIGKILL))
        timer.start()
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.monotonic() - begin
        timer.cancel()
        child.returncode = os.waitstatus_to_exitcode(status)
        usages = [usage]
        # Orphans become ours (see main): Java machines that their parent did not wait for.
        try:
            os.killpg(child.pid, signal.SIGTERM)
        except ProcessLookupError:
            pass
        while True:
            try:
                _, _, usage = os.wait4(-1, 0)
            except ChildProcessError:
                break
            usages.append(usage)
        busy_after, stolen_after = machine_busy()
        if memory:
            memory.done.set()
            memory.join()
    cpu = sum(usage.ru_utime + usage.ru_stime for usage in usages)
    return {
        "exit": child.returncode,
        "wall_seconds": wall,
        "cpu_seconds": cpu,
        "rss_bytes_max": max([usage.ru_maxrss * 1024 for usage in usages] + ([memory.peak] if memory else [])),
        "other_cpu_seconds": max(0.0, busy_after - busy - cpu),
        "stolen_seconds": stolen_after - stolen,
    }


def keep_late(source):
    """Gold of a run, not timed, whose lateness is so great that no event is late."""
    lake = WORK / "lake-keeps-late"
    shutil.rmtree(lake, ignore_errors=True)
    command = [TILLRACE, "run", "--input", source, "--lake", lake, "--lateness", "24h"]
    if subprocess.run(command, capture_output=True).returncode != 0:
        raise Failure("tillrace run --lateness 24h failed")
    return lake / "gold"


def run(peer, source, gold, options):
    """One run of a peer, with the outcome of its comparison with Gold."""
    results = WORK / "results" / peer.name
    shutil.rmtree(results, ignore_errors=True)
    results.parent.mkdir(parents=True, exist_ok=True)
    log = WORK / f"{peer.name}.log"
    lock = options.lock if peer.name not in SLOW_STARTERS else None
    taken = measure(peer.command(source, results), log, options.timeout, peer.needs_java, lock)
    if taken["exit"] != 0:
        end = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        taken["outcome"], taken["details"] = "failed", f"exit {taken['exit']}, the end of {log.relative_to(ROOT)}:\n{end}"
    elif peer.name == "tillrace":
        taken["outcome"], taken["details"] = "reference", ""
    else:
        # A process of its own: what this one holds in memory would count as a child's peak when it is started.
        python = WORK / "venv" / "duckdb" / "bin" / "python"
        done = subprocess.run([python, HERE / "compare.py", gold, results], capture_output=True, text=True)
        taken["outcome"] = {0: "same", 1: "differs"}.get(done.returncode, "failed")
        taken["details"] = (done.stdout + done.stderr).strip()
    return taken


def rounds(chosen, source, options):
    """Runs all chosen peers so many times, alternating; Tillrace first in the first round, since it makes Gold."""
    runs = {peer.name: [] for peer in chosen}
    gold = WORK / "gold"
    gold_late = keep_late(source) if any(peer.keeps_late for peer in chosen) else None
    # The page cache holds the file from here on.
    with open(source, "rb") as file:
        while file.read(1 << 24):
            pass
    for number in range(options.runs):
        shift = number % len(chosen)
        for peer in chosen[shift:] + chosen[:shift]:
            taken = run(peer, source, gold_late if peer.keeps_late else gold, options)
            runs[peer.name].append(taken)
            print(
                f"  round {number + 1} {peer.name}: {taken['wall_seconds']:.2f} s, {taken['outcome']}",
                file=sys.stderr,
            )
            if taken["outcome"] in ("differs", "failed"):
                print("    " + taken["details"].replace("\n", "\n    "), file=sys.stderr)
            if peer.name == "tillrace":
                if taken["outcome"] == "failed":
                    raise Failure("tillrace run failed: there is nothing to compare with")
                if number == 0:
                    shutil.rmtree(gold, ignore_errors=True)
                    shutil.copytree(WORK / "results" / "tillrace" / "gold", gold)
                else:
                    compare_gold(gold, WORK / "results" / "tillrace" / "gold")
    return runs


def compare_gold(first, again):
    """Tillrace must say the same at each run, in the tables compared."""
    python = WORK / "venv" / "duckdb" / "bin" / "python"
    code = (
        "import sys, duckdb\n"
        "for t in ('kpis_1m', 'products_1m', 'payments_1m'):\n"
        "    a, b = (f\"SELECT * FROM read_parquet('{g}/{t}/**/*.parquet', hive_partitioning = false)\" for g in sys.argv[1:])\n"
        "    for q in (f'({a}) EXCEPT ALL ({b})', f'({b}) EXCEPT ALL ({a})'):\n"
        "        n = duckdb.connect().execute(f'SELECT count(*) FROM ({q})').fetchone()[0]\n"
        "        if n: sys.exit(f'{t}: {n} rows differ between two runs of tillrace')\n"
    )
    done = subprocess.run([python, "-c", code, first, again], capture_output=True, text=True)
    if done.returncode != 0:
        raise Failure(done.stderr.strip())


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def summarise(peer, runs, reference, lines):
    """The figures of a peer over its rounds. `reference` are Tillrace's runs of the same rounds."""
    outcomes = {taken["outcome"] for taken in runs}
    outcome = next(word for word in ("failed", "differs", "same", "reference") if word in outcomes)
    wall = spread([taken["wall_seconds"] for taken in runs])
    return {
        "name": peer.name,
        "title": peer.title,
        "kind": peer.kind,
        "version": peer.version(),
        "outcome": outcome,
        "details": next((taken["details"] for taken in runs if taken["outcome"] == outcome), ""),
        "leaves_out": peer.leaves_out,
        "keeps_late": peer.keeps_late,
        "command": " ".join(str(part).replace(f"{ROOT}/", "") for part in peer.command("FILE", "FOLDER")),
        "wall_seconds": wall,
        "events_per_second": lines / wall["median"],
        "cpu_seconds": spread([taken["cpu_seconds"] for taken in runs]),
        "rss_bytes_max": max(taken["rss_bytes_max"] for taken in runs),
        "other_cpu_seconds": statistics.median(taken["other_cpu_seconds"] for taken in runs),
        "times_tillrace": spread([taken["wall_seconds"] / own["wall_seconds"] for taken, own in zip(runs, reference)]),
        "runs": runs,
    }


def machine():
    cpu = "unknown CPU"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            cpu = line.partition(":")[2].strip()
            break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    java = subprocess.run(["java", "-version"], capture_output=True, text=True) if shutil.which("java") else None
    return {
        "cpu": cpu,
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory, 1),
        "kernel": platform.release().partition("-")[0],
        "python": platform.python_version(),
        "rustc": output(["rustc", "--version"]),
        "java": java.stderr.splitlines()[0] if java and java.stderr else "none",
        "load": os.getloadavg(),
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit(),
    }


def table(rows):
    """Rows of texts in columns."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)


def report(result):
    """What is printed."""
    host = result["machine"]
    lines = [
        f"{host['cpu']}, {host['cores']} cores, {host['memory_gib']} GiB, Linux {host['kernel']}, {host['date']}",
        f"{host['rustc']}, Python {host['python']}, java: {host['java']}, commit {host['commit']}",
        f"load before the first run {host['load'][0]:.2f} {host['load'][1]:.2f} {host['load'][2]:.2f}",
        f"{result['lines']} lines, {result['bytes'] / result['lines']:.1f} bytes each, {result['windows']} windows, "
        f"{result['late']} late events, {result['runs']} rounds",
        "",
    ]
    rows = [["peer", "version", "kind", "events/s", "wall s [min-max]", "CPU s", "RSS MB", "x Tillrace's time", "other", "result"]]
    for peer in result["peers"]:
        wall, ratio = peer["wall_seconds"], peer["times_tillrace"]
        rows.append([
            peer["title"], peer["version"], peer["kind"], f"{peer['events_per_second']:,.0f}",
            f"{wall['median']:.2f} [{wall['min']:.2f}-{wall['max']:.2f}]", f"{peer['cpu_seconds']['median']:.2f}",
            f"{peer['rss_bytes_max'] / 1e6:.0f}",
            f"{ratio['median']:.2f} [{ratio['min']:.2f}-{ratio['max']:.2f}]",
            f"{peer['other_cpu_seconds']:.1f}", peer["outcome"] + (", keeps late" if peer["keeps_late"] else ""),
        ])  # fmt: skip
    lines += [table(rows), ""]
    lines.append("other: CPU seconds of the rest of the machine meanwhile (median); where they are many, times are too long")
    lines += ["", "What each leaves out:"]
    lines += [f"  {peer['title']}: {peer['leaves_out']}" for peer in result["peers"]]
    for name, reason in result["skipped"].items():
        lines.append(f"  {name}: skipped, {reason}")
    if result["marginal"]:
        rows = [["peer", "lines", "wall s", "lines", "wall s", "events/s between", "start-up s", "Tillrace's is"]]
        for row in result["marginal"]:
            rows.append([
                row["title"], str(row["lines"][0]), f"{row['wall_seconds'][0]:.2f}", str(row["lines"][1]),
                f"{row['wall_seconds'][1]:.2f}", f"{row['events_per_second']:,.0f}", f"{row['startup_seconds']:.2f}",
                f"{row['tillrace_times']:.1f} x",
            ])  # fmt: skip
        lines += ["", "Rate between two sizes (medians), start-up apart:", table(rows)]
    for peer in result["peers"]:
        if peer["outcome"] in ("differs", "failed"):
            lines += ["", f"{peer['title']} {peer['outcome']}:", peer["details"]]
    return "\n".join(lines)


def marginal(chosen, options, small_runs):
    """Rates between the size of the comparison and five times that, for Tillrace and whoever starts slowly."""
    chosen = [peer for peer in chosen if peer.name == "tillrace" or peer.name in SLOW_STARTERS]
    if len(chosen) == 1:
        raise Failure(f"--marginal needs one of {', '.join(SLOW_STARTERS)} among the peers")
    large = options.lines * 5
    large_runs = rounds(chosen, generate(large, options.rate), options)
    rows = []
    for peer in chosen:
        walls = [statistics.median(taken["wall_seconds"] for taken in runs[peer.name]) for runs in (small_runs, large_runs)]
        rate = (large - options.lines) / (walls[1] - walls[0])
        rows.append({
            "name": peer.name,
            "title": peer.title,
            "lines": [options.lines, large],
            "wall_seconds": walls,
            "events_per_second": rate,
            "startup_seconds": walls[0] - options.lines / rate,
            "outcomes": sorted({taken["outcome"] for taken in large_runs[peer.name]}),
        })  # fmt: skip
    for row in rows:
        row["tillrace_times"] = rows[0]["events_per_second"] / row["events_per_second"]
    return rows


def options_of(arguments, names):
    parser = argparse.ArgumentParser(prog="benches/peers/run.sh", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--lines", type=int, default=2_000_000, help="of the input (default 2000000)")
    parser.add_argument("--rate", type=int, default=16_667,
                        help="events a second of event time (default 16667: a million a window)")  # fmt: skip
    parser.add_argument("--runs", type=int, default=3, help="rounds over all peers (default 3)")
    parser.add_argument("--peers", default=",".join(names), help=f"some of {','.join(names)} (default all)")
    parser.add_argument("--marginal", action="store_true",
                        help="also five times as many lines, for the rate of Flink and Spark without their start-up")  # fmt: skip
    parser.add_argument("--timeout", type=float, default=1_200, help="seconds after which a run is ended (default 1200)")
    parser.add_argument("--lock", type=Path,
                        help="hold this file's lock (as flock does) during each run of all but "
                        f"{' and '.join(SLOW_STARTERS)}, where a machine is shared")  # fmt: skip
    parser.add_argument("--save", action="store_true", help="write results/peers.json and results/peers.svg")
    options = parser.parse_args(arguments)
    # As it would be on a machine that is not shared.
    options.shown = re.sub(r"--lock[ =]\S+ ?", "", " ".join(arguments)).strip()
    options.peers = options.peers.split(",")
    strangers = [name for name in options.peers if name not in names and name != "tillrace"]
    if strangers:
        parser.error(f"no peer {', '.join(strangers)}: there are {', '.join(names)}")
    if options.lines < 1 or options.runs < 1 or options.rate < 1:
        parser.error("--lines, --runs and --rate are at least 1")
    return options


def main():
    all_peers = peers()
    options = options_of(sys.argv[1:], [peer.name for peer in all_peers if peer.name != "tillrace"])
    # Children whose parent ends are handed to this process (PR_SET_CHILD_SUBREAPER), which counts what they used.
    if ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) != 0:
        raise Failure("prctl(PR_SET_CHILD_SUBREAPER) failed")
    WORK.mkdir(exist_ok=True)
    chosen, skipped = [], {}
    # compare.py reads with DuckDB's package, whichever peers run.
    install(next(peer for peer in all_peers if peer.name == "duckdb"))
    for peer in all_peers:
        if peer.name == "tillrace" or peer.name in options.peers:
            reason = peer.prepare()
            if reason:
                skipped[peer.title] = reason
                print(f"{peer.title} is skipped: {reason}", file=sys.stderr)
            else:
                chosen.append(peer)
    source = generate(options.lines, options.rate)
    host = machine()
    runs = rounds(chosen, source, options)
    summary = json.loads((WORK / "tillrace.log").read_text().splitlines()[-1])
    result = {
        "machine": host,
        "lines": options.lines,
        "bytes": source.stat().st_size,
        "windows": summary["windows"],
        "late": summary["late"],
        "runs": options.runs,
        "command": "benches/peers/run.sh " + options.shown,
        "peers": [summarise(peer, runs[peer.name], runs["tillrace"], options.lines) for peer in chosen],
        "skipped": skipped,
        "marginal": marginal(chosen, options, runs) if options.marginal else [],
    }
    print(report(result))
    folder = ROOT / "results" if options.save else WORK
    folder.mkdir(exist_ok=True)
    (folder / "peers.json").write_text(json.dumps(result, indent=1) + "\n")
    (folder / "peers.svg").write_text(chart.draw(result))
    print(f"\nwritten: {(folder / 'peers.json').relative_to(ROOT)}, {(folder / 'peers.svg').relative_to(ROOT)}")
    outcomes = [peer["outcome"] for peer in result["peers"]]
    outcomes += [outcome for row in result["marginal"] for outcome in row["outcomes"]]
    return 1 if "differs" in outcomes or "failed" in outcomes else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failure as failure:
        print(f"run.sh: {failure}", file=sys.stderr)
        sys.exit(1)
