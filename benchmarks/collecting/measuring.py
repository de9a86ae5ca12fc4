"""The same collection in several ways."""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import contextmanager
from pathlib import Path

from rows import note

from collecting.filling import FOLDS, MANY
from collecting.plain import download, seconds

PLAIN = Path(__file__).with_name("plain.py")


@contextmanager
def requests_counted():
    """Count the HTTP requests of this process."""
    import requests

    sent, original = [], requests.Session.send

    def send(self, request, **kwargs):
        sent.append(request.url)
        return original(self, request, **kwargs)

    requests.Session.send = send
    try:
        yield sent
    finally:
        requests.Session.send = original


def report(place, uri, folder, options):
    """Print the seconds and ratios of one store."""
    from rollforward import init

    init(uri=uri, provenance=False)
    print(f"{place}, seconds (median of {options.repeat})")
    collecting(uri, folder, options)
    selecting(uri, folder, options)


def collecting(uri, folder, options):
    """Predictions of all folds."""
    from mlflow import MlflowClient

    from rollforward.workflow.task.collect import RecorderCollector, clear_cache

    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(FOLDS).experiment_id
    collector = RecorderCollector(FOLDS, progress=False)

    def cold():
        clear_cache()
        return collector()["pred"]

    plain, found = seconds(lambda: download(client, experiment), options.repeat)
    first, same = seconds(cold, options.repeat)
    assert {run: frame.equals(same[run]) for run, frame in found.items()} == dict.fromkeys(found, True)  # noqa: S101
    again, _ = seconds(lambda: collector()["pred"], options.repeat)
    lazy, _ = seconds(lambda: collector.collect(lazy=True), options.repeat)
    title = f"{options.folds} predictions of {len(next(iter(found.values())))} rows"
    print(f"  {title:<44} plain client {plain:8.3f}")
    show("collected", first, plain)
    store = uri.split(":")[0]
    note(f"{title} again, from the cache, {store}", again, other=("one by one", plain))
    show("collected again", again, plain)
    show("collected, lazy", lazy, plain)
    theirs = against("collect", uri, folder, options, first)
    note(f"{title}, {store}", first, qlib=theirs, other=("one by one", plain))


def selecting(uri, folder, options):
    """Many runs by their segment."""
    from rollforward.workflow.task.collect import RecorderCollector
    from rollforward.workflow.task.utils import segments_between

    ways = {
        "filter: segments_between": segments_between("2005-01-01"),
        "filter: rec.list_tags(), as for Qlib": lambda rec: rec.list_tags()["test_start"] >= "2005",
    }
    print(f"  {options.runs} runs")
    for name, keep in ways.items():
        collector = RecorderCollector(MANY, rec_filter_func=keep, artifacts_key=RecorderCollector.ART_KEY_RAW)
        with requests_counted() as sent:
            kept = len(collector()["__raw"])
        taken, _ = seconds(collector, options.repeat)
        print(f"  {name:<44} {taken:8.3f}   {kept} kept, {len(sent)} HTTP requests")
    theirs = against("select", uri, folder, options, taken, repeat=1)
    note(f"{options.runs} runs selected, {uri.split(':')[0]}", taken, qlib=theirs)
    taken, table = seconds(RecorderCollector(MANY).to_frame, options.repeat)
    print(f"  {f'to_frame, {table.shape[1]} columns':<44} {taken:8.3f}")


def show(name, ours, plain):
    print(f"  {name:<44} {ours:8.3f}   {plain / ours:6.1f} x faster")


def against(measurement, uri, folder, options, ours, repeat=None):
    """Ask pyqlib in an interpreter of its own."""
    if options.oracle is None:
        return None
    own = uri
    if uri.startswith("sqlite"):
        own = _own_database(folder, options)
    # MLflow's own setting is what its client asks for artifacts.
    known = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"MLFLOW_TRACKING_URI": own}
    done = subprocess.run(
        [options.oracle, str(PLAIN), measurement, own, str(repeat or options.repeat)],
        cwd=folder,
        env=known,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        print(f"  Qlib failed: {done.stderr.strip().splitlines()[-1:]}")
        return None
    taken, found = json.loads(done.stdout.splitlines()[-1])
    print(f"  {f'Qlib itself, {found} found':<44} {taken:8.3f}   {taken / ours:6.1f} x ours")
    return taken


def _own_database(folder, options):
    """A store made by the oracle's own MLflow, filled with the same runs."""
    path = folder / "qlib.db"
    if not path.exists():
        code = (
            "import sys, argparse; from pathlib import Path; sys.path.insert(0, sys.argv[1]); "
            "from collecting.filling import fill; "
            f"fill({f'sqlite:///{path}'!r}, Path({str(folder / 'qlib')!r}), "
            f"argparse.Namespace(folds={options.folds}, runs={options.runs}))"
        )
        subprocess.run([options.oracle, "-c", code, str(PLAIN.parents[1])], cwd=folder, check=True, capture_output=True)
    return f"sqlite:///{path}"
