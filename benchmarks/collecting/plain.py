"""The plain ways: list, then load one by one.

As a program it runs in an interpreter that has pyqlib and prints what Qlib takes as JSON:
python benchmarks/collecting/plain.py MEASUREMENT URI REPEAT
"""

from __future__ import annotations

import json
import pickle
import statistics
import sys
import time


def seconds(function, repeat):
    """Median of a few, and the last result."""
    taken = []
    for _ in range(repeat):
        begin = time.perf_counter()
        found = function()
        taken.append(time.perf_counter() - begin)
    return statistics.median(taken), found


def download(client, experiment):
    """Load with MLflow's client: what a script without a library does."""
    import tempfile
    from pathlib import Path

    found = {}
    for run in listed(client, experiment):
        with tempfile.TemporaryDirectory() as folder:
            path = client.download_artifacts(run.info.run_id, "pred.pkl", folder)
            found[run.info.run_id] = pickle.loads(Path(path).read_bytes())
    return found


def listed(client, experiment):
    """List all runs, page after page."""
    token, runs = None, []
    while True:
        page = client.search_runs([experiment], max_results=1000, page_token=token)
        runs += page
        token = page.token
        if not token:
            return runs


def qlib(uri):
    """Set Qlib up."""
    import qlib
    from qlib.workflow import R

    manager = {
        "class": "MLflowExpManager",
        "module_path": "qlib.workflow.expm",
        "kwargs": {"uri": uri, "default_exp_name": "Experiment"},
    }
    qlib.init(exp_manager=manager, logging_level=40)
    return R


def collect(uri, repeat):
    """Seconds of Qlib's collector."""
    from qlib.workflow.task.collect import RecorderCollector

    R = qlib(uri)  # noqa: N806  # its name
    experiment = R.get_exp(experiment_name="folds", create=False)
    taken, found = seconds(RecorderCollector(experiment), repeat)
    return taken, len(found.get("pred", {}))


def select(uri, repeat):
    """Seconds of a filter by a tag, as Qlib's users write it."""
    R = qlib(uri)  # noqa: N806
    experiment = R.get_exp(experiment_name="many", create=False)

    def kept():
        return [r for r in experiment.list_recorders().values() if r.list_tags()["test_start"] >= "2005"]

    taken, found = seconds(kept, repeat)
    return taken, len(found)


if __name__ == "__main__":
    measurement, address, times = sys.argv[1:]
    print(json.dumps(globals()[measurement](address, int(times))))
