"""What the main job costs besides the fitting itself, printed as ratios.

    python benchmarks/bench_first_light.py

Each part is timed in this process against its floor in the same run; medians of several repetitions. Nothing here is a
test: read the ratios, not the seconds.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rows import note

REPEAT = 5


def timed(call, repeat=REPEAT):
    """Median seconds of ``call``."""
    seconds = []
    for _ in range(repeat):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def process(code):
    """Seconds that a fresh interpreter takes for ``code``."""
    return timed(lambda: subprocess.run([sys.executable, "-c", code], check=True))


def show(name, seconds, floor, floor_name):
    print(f"{name:<44} {seconds * 1000:10.1f} ms   {seconds / floor:8.2f} x {floor_name} ({floor * 1000:.1f} ms)")
    note(name, seconds, other=(floor_name, floor))


def imports():
    bare = process("pass")
    show("import rollforward", process("import rollforward"), bare, "bare python")
    show("from rollforward.workflow import R", process("from rollforward.workflow import R"), bare, "bare python")
    show("rollforward --help", process("from rollforward.cli.main import build_parser as b; b()"), bare, "bare python")


def features():
    import pandas as pd

    from rollforward.data import features as feature_module
    from rollforward.data.loader import resolve_source
    from rollforward.data.price_handler import PriceHandler

    source = resolve_source("bundled:sp500_close")
    read = timed(lambda: pd.read_csv(source, index_col=0, parse_dates=True))
    cold = process(
        "from rollforward.data.price_handler import PriceHandler as P; P(source='bundled:sp500_close')"
    ) - process("from rollforward.data.price_handler import PriceHandler as P")
    show("166,000 rows, all features, cold", cold, read, "reading the CSV")
    PriceHandler(source="bundled:sp500_close")
    warm = timed(lambda: PriceHandler(source="bundled:sp500_close", start_time="2010-01-04", end_time="2016-12-30"))
    show(f"seven years of a fold, warm ({feature_module.__name__})", warm, read, "reading the CSV")


def fold():
    from sklearn.linear_model import Ridge

    import rollforward as rf
    from rollforward.workflow.trainer import task_train

    folder = tempfile.TemporaryDirectory()
    rf.init(uri=f"sqlite:///{Path(folder.name) / 'mlflow.db'}", calendar="bundled:sp500_close")
    handler = rf.PriceHandler(source="bundled:sp500_close", start_time="2010-01-04", end_time="2016-12-30")
    segments = {"train": ("2010-01-04", "2015-12-21"), "test": ("2016-01-04", "2016-12-30")}
    dataset = rf.DatasetH(handler, segments)
    task = {
        "model": {"class": "rollforward.SklearnModel", "kwargs": {"estimator": "sklearn.linear_model.Ridge"}},
        "dataset": {
            "class": "rollforward.DatasetH",
            "kwargs": {
                "handler": {
                    "class": "rollforward.PriceHandler",
                    "kwargs": {
                        "source": "bundled:sp500_close",
                        "start_time": "2010-01-04",
                        "end_time": "2016-12-30",
                    },
                },
                "segments": segments,
            },
        },
        "record": ["SignalRecord", "SigAnaRecord"],
    }

    def bare():
        train = dataset.prepare("train", col_set=["feature", "label"], data_key="learn")
        train = train[train.notna().all(axis=1)]
        model = Ridge().fit(train["feature"].to_numpy(), train["label"].to_numpy().ravel())
        test = dataset.prepare("test", col_set="feature").dropna()
        model.predict(test.to_numpy())

    task_train(task, "bench")
    show(
        "one fold, tracked, with records", timed(lambda: task_train(task, "bench")), timed(bare), "bare fit and predict"
    )
    folder.cleanup()


if __name__ == "__main__":
    imports()
    features()
    fold()
