"""How a process is left while runs are open: SIGTERM, Ctrl-C while a run is being ended, ``sys.exit``.

What is changed for that (the handler of SIGTERM, ``sys.exit``) is changed while a run is open, and is as before
afterwards. A program that handles a signal itself is left alone.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

logger = logging.getLogger(__name__)


class Terminated(SystemExit):  # a way to leave the process, not an error
    """SIGTERM arrived while a run was active; the exit code is the shell's, 128 + 15."""

    def __init__(self) -> None:
        super().__init__(128 + signal.SIGTERM)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


class _Sigterm:
    """SIGTERM as an exception while somebody holds it, so that runs can be ended; the default again afterwards.

    A forked process starts with the default: it would otherwise not die of a SIGTERM that comes while it is being
    forked, because Python drops what is pending for its own handlers then.
    """

    def __init__(self) -> None:
        self.is_received = False
        self._holders: set[int] = set()
        self._pid = 0
        self._is_paused = False
        self._is_registered = False

    def hold(self, holder: object) -> None:
        """Raise from now on, if this is the main thread and the program has no handler of its own."""
        if not _in_main_thread():
            return
        if self._pid != os.getpid():
            self._pid, self._holders = os.getpid(), set()
        if not self.is_ours():
            if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
                return
            signal.signal(signal.SIGTERM, self._raise)
            self._register()
        self.is_received = False
        self._holders.add(id(holder))

    def release(self, holder: object) -> None:
        """Restore the default when nobody else holds it."""
        self._holders.discard(id(holder))
        self._settle()

    def take_back(self) -> None:
        """Raise again after somebody else handled it for a while; the default if nobody holds it any more."""
        signal.signal(signal.SIGTERM, self._raise)
        self._settle()

    def _settle(self) -> None:
        if not self._holders and _in_main_thread() and self.is_ours():
            signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def is_ours(self) -> bool:
        """Whether SIGTERM is an exception now."""
        return signal.getsignal(signal.SIGTERM) == self._raise

    def raise_it(self) -> NoReturn:
        """Leave as SIGTERM does."""
        self.is_received = True
        raise Terminated

    def _register(self) -> None:
        if not self._is_registered and hasattr(os, "register_at_fork"):
            os.register_at_fork(before=self._pause, after_in_parent=self._go_on)
            self._is_registered = True

    def _pause(self) -> None:
        self._is_paused = _in_main_thread() and self.is_ours()
        if self._is_paused:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def _go_on(self) -> None:
        if self._is_paused:
            signal.signal(signal.SIGTERM, self._raise)

    def _raise(self, signum: int, _frame: FrameType | None) -> None:
        if os.getpid() != self._pid or not self._holders:
            # Forked, or given back, by another thread, which cannot set handlers.
            signal.signal(signum, signal.SIG_DFL)
            os.kill(os.getpid(), signum)
            return
        self.raise_it()


sigterm = _Sigterm()


@contextmanager
def sigterm_as_exception() -> Iterator[None]:
    """Raise `Terminated` in the main thread if SIGTERM arrives, unless the program handles SIGTERM itself."""
    holder = object()
    sigterm.hold(holder)
    try:
        yield
    finally:
        sigterm.release(holder)


@contextmanager
def to_the_end(what: str) -> Iterator[None]:
    """Put off the first Ctrl-C or SIGTERM of a block until the block is done; the second one interrupts it.

    Only in the main thread, where signals arrive, and only where the program has no handlers of its own.

    Parameters
    ----------
    what
        What is being done, for the message.
    """
    came: list[int] = []

    def put_off(signum: int, _frame: FrameType | None) -> None:
        came.append(signum)
        if len(came) > 1:
            _raise_for(signum)
        logger.warning("%s; then the program is left. Once more gives up.", what)

    is_main = _in_main_thread()
    has_sigint = is_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    has_sigterm = is_main and sigterm.is_ours()
    if has_sigint:
        signal.signal(signal.SIGINT, put_off)
    if has_sigterm:
        signal.signal(signal.SIGTERM, put_off)
    try:
        yield
    finally:
        if has_sigint and signal.getsignal(signal.SIGINT) is put_off:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if has_sigterm and signal.getsignal(signal.SIGTERM) is put_off:
            sigterm.take_back()
        if len(came) == 1:
            _raise_for(came[0])


def _raise_for(signum: int) -> NoReturn:
    if signum == signal.SIGINT:
        raise KeyboardInterrupt
    sigterm.raise_it()


def what_ends_it() -> BaseException | None:
    """Find what is ending the interpreter, or the worker of multiprocessing, beside an uncaught error."""
    if sigterm.is_received:
        return Terminated()
    # A worker of Python before 3.13 calls its finalizers while the error is on its way.
    return sys.exc_info()[1] or sys_exit.error or _exit_of_worker()


def _exit_of_worker() -> SystemExit | None:
    """Read the exit code of a worker of Python 3.13 and later, which has dealt with the error before it finalizes."""
    frame = sys._getframe()  # noqa: SLF001  # nothing else knows the code
    while frame is not None:
        if str(frame.f_globals.get("__name__")).startswith("multiprocessing."):
            if frame.f_code.co_name == "_bootstrap":
                return None
            code = frame.f_locals.get("code")
            if isinstance(code, int):
                return SystemExit(code)
        frame = frame.f_back  # type: ignore[assignment]  # `None` ends the loop
    return None


class _SysExit:
    """Takes note of ``sys.exit`` while somebody holds it: the interpreter forgets the code before it ends.

    ``raise SystemExit(...)`` cannot be seen.
    """

    def __init__(self) -> None:
        self._holders: set[int] = set()
        self._original: Callable[[Any], NoReturn] = sys.exit
        self._noted: tuple[int, Any] | None = None

    @property
    def error(self) -> SystemExit | None:
        """The ``sys.exit`` that is ending the interpreter."""
        return None if self._noted is None else SystemExit(self._noted[1])

    def hold(self, holder: object) -> None:
        """Take note from now on."""
        if not self._holders:
            self._noted = None
            if sys.exit != self._exit:
                self._original = sys.exit
                sys.exit = self._exit
        self._holders.add(id(holder))

    def release(self, holder: object) -> None:
        """Restore ``sys.exit`` when nobody else holds it."""
        self._holders.discard(id(holder))
        if not self._holders and sys.exit == self._exit:
            sys.exit = self._original  # type: ignore[assignment]  # it was there before

    def note(self, error: SystemExit) -> None:
        """Take note of an exit, but do not keep it alive."""
        self._noted = id(error), error.code

    def forget(self, error: SystemExit) -> None:
        """Take back a note: that exit was caught, and the program went on."""
        if self._noted is not None and self._noted[0] == id(error):
            self._noted = None

    def _exit(self, status: Any = None, /) -> NoReturn:
        if not _in_main_thread():
            self._original(status)
        # In no variable: the exception would keep this frame, and this frame the exception.
        raise _Exit(status)


class _Exit(SystemExit):
    """What ``sys.exit`` raises while it is watched; it notices when it was caught."""

    def __init__(self, status: Any) -> None:
        super().__init__(status)
        sys_exit.note(self)

    def __del__(self) -> None:
        try:
            sys._getframe(1)  # noqa: SLF001  # CPython's name for "who is running"
        except ValueError:
            return  # Nobody is: the interpreter is ending because of it.
        sys_exit.forget(self)


_Exit.__name__ = _Exit.__qualname__ = "SystemExit"
sys_exit = _SysExit()
