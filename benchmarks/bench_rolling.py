"""What it costs to roll a task, against Qlib and the splitters of scikit-learn and skfolio in the same run.

    python benchmarks/bench_rolling.py [--oracle PYTHON]

PYTHON is one with pyqlib, such as ``.oracle-venv/bin/python``, which ``scripts/oracle`` makes; it runs this file too,
and times Qlib inside itself. Medians of several repetitions. Nothing here is a test: read the ratios, not the seconds.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import subprocess
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
from rows import note

REPEAT = 5
MIB = 2**20
HANDLER_MIB = 10
N_LIVE = 100
FOLDS = (100, 1000, 4000)
TRAIN = 1000
SESSIONS = pd.bdate_range("2000-01-03", "2019-12-31")

# The model and the records of Qlib's own examples.
MODEL = {
    "class": "LGBModel",
    "module_path": "qlib.contrib.model.gbdt",
    "kwargs": {
        "loss": "mse",
        "colsample_bytree": 0.8879,
        "learning_rate": 0.2,
        "subsample": 0.8789,
        "lambda_l1": 205.6999,
        "lambda_l2": 580.9768,
        "max_depth": 8,
        "num_leaves": 210,
        "num_threads": 20,
    },
}
RECORD = [
    {"class": "SignalRecord", "module_path": "qlib.workflow.record_temp", "kwargs": {"model": "<MODEL>"}},
    {"class": "SigAnaRecord", "module_path": "qlib.workflow.record_temp", "kwargs": {"ana_long_short": False}},
]


def timed(call, repeat=REPEAT):
    """Median seconds of ``call``."""
    seconds = []
    for _ in range(repeat):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def peak(call):
    """Most bytes that are held at a time during ``call``."""
    tracemalloc.start()
    try:
        made = call()
        return tracemalloc.get_traced_memory()[1], len(made)
    finally:
        tracemalloc.stop()


class Live:
    """A prepared handler: an object in the task that holds its data."""

    def __init__(self):
        self.data = np.ones(HANDLER_MIB * MIB // 8)


def plan(n_folds, step, handler=None):
    """A task that rolls to so many folds of `step` sessions; train and valid slide before them."""
    day = [str(session.date()) for session in SESSIONS]
    segments = {
        "train": (day[1], day[TRAIN - 201]),  # Qlib cannot truncate what touches the first session
        "valid": (day[TRAIN - 200], day[TRAIN - 1]),
        "test": (day[TRAIN], day[TRAIN + n_folds * step - 1]),
    }
    config = {"class": "Alpha158", "module_path": "qlib.contrib.data.handler", "kwargs": window(day)}
    kwargs = {"handler": config if handler is None else handler, "segments": segments}
    dataset = {"class": "DatasetH", "module_path": "qlib.data.dataset", "kwargs": kwargs}
    return {"model": MODEL, "dataset": dataset, "record": RECORD}


def window(day):
    fit = {"fit_start_time": day[0], "fit_end_time": day[TRAIN - 201]}
    robust = {"class": "RobustZScoreNorm", "kwargs": {"fields_group": "feature", "clip_outlier": True}}
    fill = {"class": "Fillna", "kwargs": {"fields_group": "feature"}}
    learn = [{"class": "DropnaLabel"}, {"class": "CSRankNorm", "kwargs": {"fields_group": "label"}}]
    processors = {"infer_processors": [robust, fill], "learn_processors": learn}
    return {"start_time": day[0], "end_time": day[TRAIN], **fit, "instruments": "csi300", **processors}


def segments_of(tasks):
    """All segments as texts, to see that both sides made the same tasks."""
    return [
        {name: [str(bound) for bound in pair] for name, pair in task["dataset"]["kwargs"]["segments"].items()}
        for task in tasks
    ]


def figures(generator):
    """Time and memory of a `RollingGen`, ours or Qlib's; `generator` makes one for a step."""
    task = plan(1000, 4)
    return {
        "1000": timed(lambda: generator(4).generate(task)),
        "linear": {n: timed(lambda n=n: generator(1).generate(plan(n, 1)), 3) for n in FOLDS},
        "memory": peak(lambda: generator(1).generate(plan(N_LIVE, 1, Live())))[0],
        "segments": segments_of(generator(4).generate(task)),
    }


def qlib_figures():
    """Runs in the oracle's Python; the calendar that Qlib reads is the one of this benchmark."""
    from types import SimpleNamespace

    from qlib.data.data import D
    from qlib.workflow.task.gen import RollingGen

    sessions = np.array(list(SESSIONS))
    D.register(SimpleNamespace(calendar=lambda **_: sessions))
    return figures(lambda step: RollingGen(step=step, rtype=RollingGen.ROLL_SD, trunc_days=2))


def ask_oracle(python):
    done = subprocess.run([python, __file__, "--as-oracle"], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def our_figures():
    from rollforward.data.calendar import Calendar
    from rollforward.workflow.task.gen import RollingGen

    calendar = Calendar(SESSIONS)
    task = plan(1000, 4)
    # The comparison is of equal tasks: the purge and the fit window are what Qlib's are.
    found = figures(lambda step: RollingGen(step, "sliding", trunc_days=2, handler_window="qlib", calendar=calendar))
    return found | {"default": timed(lambda: RollingGen(4, "sliding", calendar=calendar).generate(task))}


def splitters():
    """Seconds of the splitters that can be imported; they give positions of rows, no tasks."""
    rows = np.zeros((len(SESSIONS), 1))
    found = {"sklearn TimeSeriesSplit": None, "skfolio WalkForward": None}
    if importlib.util.find_spec("sklearn"):
        from sklearn.model_selection import TimeSeriesSplit

        split = TimeSeriesSplit(n_splits=1000, test_size=4, max_train_size=TRAIN)
        found["sklearn TimeSeriesSplit"] = timed(lambda: list(split.split(rows)))
    if importlib.util.find_spec("skfolio"):
        from skfolio.model_selection import WalkForward

        walk = WalkForward(test_size=4, train_size=len(SESSIONS) - 4000)
        found["skfolio WalkForward"] = timed(lambda: list(walk.split(rows)))
    return found


def show(name, seconds, ours):
    value = "not importable here" if seconds is None else f"{seconds * 1000:9.1f} ms {seconds / ours:9.1f} x ours"
    print(f"{name:<44} {value}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(__file__).resolve().parents[1] / ".oracle-venv" / "bin" / "python"
    parser.add_argument("--oracle", default=str(default), help="a Python with pyqlib")
    parser.add_argument("--as-oracle", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.as_oracle:
        print(json.dumps(qlib_figures()))
        return
    ours = our_figures()
    qlib = ask_oracle(options.oracle) if Path(options.oracle).exists() else None
    print(f"1,000 tasks of 4 sessions over {len(SESSIONS):,} sessions")
    show("rollforward, equal tasks", ours["1000"], ours["1000"])
    show("rollforward, by default", ours["default"], ours["1000"])
    show("Qlib RollingGen", qlib and qlib["1000"], ours["1000"])
    note("1,000 tasks, equal to Qlib's", ours["1000"], qlib=qlib and qlib["1000"])
    for name, seconds in splitters().items():
        if seconds is not None:
            note(f"1,000 tasks beside {name}'s positions", ours["1000"], other=(name, seconds))
        show(f"{name} (positions only)", seconds, ours["1000"])
    if qlib:
        print(f"{'':<44} tasks are {'equal' if qlib['segments'] == ours['segments'] else 'NOT EQUAL'} to Qlib's")
    print("\nMicroseconds per fold, which stay the same if the cost is linear")
    for name, found in (("rollforward", ours), ("Qlib", qlib)):
        if found:
            cost = "   ".join(f"{int(n):>5,}: {s / int(n) * 1e6:7.1f}" for n, s in found["linear"].items())
            print(f"{name:<44} {cost}")
    print(f"\nMost memory while making {N_LIVE} tasks around a live handler of {HANDLER_MIB} MiB, the handler included")
    note(
        f"most memory, {N_LIVE} tasks around {HANDLER_MIB} MiB",
        ours["memory"] / MIB,
        qlib=qlib and qlib["memory"] / MIB,
        unit="MiB",
    )
    for name, found in (("rollforward", ours), ("Qlib", qlib)):
        if found:
            print(f"{name:<44} {found['memory'] / MIB:9.1f} MiB")


if __name__ == "__main__":
    main()
