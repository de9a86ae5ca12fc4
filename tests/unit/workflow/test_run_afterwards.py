"""What is written in the background, perhaps after the end of its run."""

from __future__ import annotations

import logging
import os
import threading

import pytest

from rollforward import settings
from rollforward.settings.state import current
from rollforward.workflow.mlflow_backend.run import afterwards as module
from rollforward.workflow.mlflow_backend.run.afterwards import Afterwards


@pytest.fixture
def queue(monkeypatch):
    """A queue whose thread does not begin by itself."""
    monkeypatch.setattr(module, "PAUSE", 60.0)
    monkeypatch.setattr(module, "LONGEST", 60.0)
    made = Afterwards()
    yield made
    for uri in "ab":
        made.settle(uri)


def test_who_reads_a_run_has_its_jobs_done_in_order_and_others_left(queue):
    seen = []
    for uri, run, what in (("a", "1", "x"), ("a", "2", "y"), ("b", "1", "z"), ("a", "1", "v")):
        queue.put(uri, run, lambda what=what: seen.append((what, threading.current_thread().name)))
    queue.settle("a", "1")
    assert seen == [("x", "MainThread"), ("v", "MainThread")]
    queue.settle("a")
    assert [what for what, _ in seen] == ["x", "v", "y"]
    queue.settle("a")
    queue.settle("b", "1")
    assert [what for what, _ in seen] == ["x", "v", "y", "z"]


def test_the_thread_begins_when_nothing_starts_or_ends(monkeypatch):
    monkeypatch.setattr(module, "PAUSE", 0.0)
    queue, done = Afterwards(), threading.Event()
    queue.put("a", "1", done.set)
    assert done.wait(60)


def test_no_job_waits_for_ever_for_a_pause(queue, monkeypatch):
    monkeypatch.setattr(module, "LONGEST", 0.0)
    done = threading.Event()
    queue.touch()
    queue.put("a", "1", done.set)
    assert done.wait(60)


def test_who_asks_for_a_run_waits_for_the_job_that_another_thread_is_at(queue):
    begun, go, seen = threading.Event(), threading.Event(), []

    def slow():
        begun.set()
        assert go.wait(60)
        seen.append("slow")

    queue.put("a", "1", slow)
    other = threading.Thread(target=queue.settle, args=("a",))
    other.start()
    assert begun.wait(60)
    waiting = threading.Thread(target=lambda: (queue.settle("a", "1"), seen.append("settled")))
    waiting.start()
    go.set()
    waiting.join(60)
    other.join(60)
    assert seen == ["slow", "settled"]


def test_a_job_that_reads_its_run_does_not_wait_for_itself(queue):
    seen = []
    queue.put("a", "1", lambda: (queue.settle("a", "1"), seen.append(1)))
    queue.settle("a")
    assert seen == [1]


def test_a_job_that_fails_is_told_and_does_not_stop_others(queue, caplog):
    seen = []
    queue.put("a", "1", lambda: 1 / 0)
    queue.put("a", "1", lambda: seen.append(1))
    queue.settle("a")
    assert seen == [1]
    assert "could not be written to run 1" in caplog.text


def test_a_job_that_is_interrupted_is_done_by_the_next_who_needs_it(queue):
    seen = []

    def job():
        seen.append(1)
        if len(seen) == 1:
            raise KeyboardInterrupt

    queue.put("a", "1", job)
    with pytest.raises(KeyboardInterrupt):
        queue.settle("a")
    queue.settle("a")
    queue.settle("a")
    assert seen == [1, 1]


def test_a_job_sees_the_settings_of_its_block(queue):
    seen = []
    with settings.override(heartbeat=7.0):
        queue.put("a", "1", lambda: seen.append(current().heartbeat))
    threading.Thread(target=queue.settle, args=("a",)).start()
    queue.settle("a")
    assert seen == [7.0]


def test_the_queue_is_bounded_the_oldest_is_done_by_who_comes_with_more(queue, monkeypatch):
    monkeypatch.setattr(module, "MOST", 3)
    seen = []
    for number in range(5):
        queue.put("a", "1", lambda number=number: seen.append(number))
    assert seen == [0, 1]


def test_the_exit_of_the_process_does_what_is_left_and_nothing_is_left_to_later_then(queue):
    seen = []
    queue.put("a", "1", lambda: seen.append(1))
    queue.put("b", "2", lambda: seen.append(2))
    queue.farewell()
    assert seen == [1, 2]
    queue.put("a", "1", lambda: seen.append(3))
    assert seen == [1, 2, 3]


def test_the_exit_of_the_process_does_not_wait_for_ever(queue, monkeypatch, caplog):
    monkeypatch.setattr(module, "FAREWELL", 0.05)
    begun, go = threading.Event(), threading.Event()
    queue.put("a", "run-one", lambda: (begun.set(), go.wait(60)))
    stuck = threading.Thread(target=queue.settle, args=("a",))
    stuck.start()
    assert begun.wait(60)
    with caplog.at_level(logging.WARNING):
        queue.farewell()
    assert "run-one" in caplog.text
    go.set()
    stuck.join(60)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_process_has_nothing_to_do_of_its_parents(queue):
    seen = []
    queue.put("a", "1", lambda: seen.append(1))
    pid = os.fork()
    if pid == 0:
        queue.settle("a")
        inherited = list(seen)
        queue.put("a", "2", lambda: seen.append(2))
        queue.settle("a")
        os._exit(0 if (inherited, seen) == ([], [2]) else 1)
    assert os.waitpid(pid, 0)[1] == 0
    queue.settle("a")
    assert seen == [1]
