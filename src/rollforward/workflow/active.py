"""Which runs are active, and how each of them ends.

A manager owns one `Scope`. Inside a scope the active runs form a stack that lives in a context variable: threads and
asyncio tasks see their own, a task started inside a run inherits it, and a forked process starts with none. Beside
the stack a scope has at most one *default run* for the whole process: the one that logging outside any run opens.

Whatever is still open when the interpreter exits is ended here, see `leaving` for what can be known of the reason; the
handler is registered with the first run, not at import.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import traceback
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rollforward.workflow.background import AtExit
from rollforward.workflow.leaving import Terminated, sigterm, sigterm_as_exception, sys_exit, to_the_end, what_ends_it

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

logger = logging.getLogger(__name__)

SCHEDULED, RUNNING, FINISHED, FAILED = "SCHEDULED", "RUNNING", "FINISHED", "FAILED"
STATUSES = (SCHEDULED, RUNNING, FINISHED, FAILED)

_PACKAGE = str(Path(__file__).resolve().parents[1]) + os.sep


def status_of(error: BaseException | None) -> str:
    """Map what ended a block to one of the four statuses.

    Nothing and ``sys.exit(0)`` are FINISHED; every other exception is FAILED, Ctrl-C included.
    """
    if error is None or (isinstance(error, SystemExit) and error.code in (None, 0)):
        return FINISHED
    return FAILED


def was_killed(error: BaseException | None) -> bool:
    """Whether the run was stopped from outside: Ctrl-C, SIGTERM, or a cancelled task."""
    return isinstance(error, KeyboardInterrupt | Terminated) or type(error).__name__ == "CancelledError"


def headline(error: BaseException) -> str:
    """Name an exception in one short line: its type and the first line of its text."""
    lines = str(error).strip().splitlines()
    text = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    return text if len(text) <= 250 else text[:249] + "…"  # noqa: PLR2004  # about three lines of a table


def full_traceback(error: BaseException) -> str:
    """Format an exception with its causes, from the user's first line on."""
    frames = error.__traceback__
    while frames is not None and frames.tb_next is not None and _is_ours(frames.tb_frame):
        frames = frames.tb_next
    return "".join(traceback.format_exception(type(error), error, frames))


def _is_ours(frame: FrameType) -> bool:
    name = frame.f_code.co_filename
    return name.startswith(_PACKAGE) or Path(name).name == "contextlib.py"


class _Process:
    """The id of this process, read again after a fork: a system call for each logged value would be felt."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._is_registered = False

    def ensure(self) -> None:
        """Take part in forks from now on; children inherit that."""
        if not self._is_registered and hasattr(os, "register_at_fork"):
            self._is_registered = True
            self.read()
            os.register_at_fork(after_in_child=self.read)

    def read(self) -> None:
        self.pid = os.getpid()


_process = _Process()


@dataclass(eq=False)
class ActiveRun:
    """One started recorder and its experiment, as the stack holds them.

    Their classes live in the rooms above; what counts here is ``recorder.is_open`` and ``recorder.end_run``.
    """

    scope: Scope
    experiment: Any
    recorder: Any
    uri_given: bool = False
    is_left_open: bool = False
    # Whether somebody was told that this default run gets what may have been meant for another one.
    is_told: bool = False
    pid: int = field(default_factory=lambda: _process.pid)
    error_before: BaseException | None = field(default_factory=lambda: getattr(sys, "last_value", None), repr=False)

    @property
    def is_live(self) -> bool:
        """Whether the run is open and belongs to this process."""
        return self.pid == _process.pid and bool(self.recorder.is_open)

    def leave_open(self) -> None:
        """Take note that no block will end the run: what ends the process decides its status then."""
        if not self.is_left_open:
            self.is_left_open = True
            sys_exit.hold(self)

    def close(self, status: str, error: BaseException | None = None) -> None:
        """End the recorder, once."""
        try:
            if self.is_live:
                self.recorder.end_run(status, error=error)
        finally:
            self.forget()

    def forget(self) -> None:
        """Give back what an open run holds of the process."""
        _open_runs.pop(id(self), None)
        sigterm.release(self)
        sys_exit.release(self)


_stack: ContextVar[tuple[ActiveRun, ...]] = ContextVar("rollforward_active_runs", default=())
_open_runs: dict[int, ActiveRun] = {}
_observers: list[Callable[[Any], None]] = []


def on_start(observer: Callable[[Any], None]) -> None:
    """Call a function with each recorder that becomes active in this process from now on, inside others or not."""
    _observers.append(observer)


def open_runs() -> list[ActiveRun]:
    """Return the open runs of this process, of all managers and threads, the oldest first."""
    return [run for run in list(_open_runs.values()) if run.is_live]


class Scope:
    """The active runs of one manager.

    Attributes
    ----------
    default_run
        The default run, open or ended; ``None`` before the first.
    """

    def __init__(self) -> None:
        self.default_run: ActiveRun | None = None
        self._lock = threading.RLock()

    def runs(self) -> tuple[ActiveRun, ...]:
        """Return the live runs of this context, the innermost last."""
        return tuple(run for run in _stack.get() if run.scope is self and run.is_live)

    def current(self) -> ActiveRun | None:
        """Return the innermost run of this context, else the open default run, else nothing."""
        # Asked for each value that is logged through `R`: nothing is built, and the usual case comes first.
        stack = _stack.get()
        if stack:
            run = stack[-1]
            if run.scope is self and run.pid == _process.pid and run.recorder.is_open:
                return run
            for run in reversed(stack):
                if run.scope is self and run.is_live:
                    return run
        default = self.default_run
        return default if default is not None and default.is_live else None

    def find(self, recorder_id: str) -> Any:
        """Return the recorder of this id if it is active here, else ``None``."""
        live = (*self.runs(), *filter(None, (self.current(),)))
        return next((run.recorder for run in reversed(live) if run.recorder.id == recorder_id), None)

    def is_busy(self) -> bool:
        """Whether any thread or task of this process has an open run here."""
        return any(run.scope is self for run in open_runs())

    def push(self, experiment: Any, recorder: Any, *, uri_given: bool = False) -> ActiveRun:
        """Make a started recorder the innermost run of this context."""
        run = self._register(experiment, recorder, uri_given=uri_given)
        _stack.set((*(item for item in _stack.get() if item.is_live), run))
        return run

    def default(self, open_run: Callable[[], tuple[Any, Any]]) -> ActiveRun:
        """Return the current run, or open the default run of the process.

        Parameters
        ----------
        open_run
            Starts a recorder and returns its experiment and it; called at most once at a time.
        """
        run = self.current()
        if run is not None:
            if run is self.default_run and not run.is_told and len(_open_runs) > 1:
                run.is_told = self._say_where_it_goes()
            return run
        with self._lock:
            if self.default_run is None or not self.default_run.is_live:
                is_told = self._say_where_it_goes()
                with sigterm_as_exception():
                    self.default_run = self._register(*open_run())
                self.default_run.is_told = is_told
                self.default_run.leave_open()
            return self.default_run

    def _say_where_it_goes(self) -> bool:
        """Warn of what goes to the default run although there is, or was, a run that may have been meant."""
        advice = "this goes to the default run. Hand the recorder over, or"
        if any(run.scope is self and run.pid == _process.pid for run in _stack.get()):
            logger.warning("The run that this thread or task was started in has ended; %s wait before it ends.", advice)
        elif any(run.scope is self and run is not self.default_run for run in open_runs()):
            logger.warning(
                "Logging in a thread or task that has no run of its own, while another one has: %s run the function "
                "in contextvars.copy_context().",
                advice,
            )
        else:
            return False
        return True

    def end(self, run: ActiveRun | None, status: str, error: BaseException | None = None) -> None:
        """End a run and, before it, what was started inside it in this context and never ended."""
        if run is None:
            return
        stack = self.runs()
        ending = stack[stack.index(run) :] if run in stack else (run,)
        try:
            with to_the_end("What was logged is being written"):
                for item in reversed(ending[1:]):
                    _close_quietly(item, status, error)
                run.close(status, error)
        finally:
            _stack.set(tuple(item for item in _stack.get() if item not in ending and item.is_live))

    def _register(self, experiment: Any, recorder: Any, *, uri_given: bool = False) -> ActiveRun:
        _process.ensure()
        for ended in [item for item in list(_open_runs.values()) if not item.is_live]:
            ended.forget()
        run = ActiveRun(self, experiment, recorder, uri_given)
        _open_runs[id(run)] = run
        sigterm.hold(run)
        _at_exit.ensure()
        for observer in _observers:
            observer(recorder)
        return run


def _close_quietly(run: ActiveRun, status: str, error: BaseException | None = None) -> None:
    """End a run where a failure to do so must not hide what is happening already."""
    try:
        run.close(status, error)
    except Exception:
        logger.exception("A run could not be ended: %r", run.recorder)


def end_all() -> None:
    """End what is open, because the process ends."""
    # It ends in any case: a signal that comes meanwhile, and is put off, has nothing left to do.
    with suppress(KeyboardInterrupt, Terminated), to_the_end("What was logged is being written"):
        for run in reversed(open_runs()):
            error = _uncaught(run)
            _close_quietly(run, status_of(error), error)


def _uncaught(run: ActiveRun) -> BaseException | None:
    """Find what is ending the interpreter, or the worker of multiprocessing."""
    error = what_ends_it()
    if error is not None:
        return error
    error = getattr(sys, "last_value", None)
    return None if error is run.error_before else error


_at_exit = AtExit(end_all, priority=0)
