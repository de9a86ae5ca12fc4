from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from contextvars import copy_context

import pytest

from rollforward.workflow import active, leaving
from rollforward.workflow.active import FAILED, FINISHED, Scope
from rollforward.workflow.leaving import Terminated


class FakeRecorder:
    """A recorder that only remembers how it was ended."""

    def __init__(self, name="run", *, refuses=False):
        self.id = name
        self.ended = []
        self.refuses = refuses

    @property
    def is_open(self):
        return not self.ended

    def end_run(self, status, *, error=None):
        self.ended.append((status, error))
        if self.refuses:
            raise OSError("the store is away")


@pytest.fixture
def scope():
    return Scope()


def push(scope, name="run", **kwargs):
    return scope.push(f"experiment of {name}", FakeRecorder(name, **kwargs))


def test_the_innermost_run_is_current_and_its_parent_is_again_when_it_ends(scope):
    outer, inner = push(scope, "outer"), push(scope, "inner")
    assert scope.current() is inner

    scope.end(inner, FINISHED)

    assert scope.current() is outer
    scope.end(outer, FINISHED)
    assert scope.current() is None


def test_ending_a_run_first_ends_what_was_left_open_inside_it(scope):
    outer, inner = push(scope, "outer"), push(scope, "inner")

    scope.end(outer, FAILED)

    assert inner.recorder.ended == outer.recorder.ended == [(FAILED, None)]
    assert scope.current() is None


def test_a_run_that_cannot_be_ended_is_still_taken_away(scope):
    run = push(scope, refuses=True)

    with pytest.raises(OSError, match="away"):
        scope.end(run, FINISHED)

    assert scope.current() is None
    assert active.open_runs() == []


def test_an_inner_run_that_cannot_be_ended_does_not_keep_the_outer_one_open(scope, caplog):
    outer = push(scope, "outer")
    push(scope, "inner", refuses=True)

    scope.end(outer, FINISHED)

    assert outer.recorder.ended == [(FINISHED, None)]
    assert "could not be ended" in caplog.text


def test_scopes_do_not_see_each_other(scope):
    other = Scope()
    run = push(scope)

    assert other.current() is None
    assert not other.is_busy()
    scope.end(run, FINISHED)


def test_a_thread_sees_no_run_of_another_one_unless_it_runs_in_its_context(scope):
    run = push(scope)
    seen = []
    context = copy_context()
    for target in (lambda: seen.append(scope.current()), lambda: context.run(lambda: seen.append(scope.current()))):
        thread = threading.Thread(target=target)
        thread.start()
        thread.join()

    assert seen == [None, run]
    scope.end(run, FINISHED)


def test_tasks_inherit_the_run_they_are_started_in_and_keep_their_own_to_themselves(scope):
    seen = {}

    async def child(name, barrier):
        seen[name, "inherited"] = scope.current().recorder.id
        run = push(scope, name)
        await barrier.wait()
        seen[name, "own"] = scope.current().recorder.id
        scope.end(run, FINISHED)

    async def main():
        outer = push(scope, "outer")
        barrier = asyncio.Barrier(2)
        await asyncio.gather(child("a", barrier), child("b", barrier))
        seen["after"] = scope.current().recorder.id
        scope.end(outer, FINISHED)

    asyncio.run(main())

    assert seen == {
        ("a", "inherited"): "outer",
        ("b", "inherited"): "outer",
        ("a", "own"): "a",
        ("b", "own"): "b",
        "after": "outer",
    }


def test_a_run_that_another_context_ended_is_no_longer_current(scope):
    run = push(scope)

    thread = threading.Thread(target=scope.end, args=(run, FINISHED))
    thread.start()
    thread.join()

    assert run.recorder.ended == [(FINISHED, None)]
    assert scope.current() is None


def test_the_default_run_is_one_for_all_threads_and_gives_way_to_an_explicit_one(scope):
    opened = []

    def open_default():
        opened.append(FakeRecorder("default"))
        return "default experiment", opened[-1]

    threads = [threading.Thread(target=scope.default, args=(open_default,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    default = scope.default(open_default)
    assert len(opened) == 1

    run = push(scope)
    assert scope.default(open_default) is run
    scope.end(run, FINISHED)
    assert scope.current() is default
    scope.end(default, FINISHED)
    assert scope.current() is None


def test_logging_in_a_thread_beside_an_active_run_says_where_it_goes(scope, caplog):
    run = push(scope)
    thread = threading.Thread(target=scope.default, args=(lambda: ("experiment", FakeRecorder("default")),))
    thread.start()
    thread.join()

    assert "Hand the recorder over" in caplog.text
    for item in reversed(active.open_runs()):
        item.close(FINISHED)
    assert not run.is_live


def test_logging_in_a_thread_to_a_default_run_that_is_open_says_so_once(scope, caplog):
    default = scope.default(lambda: ("experiment", FakeRecorder("default")))
    assert scope.default(None) is default
    assert caplog.text == ""
    run = push(scope)
    for _ in range(2):
        thread = threading.Thread(target=scope.default, args=(None,))
        thread.start()
        thread.join()
    assert scope.default(None) is run

    assert caplog.text.count("Hand the recorder over") == 1
    scope.end(run, FINISHED)
    scope.end(default, FINISHED)


def test_a_forked_process_starts_without_active_runs(scope, monkeypatch):
    run = push(scope)
    pid = os.getpid()

    monkeypatch.setattr(os, "getpid", lambda: pid + 1)
    active._process.read()  # what a fork calls in the child
    assert scope.current() is None
    assert not scope.is_busy()

    monkeypatch.undo()
    active._process.read()
    assert scope.current() is run
    scope.end(run, FINISHED)


@pytest.mark.parametrize(
    ("error", "status", "killed"),
    [
        (None, FINISHED, False),
        (SystemExit(), FINISHED, False),
        (SystemExit(0), FINISHED, False),
        (SystemExit(3), FAILED, False),
        (SystemExit("no data"), FAILED, False),
        (ValueError("x"), FAILED, False),
        (GeneratorExit(), FAILED, False),
        (KeyboardInterrupt(), FAILED, True),
        (Terminated(), FAILED, True),
        (asyncio.CancelledError(), FAILED, True),
    ],
)
def test_what_ended_a_block_decides_its_status(error, status, killed):
    assert active.status_of(error) == status
    assert active.was_killed(error) is killed


def test_a_headline_is_one_short_line():
    assert active.headline(ValueError("first\nsecond")) == "ValueError: first"
    assert active.headline(ValueError()) == "ValueError"
    assert len(active.headline(ValueError("x" * 1000))) == 250


def test_what_is_open_at_exit_is_finished_or_failed_by_the_uncaught_error(scope, monkeypatch):
    monkeypatch.setattr(sys, "last_value", ValueError("of an earlier cell"), raising=False)
    quiet = push(scope, "quiet")
    active.end_all()
    assert quiet.recorder.ended == [(FINISHED, None)]

    failed = push(scope, "failed")
    error = ValueError("ends the script")
    monkeypatch.setattr(sys, "last_value", error)
    active.end_all()
    assert failed.recorder.ended == [(FAILED, error)]


def test_sigterm_is_an_exception_inside_and_the_default_again_outside():
    with pytest.raises(Terminated) as caught, leaving.sigterm_as_exception(), leaving.sigterm_as_exception():
        os.kill(os.getpid(), signal.SIGTERM)
    assert caught.value.code == 143
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_handler_of_the_program_is_left_alone():
    heard = []

    def handler(*_):
        heard.append(True)

    before = signal.signal(signal.SIGTERM, handler)
    try:
        with leaving.sigterm_as_exception():
            os.kill(os.getpid(), signal.SIGTERM)
            assert signal.getsignal(signal.SIGTERM) is handler
    finally:
        signal.signal(signal.SIGTERM, before)
    assert heard == [True]


def test_other_threads_leave_signals_alone():
    seen = []

    def work():
        with leaving.sigterm_as_exception():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.SIG_DFL]
