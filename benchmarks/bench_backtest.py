"""What a daily backtest costs: ten years of 500 instruments, beside Qlib's own in the same run.

    python benchmarks/bench_backtest.py                      # this package alone
    python benchmarks/bench_backtest.py --oracle PYTHON      # ... and Qlib itself, in an interpreter that has pyqlib
    python benchmarks/bench_backtest.py --days 500           # shorter: Qlib takes a while

Both trade the same scores at the same prices. Qlib's time is that of ``qlib.backtest.backtest`` on its own data files,
reading them included; ours is that of ``rollforward.backtest.backtest`` from a frame of closes. They take turns, the
median of `--repeats` is shown. Nothing here is a test: read the ratio, not the seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from rows import note

ROOT = Path(__file__).resolve().parents[1]
RULE = {"topk": 50, "n_drop": 5}
COSTS = {"deal_price": "close", "limit_threshold": None, "open_cost": 5e-4, "close_cost": 15e-4, "min_cost": 5}
QLIB = """
import json, sys
from pathlib import Path
import numpy as np, pandas as pd
from against_qlib.backtest_oracle import open_market, run, write_market

folder, order = Path(sys.argv[1]), json.loads(sys.argv[2])
given = np.load(folder / "market.npz")
days = pd.DatetimeIndex(given["days"])
columns = {name: pd.DataFrame(given[name], days, given["names"]) for name in ("close", "change", "score")}
if not (folder / "qlib").exists():
    write_market(folder / "qlib", columns)
open_market(folder / "qlib")
found = run(columns, order)
print(json.dumps([found["seconds"], found["report"]["data"][-1][0]]))
"""


def make_market(n_days, n_names):
    """Random walks with a price for every day, in the precision of Qlib's files, and random scores."""
    random = np.random.default_rng(1)
    days = pd.bdate_range("2010-01-01", periods=n_days, name="datetime")
    names = [f"S{number:03}" for number in range(n_names)]
    close = np.exp(random.normal(0, 0.02, (n_days, n_names)).cumsum(axis=0)) * 50
    close = close.astype(np.float32).astype(float)
    score = pd.DataFrame(random.normal(size=close.shape), days, names).rolling(5, min_periods=1).mean()
    return pd.DataFrame(close, days, names), score


def ours(close, score):
    from rollforward.backtest import TopkDropoutStrategy, backtest

    signal = score.T.rename_axis("instrument").melt(ignore_index=False, value_name="score")
    signal = signal.set_index("datetime", append=True)["score"]
    began = time.perf_counter()
    result = backtest(
        signal,
        close,
        strategy=TopkDropoutStrategy(**RULE),
        start_time=close.index[10],
        end_time=close.index[-2],
        benchmark=close.columns[0],
        exchange_kwargs=COSTS,
    )
    return time.perf_counter() - began, result.report["account"].iloc[-1]


def qlibs(oracle, folder):
    case = {"strategy": RULE, "exchange": COSTS, "account": 1e8, "benchmark": "S000"}
    keep = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [oracle, "-W", "ignore", "-c", QLIB, str(folder), json.dumps(case)],
        env=keep | {"PYTHONPATH": str(ROOT / "tests" / "parity")},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    return json.loads(done.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--oracle", metavar="PYTHON", help="an interpreter that has pyqlib: scripts/oracle makes one")
    parser.add_argument("--days", type=int, default=2500)
    parser.add_argument("--names", type=int, default=500)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    close, score = make_market(options.days, options.names)
    times = {"rollforward": [], "Qlib": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        change = close / close.shift(1) - 1
        tables = {"close": close, "change": change, "score": score}
        np.savez(folder / "market.npz", days=close.index.values, names=np.array(close.columns, dtype=str), **tables)
        for _ in range(options.repeats):
            took, end = ours(close, score)
            times["rollforward"].append(took)
            if options.oracle:
                took, theirs = qlibs(options.oracle, folder)
                times["Qlib"].append(took)
                print(f"  last account {end:.4f}, Qlib's {theirs:.4f}, relative difference {abs(end / theirs - 1):.1e}")
    print(f"{options.days} sessions x {options.names} instruments, topk 50, n_drop 5; median of {options.repeats}:")
    for way, found in times.items():
        if found:
            ratio = statistics.median(found) / statistics.median(times["rollforward"])
            print(f"  {way:12s} {statistics.median(found):8.2f} s  {ratio:6.1f} x")
    medians = [statistics.median(found) if found else None for found in times.values()]
    note(f"daily backtest, {options.days} sessions x {options.names} instruments", medians[0], qlib=medians[1])


if __name__ == "__main__":
    main()
