"""Run every benchmark, one after the other, and write the table of what was measured.

    python benchmarks/run.py --oracle PYTHON                 # all: about half an hour on two cores
    python benchmarks/run.py --oracle PYTHON --quick         # less of each: some minutes
    python benchmarks/run.py --only ensemble rolling         # some of them
    python benchmarks/run.py --out docs/reference/benchmarks.md

PYTHON is an interpreter with pyqlib, such as ``.oracle-venv/bin/python``, which ``scripts/oracle`` makes; the pool
needs ``scripts/mongod``. Each benchmark runs in a process of its own and prints all that it measures; the table holds
the lines that have something to be compared with. A benchmark that fails is in the table too, and the exit code is 1.
Nothing here is a test: read the ratios, not the seconds.
"""

from __future__ import annotations

import argparse
import datetime as dt
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from rows import ROWS

HERE = Path(__file__).resolve().parent
PACKAGES = ("rollforward", "mlflow", "pandas", "numpy")
SHORT, THOUSAND, FEW = 0.1, 1000, 10


@dataclass(frozen=True)
class Benchmark:
    """A file, what makes it shorter, and whether it takes an oracle."""

    title: str
    file: str
    whole: tuple[str, ...] = ()
    quick: tuple[str, ...] = ()
    has_oracle: bool = True

    def command(self, oracle, *, is_quick):
        words = ["benchmarks/" + self.file, *(self.quick if is_quick else self.whole)]
        return words + (["--oracle", oracle] if oracle and self.has_oracle else [])


BENCHMARKS = {
    "first_light": Benchmark("The main job", "bench_first_light.py", has_oracle=False),
    "rolling": Benchmark("Rolling a task", "bench_rolling.py"),
    "tracking": Benchmark("Tracking, SQLite", "bench_tracking.py", quick=("--steps", "100")),
    "tracking_http": Benchmark("Tracking, a server", "bench_tracking.py", ("--http",), ("--http", "--steps", "100")),
    "pool": Benchmark("Task pool", "bench_pool.py", quick=("--quick",)),
    "collect": Benchmark("Collecting", "bench_collect.py", quick=("--folds", "50", "--runs", "500", "--repeat", "1")),
    "ensemble": Benchmark("Ensembles", "bench_ensemble.py", quick=("--rounds", "2")),
    "backtest": Benchmark("Backtest", "bench_backtest.py", quick=("--days", "250", "--repeats", "1")),
    "online": Benchmark("Online", "bench_online.py", quick=("--only", "simulation")),
}


def measured(benchmark, oracle, *, is_quick):
    """Run one; its rows, and how it ended."""
    command = benchmark.command(oracle, is_quick=is_quick)
    print(f"\n== python {' '.join(command)}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder) / "rows.jsonl"
        done = subprocess.run(
            [sys.executable, *command], cwd=HERE.parent, env=os.environ | {ROWS: str(kept)}, check=False
        )
        lines = kept.read_text(encoding="utf-8").splitlines() if kept.exists() else []
    return [json.loads(line) for line in lines], command, done.returncode


def figure(value, unit):
    if value is None:
        return ""
    if unit == "s" and value < SHORT:
        value, unit = value * 1000, "ms"
    return f"{value:,.3g} {unit}" if value < THOUSAND else f"{value:,.0f} {unit}"


def times(row, theirs):
    """How many times better ours is."""
    if not theirs or not row["ours"]:
        return ""
    better = row["ours"] / theirs if row["rate"] else theirs / row["ours"]
    return f"{better:,.2f} x" if better < FEW else f"{better:,.0f} x"


def line(row):
    name, other = row["other"] or ("", None)
    peer = f"{name} {figure(other, row['unit'])}: ours is {row['ours'] / other:.2f} x that" if other else ""
    cells = [row["what"], figure(row["ours"], row["unit"]), figure(row["qlib"], row["unit"]), times(row, row["qlib"])]
    return f"| {' | '.join([*cells, peer])} |"


def head(oracle):
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    beside = f"`{Path(oracle).name}` with pyqlib" if oracle else "no pyqlib"
    return (
        "# Benchmarks\n\n"
        f"Written by `python benchmarks/run.py` on {dt.datetime.now(tz=dt.UTC):%Y-%m-%d}; "
        f"Python {platform.python_version()}, {versions}; "
        f"{os.cpu_count()} cores, load {load:.1f} at the start; beside: {beside}. "
        "The ratio says how many times better ours is: below 1 it is worse.\n"
    )


def table(benchmark, rows, command, code):
    words = [word for word in command if not Path(word).is_absolute()]
    shown = " ".join(words) + (" PYTHON" if "--oracle" in command and words[-1] == "--oracle" else "")
    text = [f"\n## {benchmark.title}\n", f"`python {shown}`\n"]
    if code:
        text.append(f"**It failed with exit code {code}.**\n")
    if rows:
        text += ["| what | ours | Qlib | ratio | beside |", "|---|---|---|---|---|", *map(line, rows)]
    return "\n".join(text) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--oracle", metavar="PYTHON", help="an interpreter that has pyqlib: scripts/oracle makes one")
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, default=list(BENCHMARKS))
    parser.add_argument("--quick", action="store_true", help="less of each")
    parser.add_argument("--out", type=Path, default=Path("benchmarks.md"), help="the table (benchmarks.md)")
    options = parser.parse_args()
    oracle = str(Path(options.oracle).absolute()) if options.oracle else None
    text, failed = head(oracle), []
    for name in options.only:
        rows, command, code = measured(BENCHMARKS[name], oracle, is_quick=options.quick)
        text += table(BENCHMARKS[name], rows, command, code)
        failed += [name] if code else []
        # After each one: half an hour's work survives a stop.
        options.out.write_text(text, encoding="utf-8")
    print(f"\nThe table is in {options.out}" + (f"; failed: {', '.join(failed)}" if failed else ""))
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
