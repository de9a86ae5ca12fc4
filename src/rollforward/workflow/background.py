"""The end of the process, and forks, for what works in the background.

What is left when the interpreter exits is done by the exiting thread itself. A forked process starts empty: what was
put before the fork is its parent's.
"""

from __future__ import annotations

import atexit
import os
import sys
import weakref
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

# Seconds that a fork waits for a write to end.
_PATIENCE = 2.0


class AtExit:
    """Something that the end of the process does; registered once per process, by the first who needs it.

    Parameters
    ----------
    do
        What is done.
    priority
        Of two in a worker of multiprocessing, the one with the greater number comes first. Elsewhere it is the one
        that was registered later.
    """

    def __init__(self, do: Callable[[], None], *, priority: int) -> None:
        self._do = do
        self._priority = priority
        self._pid: int | None = None

    def ensure(self) -> None:
        """Have it done at the end of this process."""
        if self._pid == os.getpid():
            return
        self._pid = os.getpid()
        atexit.register(self._do)
        multiprocessing = sys.modules.get("multiprocessing")
        if multiprocessing is not None and multiprocessing.parent_process() is not None:
            # A worker of multiprocessing leaves through os._exit: atexit is skipped, its own finalizers are not.
            from multiprocessing import util  # noqa: PLC0415  # loaded already, or not needed

            util.Finalize(None, self._do, exitpriority=self._priority)


class Pending(Protocol):
    """Something with work of its own in the background."""

    def hold(self, timeout: float) -> threading.Lock | None:
        """Stop at a point where a fork does no harm, until the lock is released; ``None`` if there is none in time."""

    def start_afresh(self) -> None:
        """Be empty, in a process that was just forked."""

    def farewell(self) -> None:
        """Do what is left, at the end of the process."""


_queues: weakref.WeakSet[Pending] = weakref.WeakSet()


def at_exit() -> None:
    """Have the exit of the process wait for what is left; earlier than for what was registered before."""
    _at_exit.ensure()


def take_part(pending: Pending) -> None:
    """Have something take part in forks and in the end of the process, for as long as it lives."""
    _queues.add(pending)
    _fork.ensure()


def drain_all() -> None:
    """Write what is left in every queue of this process."""
    for queue in list(_queues):
        queue.farewell()


# Earlier than the end of the open runs, which registers itself before anything is logged.
_at_exit = AtExit(drain_all, priority=1)


class _Fork:
    """Forks between two writes: a child would inherit, locked for ever, the locks of a library in the middle of one."""

    def __init__(self) -> None:
        self._held: list[threading.Lock] = []
        self._is_registered = False

    def ensure(self) -> None:
        """Take part in forks from now on; children inherit that."""
        if not self._is_registered and hasattr(os, "register_at_fork"):
            self._is_registered = True
            os.register_at_fork(
                before=self.before, after_in_parent=self.after_in_parent, after_in_child=self.after_in_child
            )

    def before(self) -> None:
        self._held = [lock for queue in list(_queues) if (lock := queue.hold(_PATIENCE)) is not None]

    def after_in_parent(self) -> None:
        held, self._held = self._held, []
        for lock in held:
            lock.release()

    def after_in_child(self) -> None:
        self._held = []
        for queue in list(_queues):
            queue.start_afresh()


_fork = _Fork()
