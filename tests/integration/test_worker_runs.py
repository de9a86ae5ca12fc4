"""Runs of attempts that do not count, with real workers and a real tracking store, on both task stores."""

import importlib
import multiprocessing
import signal
import sys
import time

import pytest

from rollforward import settings
from rollforward.workflow.task.manage import TaskManager, run_task
from rollforward.workflow.task.store.query import EVERYTHING
from rollforward.workflow.worker import Worker

TASKS = """
import os, signal
from pathlib import Path
from threading import Event
from rollforward import settings
from rollforward.workflow import R
from rollforward.workflow.task.manage import TaskManager, run_task

def train(d, experiment_name):
    folder = Path(d["folder"])
    attempt = len(list(folder.glob("attempt*"))) + 1
    (folder / f"attempt{attempt}").touch()
    how = d["how"][attempt - 1]
    if how == "is told to end":
        os.kill(int(os.environ["ALONE"]), signal.SIGTERM)
        Event().wait(600)
    with R.start(experiment_name=experiment_name):
        recorder = R.get_recorder()
        R.log_metrics(attempt=attempt)
        if how == "dies inside":
            os.kill(os.getpid(), signal.SIGKILL)
        if how == "fails":
            raise ValueError("no luck")
    if how == "dies after":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "is taken back":
        TaskManager("pool").reset_status({}, "waiting")
    return recorder

def alone(inherited, force_release=False):
    os.environ["ALONE"] = str(os.getpid())
    settings.install(inherited)
    run_task(train, "pool", lease=1.0, force_release=force_release, experiment_name="folds")

def begin(d, experiment_name):
    with R.start(experiment_name=experiment_name):
        recorder = R.get_recorder()
        R.end_exp(recorder_status="SCHEDULED")
    return recorder

def end(recorder, experiment_name, folder):
    with R.start(experiment_name=experiment_name, recorder_id=recorder.id, resume=True):
        first = Path(folder) / "first"
        if not first.exists():
            first.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return R.get_recorder()
"""


@pytest.fixture
def pool(recording, task_store, tracking_uri, tmp_path, monkeypatch):
    settings.change(uri=tracking_uri)
    (tmp_path / "pool_runs.py").write_text(TASKS)
    monkeypatch.syspath_prepend(str(tmp_path))
    # A busy machine needs long to import what ends a run; a worker would leave that to whoever claims next.
    monkeypatch.setattr("rollforward.workflow.worker.slot._TO_TIDY", 300.0)
    yield TaskManager("pool")
    sys.modules.pop("pool_runs", None)


@pytest.fixture
def tasks(pool):
    """The module of the tasks, in this process."""
    return importlib.import_module("pool_runs")


def run_alone(tasks, *args):
    """Work on the pool in a process of its own; give its exit code."""
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=tasks.alone, args=(settings.current(), *args))
    process.start()
    process.join(300)
    assert process.exitcode is not None
    return process.exitcode


def work(func="train", **options):
    options = {"kwargs": {"experiment_name": "folds"}, "burst": True, "backoff": 0.01, **options}
    return Worker("pool", f"pool_runs:{func}", **options).run()


def runs(recording):
    """Give the runs, oldest first: id, status in MLflow, successor."""
    found = recording.search_records(["folds"])
    for column in ("tags.successor", "tags.killed_because", "metrics.attempt"):
        if column not in found:
            found[column] = None
    return found.sort_values("start_time").reset_index(drop=True)


@pytest.mark.parametrize("how", ["dies inside", "dies after", "fails"])
def test_a_run_of_a_lost_attempt_names_the_one_that_counts(pool, recording, tmp_path, how):
    pool.create_task([{"folder": str(tmp_path), "how": [how, "well"]}])
    assert work().n_done == 1
    (task,) = pool.query()
    lost, counts = (row for _, row in runs(recording).iterrows())
    assert (lost["status"], counts["status"]) == ("FAILED" if how == "fails" else "KILLED", "FINISHED")
    assert lost["tags.successor"] == counts["run_id"] == task["res"].id
    assert how == "fails" or lost["tags.killed_because"]


def test_no_run_is_left_running_when_no_attempt_is_left(pool, recording, tmp_path):
    pool.create_task([{"folder": str(tmp_path), "how": ["dies inside"] * 2}])
    assert work(max_attempts=2).n_failed == 2
    assert pool.task_stat() == {"failed": 1}
    assert list(runs(recording)["status"]) == ["KILLED", "KILLED"]


def test_a_finished_run_whose_result_is_refused_does_not_count(pool, recording, tmp_path):
    pool.create_task([{"folder": str(tmp_path), "how": ["is taken back", "well"]}])
    report = work()
    assert (report.n_done, report.n_lost) == (1, 1)
    refused, counts = (row for _, row in runs(recording).iterrows())
    assert (refused["status"], counts["status"]) == ("KILLED", "FINISHED")
    assert refused["tags.successor"] == counts["run_id"]


def test_the_second_step_goes_on_with_the_run_of_the_first(pool, recording, tmp_path):
    pool.create_task([{"n": 1}])
    work("begin", after_status="part_done")
    assert list(runs(recording)["status"]) == ["SCHEDULED"]
    kwargs = {"experiment_name": "folds", "folder": str(tmp_path)}
    work("end", before_status="part_done", kwargs=kwargs)
    (task,) = pool.query()
    (row,) = (row for _, row in runs(recording).iterrows())
    assert (row["run_id"], row["status"], row["tags.successor"]) == (task["res"].id, "FINISHED", None)
    (stored,) = pool.store.find(EVERYTHING)
    assert [one.outcome for one in stored.attempts] == ["committed", "error", "committed"]


def test_the_run_is_known_as_soon_as_it_exists(pool, recording, tmp_path):
    pool.create_task([{"folder": str(tmp_path), "how": ["dies inside"]}])
    work(max_attempts=1)
    (stored,) = pool.store.find(EVERYTHING)
    assert runs(recording)["run_id"][0] in stored.attempts[0].recorder


# --- the same in a process of one's own -------------------------------------------------------------------------


def test_run_task_ends_the_run_of_a_process_that_was_killed(pool, tasks, recording, tmp_path):
    pool.create_task([{"folder": str(tmp_path), "how": ["dies inside", "well"]}])
    assert run_alone(tasks) == -signal.SIGKILL
    end = time.monotonic() + 120
    while not run_task(tasks.train, "pool", experiment_name="folds"):  # until its lease has passed
        assert time.monotonic() < end
    (task,) = pool.query()
    lost, counts = (row for _, row in runs(recording).iterrows())
    assert (lost["status"], counts["status"]) == ("KILLED", "FINISHED")
    assert lost["tags.successor"] == counts["run_id"] == task["res"].id


@pytest.mark.parametrize("force_release", [False, True])
def test_run_task_ends_a_finished_run_whose_result_is_refused(pool, tasks, recording, tmp_path, force_release):
    pool.create_task([{"folder": str(tmp_path), "how": ["is taken back", "well"]}])
    run_task(tasks.train, "pool", force_release=force_release, experiment_name="folds")
    refused, counts = (row for _, row in runs(recording).iterrows())
    assert (refused["status"], counts["status"]) == ("KILLED", "FINISHED")
    assert refused["tags.successor"] == counts["run_id"]


@pytest.mark.parametrize("force_release", [False, True])
def test_run_task_gives_back_when_it_is_told_to_end(pool, tasks, tmp_path, force_release):
    pool.create_task([{"folder": str(tmp_path), "how": ["is told to end"]}])
    assert run_alone(tasks, force_release) == 128 + signal.SIGTERM, "the task waits for longer than we do"
    (stored,) = pool.store.find(EVERYTHING)
    assert (stored.status, [one.outcome for one in stored.attempts]) == ("waiting", ["returned"])
