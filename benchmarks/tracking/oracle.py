"""Runs in an interpreter that has pyqlib, and prints what Qlib takes as JSON.

python benchmarks/tracking/oracle.py MEASUREMENT URI [ARGUMENT]
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

LIVES, FIRST = 20, 3
MIB = 2**20


def start(uri):
    import qlib
    from qlib.workflow import R

    manager = {
        "class": "MLflowExpManager",
        "module_path": "qlib.workflow.expm",
        "kwargs": {"uri": uri, "default_exp_name": "Experiment"},
    }
    qlib.init(exp_manager=manager, logging_level=40)
    return R


def lives(uri):
    """Milliseconds of the start and end of a run."""
    R = start(uri)  # noqa: N806  # its name
    seconds = []
    for _ in range(LIVES + FIRST):
        begin = time.perf_counter()
        with R.start(experiment_name="qlib"):
            pass
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds[FIRST:]) * 1000


def points(uri, steps):
    """Seconds until the job is in the store."""
    R = start(uri)  # noqa: N806
    ten = {f"m{n}": n / 7 for n in range(10)}
    begin = time.perf_counter()
    with R.start(experiment_name="qlib"):
        R.log_params(**{f"p{n}": "x" for n in range(100)})
        R.set_tags(**{f"t{n}": "x" for n in range(50)})
        for step in range(int(steps)):
            R.log_metrics(step=step, **ten)
    return time.perf_counter() - begin


def fill(uri, count):
    """Make an experiment with as many runs."""
    from mlflow import MlflowClient

    from tracking.listing import filled

    filled(MlflowClient(tracking_uri=uri), int(count))


def listing(uri, name):
    """Seconds of a run by name, and of the metrics of all."""
    R = start(uri)  # noqa: N806
    R.get_exp(experiment_name="many", create=False)
    begin = time.perf_counter()
    R.get_recorder(recorder_name=name, experiment_name="many")
    by_name = time.perf_counter() - begin
    begin = time.perf_counter()
    found = {key: run.list_metrics() for key, run in R.list_recorders(experiment_name="many").items()}
    return by_name, time.perf_counter() - begin, len(found)


def objects(uri, count):
    """Seconds of writing and reading artifacts of 1 MB, and the megabytes that are left behind."""
    R = start(uri)  # noqa: N806
    names = [f"part/{n}" for n in range(int(count))]
    with R.start(experiment_name="qlib"):
        recorder = R.get_recorder()
        begin = time.perf_counter()
        for name in names:
            folder, leaf = name.split("/")
            recorder.save_objects(artifact_path=folder, **{leaf: os.urandom(MIB)})
        wrote = time.perf_counter() - begin
        begin = time.perf_counter()
        for name in names:
            recorder.load_object(name)
        read = time.perf_counter() - begin
    folder = Path(tempfile.gettempdir())
    left = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and "part" in path.parts)
    return wrote, read, left / MIB


def kill(uri, _):
    """Log for ever; a byte on stdout says that a call has returned."""
    R = start(uri)  # noqa: N806
    ten = {f"m{n}": n / 7 for n in range(10)}
    with R.start(experiment_name="qlib"):
        os.write(1, f"{R.get_recorder().id}\n".encode())
        step = 0
        while True:
            R.log_metrics(step=step, **ten)
            os.write(1, b".")
            step += 1
            time.sleep(0.002)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    measurement, *arguments = sys.argv[1:]
    print(json.dumps(globals()[measurement](*arguments)))
