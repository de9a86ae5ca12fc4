"""Which runs are active, and how each of them ends.

A manager owns one `Scope`. Inside a scope the active runs form a stack that lives in a context variable: threads and
asyncio tasks see their own, a task started inside a run inherits it, and a forked process starts with none. Beside
the stack a scope has at most one *default run* for the whole process: the one that logging outside any run opens.

Whatever is still open when the interpreter exits is ended here; the handler is registered with the first run, not at
import.
"""

from __future__ import annotations

import atexit
import logging
import os
import signal
import sys
import threading
import traceback
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

logger = logging.getLogger(__name__)

SCHEDULED, RUNNING, FINISHED, FAILED = "SCHEDULED", "RUNNING", "FINISHED", "FAILED"
STATUSES = (SCHEDULED, RUNNING, FINISHED, FAILED)

_PACKAGE = str(Path(__file__).resolve().parents[1]) + os.sep


class Terminated(SystemExit):  # a way to leave the process, not an error
    """SIGTERM arrived while a run was active; the exit code is the shell's, 128 + 15."""

    def __init__(self) -> None:
        super().__init__(128 + signal.SIGTERM)


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


@dataclass(eq=False)
class ActiveRun:
    """One started recorder and its experiment, as the stack holds them.

    Their classes live in the rooms above; what counts here is ``recorder.is_open`` and ``recorder.end_run``.
    """

    scope: Scope
    experiment: Any
    recorder: Any
    uri_given: bool = False
    pid: int = field(default_factory=os.getpid)
    error_before: BaseException | None = field(default_factory=lambda: getattr(sys, "last_value", None), repr=False)

    @property
    def is_live(self) -> bool:
        """Whether the run is open and belongs to this process."""
        return self.pid == os.getpid() and bool(self.recorder.is_open)

    def close(self, status: str, error: BaseException | None = None) -> None:
        """End the recorder, once."""
        try:
            if self.is_live:
                self.recorder.end_run(status, error=error)
        finally:
            _open_runs.pop(id(self), None)


_stack: ContextVar[tuple[ActiveRun, ...]] = ContextVar("rollforward_active_runs", default=())
_open_runs: dict[int, ActiveRun] = {}


def open_runs() -> list[ActiveRun]:
    """Return the open runs of this process, of all managers and threads, the oldest first."""
    return [run for run in list(_open_runs.values()) if run.is_live]


class Scope:
    """The active runs of one manager."""

    def __init__(self) -> None:
        self._default: ActiveRun | None = None
        self._lock = threading.RLock()

    def runs(self) -> tuple[ActiveRun, ...]:
        """Return the live runs of this context, the innermost last."""
        return tuple(run for run in _stack.get() if run.scope is self and run.is_live)

    def current(self) -> ActiveRun | None:
        """Return the innermost run of this context, else the open default run, else nothing."""
        stack = self.runs()
        if stack:
            return stack[-1]
        default = self._default
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
            return run
        with self._lock:
            if self._default is None or not self._default.is_live:
                if self.is_busy():
                    logger.warning(
                        "Logging in a thread or task that has no run of its own, while another one has: this goes to "
                        "the default run. Hand the recorder over, or run the function in contextvars.copy_context()."
                    )
                self._default = self._register(*open_run())
            return self._default

    def end(self, run: ActiveRun | None, status: str, error: BaseException | None = None) -> None:
        """End a run and, before it, what was started inside it in this context and never ended."""
        if run is None:
            return
        stack = self.runs()
        ending = stack[stack.index(run) :] if run in stack else (run,)
        try:
            for item in reversed(ending[1:]):
                _close_quietly(item, status, error)
            run.close(status, error)
        finally:
            _stack.set(tuple(item for item in _stack.get() if item not in ending and item.is_live))

    def _register(self, experiment: Any, recorder: Any, *, uri_given: bool = False) -> ActiveRun:
        run = ActiveRun(self, experiment, recorder, uri_given)
        _open_runs[id(run)] = run
        _at_exit.ensure()
        return run


def _close_quietly(run: ActiveRun, status: str, error: BaseException | None = None) -> None:
    """End a run where a failure to do so must not hide what is happening already."""
    try:
        run.close(status, error)
    except Exception:
        logger.exception("A run could not be ended: %r", run.recorder)


class _AtExit:
    """Ends what is open when the process ends; registers itself once per process."""

    def __init__(self) -> None:
        self._pid: int | None = None

    def ensure(self) -> None:
        if self._pid == os.getpid():
            return
        self._pid = os.getpid()
        atexit.register(self.end_all)
        multiprocessing = sys.modules.get("multiprocessing")
        if multiprocessing is not None and multiprocessing.parent_process() is not None:
            # A worker of multiprocessing leaves through os._exit: atexit is skipped, its own finalizers are not.
            from multiprocessing import util  # noqa: PLC0415  # loaded already, or not needed

            util.Finalize(None, self.end_all, exitpriority=0)

    def end_all(self) -> None:
        for run in reversed(open_runs()):
            error = _uncaught(run)
            _close_quietly(run, status_of(error), error)


def _uncaught(run: ActiveRun) -> BaseException | None:
    """Find the exception that is ending the interpreter; ``sys.exit`` outside a ``with`` block leaves no trace."""
    if _Sigterm.received:
        return Terminated()
    error = getattr(sys, "last_value", None)
    return None if error is run.error_before else error


_at_exit = _AtExit()


class _Sigterm:
    """SIGTERM as an exception while a run is active, so that the run can be ended; the default again afterwards.

    A forked process starts with the default: it would otherwise not die of a SIGTERM that comes while it is being
    forked, because Python drops what is pending for its own handlers then.
    """

    received = False

    def __init__(self) -> None:
        self._depth = 0
        self._pid = 0
        self._is_paused = False
        self._is_registered = False

    def enter(self) -> bool:
        if not _in_main_thread():
            return False
        if self._depth == 0 or self._pid != os.getpid():
            if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
                return False
            signal.signal(signal.SIGTERM, self._raise)
            self._depth, self._pid, _Sigterm.received = 0, os.getpid(), False
            self._register()
        self._depth += 1
        return True

    def leave(self) -> None:
        self._depth -= 1
        if self._depth == 0 and self._is_ours():
            signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def _is_ours(self) -> bool:
        return signal.getsignal(signal.SIGTERM) == self._raise

    def _register(self) -> None:
        if not self._is_registered and hasattr(os, "register_at_fork"):
            os.register_at_fork(before=self._pause, after_in_parent=self._go_on)
            self._is_registered = True

    def _pause(self) -> None:
        self._is_paused = _in_main_thread() and self._is_ours()
        if self._is_paused:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def _go_on(self) -> None:
        if self._is_paused:
            signal.signal(signal.SIGTERM, self._raise)

    def _raise(self, signum: int, _frame: FrameType | None) -> None:
        if os.getpid() != self._pid:
            # Forked by another thread, which cannot set handlers.
            signal.signal(signum, signal.SIG_DFL)
            os.kill(os.getpid(), signum)
            return
        _Sigterm.received = True
        raise Terminated


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


_sigterm = _Sigterm()


@contextmanager
def sigterm_as_exception() -> Iterator[None]:
    """Raise `Terminated` in the main thread if SIGTERM arrives, unless the program handles SIGTERM itself."""
    entered = _sigterm.enter()
    try:
        yield
    finally:
        if entered:
            _sigterm.leave()
