"""Logging in the background: what a caller sees of it, and what is in the store when the run has ended."""

from __future__ import annotations

import copy
import logging
import pickle
import threading
import time
from contextvars import copy_context

import mlflow
import numpy as np
import pytest

from rollforward import settings
from rollforward.errors import TrackingError
from rollforward.workflow import R
from rollforward.workflow.mlflow_backend.store.client import client_for
from rollforward.workflow.mlflow_backend.write import sqlite
from rollforward.workflow.mlflow_backend.write.writer import RunWriter, SyncWriter


@pytest.fixture
def run(recording):
    with recording.start(experiment_name="demo"):
        yield recording.get_recorder()


@pytest.fixture
def held_up(monkeypatch):
    """Nothing is written in the background until somebody waits for it."""
    monkeypatch.setattr("rollforward.workflow.batch_queue.BatchQueue._start", lambda _queue: True)


def history(recorder, key):
    recorder.flush()
    points = client_for(recorder.uri).get_metric_history(recorder.id, key)
    return [(point.step, point.value) for point in sorted(points, key=lambda point: (point.step, point.timestamp))]


def test_what_is_logged_arrives_without_being_waited_for(run):
    R.log_metrics(x=1)
    deadline = time.monotonic() + 60
    while client_for(run.uri).get_run(run.id).data.metrics != {"x": 1.0}:
        assert time.monotonic() < deadline
        threading.Event().wait(0.02)


def test_reads_see_what_was_logged_before(held_up, run):
    R.log_metrics(x=1)
    assert run.metrics == {"x": 1.0}
    R.log_metrics(x=2)
    R.log_params(a=1)
    R.set_tags(kind="fold")
    assert (run.list_metrics(), run.list_params()["a"], run.list_tags()["kind"]) == ({"x": 2.0}, "1", "fold")
    R.set_tags(old=1)
    run.delete_tags("old")
    assert "old" not in run.list_tags()


def test_every_value_is_there_after_the_block_in_order(recording, held_up):
    with recording.start(experiment_name="demo"):
        recorder = recording.get_recorder()
        for step in range(300):
            recording.log_metrics(step=step, loss=step / 7, **{"Rank IC": np.float32(step)})
        recording.log_metrics(no_step=1.0)
        recording.log_metrics(no_step=3.0)
        recording.log_metrics(no_step=2.0)
    assert history(recorder, "loss") == [(step, step / 7) for step in range(300)]
    assert [value for _, value in history(recorder, "no_step")] == [1.0, 3.0, 2.0]
    assert recorder.list_metrics() == {"loss": 299 / 7, "Rank IC": 299.0, "no_step": 2.0}


@pytest.mark.parametrize(("error", "status"), [(ValueError(), "FAILED"), (KeyboardInterrupt(), "KILLED")])
def test_everything_is_written_before_the_status_however_the_block_ends(recording, held_up, monkeypatch, error, status):
    seen, insert = [], sqlite.insert

    def end_seen(*args, end=None, **kwargs):
        if end is None:
            return insert(*args, **kwargs)
        seen.append((end[0], client_for(recorder.uri).get_run(recorder.id).data.metrics))
        return True

    def body():
        with recording.start(experiment_name="demo"):
            nonlocal recorder
            recorder = recording.get_recorder()
            recording.log_metrics(x=1)
            monkeypatch.setattr(sqlite, "insert", end_seen)
            raise error

    recorder = None
    with pytest.raises(type(error)):
        body()
    assert seen == [(status, {"x": 1.0})]


def test_the_time_of_a_value_is_that_of_the_call(held_up, run):
    before = time.time_ns() // 1_000_000
    R.log_metrics(x=1)
    after = time.time_ns() // 1_000_000
    while time.time_ns() // 1_000_000 <= after + 2:
        pass
    run.flush()
    (point,) = client_for(run.uri).get_metric_history(run.id, "x")
    assert before <= point.timestamp <= after


def test_a_dictionary_may_be_changed_after_the_call(held_up, run):
    values = {"x": 1.0}
    R.log_metrics(**values)
    values["x"] = 2.0
    assert run.list_metrics() == {"x": 1.0}


def test_wrong_keys_and_values_are_errors_at_the_call(held_up, run):
    for _ in range(2):
        with pytest.raises(TrackingError, match="'IC@5' is no key"):
            R.log_metrics(**{"IC@5": 1})
        with pytest.raises(TypeError, match="metric 'x'"):
            R.log_metrics(x="high")
        with pytest.raises(TypeError, match="step is"):
            R.log_metrics(step=0.5, x=1)
        with pytest.raises(TrackingError, match="64 bits"):
            R.log_metrics(step=2**63, x=1)
    assert run.list_metrics() == {}


def test_what_the_store_refuses_is_raised_by_flush_once_and_noted_on_the_run(recording):
    with recording.start(experiment_name="demo"):
        recorder = recording.get_recorder()
        recording.log_params(alpha=1)
        recording.log_params(alpha=2, beta=3)
        recording.log_metrics(x=1)
        with pytest.raises(TrackingError, match="param 'alpha' is '1', and '2' was logged"):
            recording.flush()
        recording.flush()
        recording.log_metrics(y=1)
    assert recorder.status == "FINISHED"
    assert recorder.list_metrics() == {"x": 1.0, "y": 1.0}
    assert recorder.list_params()["beta"] == "3"
    assert recorder.list_tags()["logging_errors"] == "param 'alpha' is '1', and '2' was logged"
    assert recorder.load_object("logging_errors.txt") == "param 'alpha' is '1', and '2' was logged\n"


def test_what_nobody_flushed_is_raised_by_the_end(recording):
    def body():
        with recording.start(experiment_name="demo"):
            nonlocal recorder
            recorder = recording.get_recorder()
            recording.log_params(alpha=1)
            recording.log_params(alpha=2)

    recorder = None
    with pytest.raises(TrackingError, match="param 'alpha' is '1', and '2' was logged"):
        body()
    assert recorder.status == "FINISHED"
    assert recording.search_records(recorder.experiment_id)["status"].tolist() == ["FINISHED"]
    assert recording.exp_manager.active_experiment is None


def test_what_nobody_flushed_does_not_hide_another_error(recording, caplog):
    def body():
        with recording.start(experiment_name="demo"):
            recording.log_params(alpha=1)
            recording.log_params(alpha=2)
            raise ValueError("the error that counts")

    with pytest.raises(ValueError, match="that counts"):
        body()
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "param 'alpha' is '1', and '2' was logged" in caplog.text


def test_a_run_without_errors_says_nothing_of_them(recording, caplog):
    with recording.start(experiment_name="demo"):
        recorder = recording.get_recorder()
        recording.log_params(alpha=1)
    assert "logging_errors" not in recorder.list_tags()
    assert recorder.list_artifacts() == ["requirements.txt"]
    assert caplog.records == []


def test_the_setting_writes_at_once(recording, tracking_uri):
    settings.init(uri=tracking_uri, async_log=False)
    with recording.start(experiment_name="demo"):
        recorder = recording.get_recorder()
        recording.log_metrics(x=1)
        assert client_for(recorder.uri).get_run(recorder.id).data.metrics == {"x": 1.0}
        recording.log_params(alpha=1)
        with pytest.raises(TrackingError, match="'alpha' is '1', and '2' was logged"):
            recording.log_params(alpha=2)
    assert recorder.status == "FINISHED"


def test_a_recorder_that_is_not_open_writes_at_once(recording, run):
    other = recording.exp_manager.get_exp(experiment_name="demo").create_recorder("other")
    other.start_run()
    assert isinstance(other._writer, RunWriter)
    other.end_run("FINISHED")
    stored = recording.get_recorder(recorder_id=other.id, experiment_name="demo")
    for recorder in (other, stored):
        recorder.set_tags(late=recorder is stored)
        assert isinstance(recorder._writer, SyncWriter)
        assert client_for(run.uri).get_run(other.id).data.tags["late"] == str(recorder is stored)


@pytest.mark.parametrize("copied", [lambda run: pickle.loads(pickle.dumps(run)), copy.copy])
def test_a_copy_has_no_part_in_the_queue(held_up, run, copied):
    R.log_metrics(x=1)
    twin = copied(run)
    twin.log_metrics(y=2)
    assert client_for(run.uri).get_run(run.id).data.metrics == {"y": 2.0}
    assert run.list_metrics() == {"x": 1.0, "y": 2.0}


def test_no_thread_for_a_run_that_logs_nothing_and_none_after_one_that_did(recording):
    settings.change(provenance=False)
    others = set(threading.enumerate())

    def ours():
        return [thread for thread in set(threading.enumerate()) - others if thread.name == "rollforward-log"]

    with recording.start(experiment_name="demo"):
        assert ours() == []
        recording.log_metrics(x=1)
        assert len(ours()) == 1
    assert ours() == []


def test_mlflows_own_calls_reach_the_same_run(run):
    R.log_metrics(ours=1)
    mlflow.log_metric("theirs", 2)
    mlflow.log_param("p", 1)
    assert run.list_metrics() == {"ours": 1.0, "theirs": 2.0}
    assert run.list_params()["p"] == "1"


def test_two_hundred_threads_log_to_the_run_they_inherit(run):
    def work(n):
        for step in range(20):
            R.log_metrics(step=step, **{f"m{n}": step * 1.0})
        R.log_params(**{f"p{n}": n})

    threads = [threading.Thread(target=copy_context().run, args=(work, n)) for n in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert run.list_metrics() == {f"m{n}": 19.0 for n in range(200)}
    assert {key: value for key, value in run.list_params().items() if key.startswith("p")} == {
        f"p{n}": str(n) for n in range(200)
    }
    assert history(run, "m77") == [(step, float(step)) for step in range(20)]


def test_memory_is_bounded_by_waiting(recording, monkeypatch, caplog):
    """A slow store and a small bound: the loop is slowed down to the store's pace, with one warning."""
    from rollforward.workflow import batch_queue
    from rollforward.workflow.mlflow_backend.write import sending

    waiting = []

    class SlowStore:
        def log_batch(self, run_id, metrics, params, tags):
            while not waiting and queue._weight < queue._limit:
                threading.Event().wait(0.001)  # the loop is faster at first, whoever has the processor
            waiting.append(queue._weight)
            store.log_batch(run_id, metrics, params, tags)

    with recording.start(experiment_name="demo"):
        recorder = recording.get_recorder()
        queue = recorder._writer._queue
        assert (queue._batch, queue._limit) == (batch_queue.BATCH, batch_queue.LIMIT)
        queue._batch, queue._limit, queue._alarm = 10, 50, 0
        store = sending.store_of(client_for(recorder.uri))
        monkeypatch.setattr(sending, "store_of", lambda _client: SlowStore())
        for step in range(100):
            recording.log_metrics(step=step, a=1.0, b=2.0, c=3.0)
    assert max(waiting) <= 50 + 3
    assert history(recorder, "c") == [(step, 3.0) for step in range(100)]
    assert [record.levelname for record in caplog.records] == ["WARNING"]
