"""Runs of attempts that do not count, with real workers and a real tracking store, on both task stores."""

import pytest

from rollforward import settings
from rollforward.workflow.task.manage import TaskManager
from rollforward.workflow.task.store.query import EVERYTHING
from rollforward.workflow.worker import Worker

TASKS = """
import os, signal
from pathlib import Path
from rollforward.workflow import R
from rollforward.workflow.task.manage import TaskManager

def train(d, experiment_name):
    folder = Path(d["folder"])
    attempt = len(list(folder.glob("attempt*"))) + 1
    (folder / f"attempt{attempt}").touch()
    how = d["how"][attempt - 1]
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
    return TaskManager("pool")


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
