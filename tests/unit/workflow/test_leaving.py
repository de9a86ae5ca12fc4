"""Signals and ``sys.exit`` while runs are open; how real processes end is in tests/integration/test_state_exits.py."""

from __future__ import annotations

import os
import signal
import sys
import threading

import pytest

from rollforward.workflow import active, leaving
from rollforward.workflow.active import FINISHED, Scope
from rollforward.workflow.leaving import Terminated


class Recorder:
    """A recorder that does something while it is being ended."""

    def __init__(self, while_ending=lambda: None):
        self.id = "r"
        self.ended = []
        self.while_ending = while_ending

    @property
    def is_open(self):
        return not self.ended

    def end_run(self, status, *, error=None):
        self.while_ending()
        self.ended.append(status)


@pytest.fixture
def scope():
    return Scope()


@pytest.fixture(autouse=True)
def _as_before():
    hooks = sys.exit, signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    yield
    assert (sys.exit, signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == hooks


@pytest.mark.parametrize(("signum", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)])
def test_a_signal_that_comes_while_runs_are_ended_waits_until_all_are(scope, caplog, signum, error):
    outer, inner = Recorder(), Recorder(lambda: signal.raise_signal(signum))
    run = scope.push("e", outer)
    scope.push("e", inner)

    with pytest.raises(error):
        scope.end(run, FINISHED)

    assert inner.ended == outer.ended == [FINISHED]
    assert scope.current() is None
    assert "Once more gives up" in caplog.text


def test_a_second_signal_gives_up(scope):
    def impatient():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        pytest.fail("must not be reached")

    recorder = Recorder(impatient)
    run = scope.push("e", recorder)

    with pytest.raises(KeyboardInterrupt):
        scope.end(run, FINISHED)

    assert recorder.ended == []
    assert scope.current() is None
    recorder.ended.append("given up")


def test_a_handler_of_the_program_is_called_at_once(scope):
    heard = []
    before = signal.signal(signal.SIGINT, lambda *_: heard.append(recorder.ended[:]))
    try:
        recorder = Recorder(lambda: signal.raise_signal(signal.SIGINT))
        scope.end(scope.push("e", recorder), FINISHED)
    finally:
        signal.signal(signal.SIGINT, before)
    assert (heard, recorder.ended) == ([[]], [FINISHED])


def test_at_exit_a_signal_keeps_no_run_from_being_ended(scope):
    recorders = [Recorder(lambda: signal.raise_signal(signal.SIGINT)) for _ in range(2)]
    recorders.append(Recorder(lambda: signal.raise_signal(signal.SIGTERM)))
    first = [Recorder(), recorders[2]]
    for recorder in first:
        scope.push("e", recorder)

    active.end_all()

    assert [recorder.ended for recorder in first] == [[FINISHED]] * 2


def test_an_open_run_makes_sigterm_an_exception_until_it_is_ended(scope):
    run = scope.push("e", Recorder())
    with pytest.raises(Terminated) as caught:
        signal.raise_signal(signal.SIGTERM)
    assert caught.value.code == 143
    scope.end(run, FINISHED)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_run_that_a_thread_ends_gives_sigterm_back_with_the_next_one(scope):
    run = scope.push("e", Recorder())
    thread = threading.Thread(target=scope.end, args=(run, FINISHED))
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL

    scope.end(scope.push("e", Recorder()), FINISHED)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_recorder_that_was_ended_by_itself_holds_nothing_when_the_next_one_starts(scope):
    run = scope.push("e", Recorder())
    run.leave_open()
    run.recorder.end_run(FINISHED)
    scope.end(scope.push("e", Recorder()), FINISHED)
    assert active.open_runs() == []


# -- sys.exit -----------------------------------------------------------------


@pytest.fixture
def left_open(scope):
    run = scope.push("e", Recorder())
    run.leave_open()
    yield run
    scope.end(run, FINISHED)


@pytest.mark.parametrize("arguments", [(), (None,), (0,), (3,), ("text",), ((1, 2),)])
def test_sys_exit_raises_what_it_always_raises(left_open, arguments):
    with pytest.raises(SystemExit) as ours:
        sys.exit(*arguments)
    with pytest.raises(SystemExit) as original:
        leaving.sys_exit._original(*arguments)
    assert ours.value.code == original.value.code
    assert type(ours.value).__name__ == "SystemExit"
    with pytest.raises(TypeError):
        sys.exit(1, 2)


def test_an_exit_that_was_caught_is_forgotten(left_open):
    try:
        sys.exit(3)
    except SystemExit:
        assert leaving.sys_exit.error.code == 3
    assert leaving.sys_exit.error is None


def test_the_exit_of_a_thread_is_its_own(left_open):
    codes = []

    def work():
        try:
            sys.exit(3)
        except SystemExit as error:
            codes.extend([error.code, leaving.sys_exit.error])

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert codes == [3, None]


def test_somebody_elses_exit_around_ours_stays(scope, monkeypatch):
    original = sys.exit
    run = scope.push("e", Recorder())
    run.leave_open()
    ours = sys.exit
    calls = []

    def theirs(code=None):
        calls.append(code)
        ours(code)

    monkeypatch.setattr(sys, "exit", theirs)
    scope.end(run, FINISHED)
    assert sys.exit is theirs
    with pytest.raises(SystemExit):
        sys.exit(4)
    assert calls == [4]

    again = scope.push("e", Recorder())
    again.leave_open()
    scope.end(again, FINISHED)
    assert sys.exit is theirs
    monkeypatch.undo()
    sys.exit = original


def test_a_forked_process_starts_with_the_default(scope):
    run = scope.push("e", Recorder())
    pid = os.fork()
    if pid == 0:
        try:
            is_default = signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
            mine = scope.push("e", Recorder())
            is_ours = leaving.sigterm.is_ours()
            scope.end(mine, FINISHED)
            is_default_again = signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
            os._exit(0 if is_default and is_ours and is_default_again and scope.current() is None else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert leaving.sigterm.is_ours()
    scope.end(run, FINISHED)
