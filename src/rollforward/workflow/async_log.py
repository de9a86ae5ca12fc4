"""Work that is handed over and done in the background, in the order in which it was given.

`BatchQueue` collects what is put and hands it on in batches, from one daemon thread. `AsyncCaller` is the same for
functions. Nothing here knows what is written, or where.

A daemon thread does not keep the interpreter alive; what is left when it exits is written by the exiting thread itself.
A forked process starts empty and with a thread of its own: what was put before the fork is its parent's.
"""

from __future__ import annotations

import atexit
import functools
import logging
import os
import sys
import threading
import weakref
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from rollforward.errors import TrackingError

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

# A batch is full at BATCH; callers wait above LIMIT; what was put waits INTERVAL seconds for company.
BATCH, LIMIT, INTERVAL = 10_000, 100_000, 0.1
_FAREWELL = 5.0
# Seconds that a fork waits for a write to end.
_PATIENCE = 2.0
_SHOWN = 5

_Method = TypeVar("_Method", bound="Callable[..., Any]")


class BatchQueue:
    """Collects items and hands them on in batches.

    `put` costs about a microsecond. The thread is started by the first one.

    Parameters
    ----------
    write
        Takes a list of items, in the order of their `put`. It is never called twice at a time. If it is interrupted
        (Ctrl-C), it gets what is left of the same list again; an error that it raises is logged, and the list is
        given up.
    batch
        Weight of a full batch, which is not waited for.
    limit
        Weight above which `put` waits until there is room, which is warned of once.
    interval
        Seconds to wait for company after the first item.
    """

    def __init__(
        self,
        write: Callable[[list[Any]], None],
        *,
        batch: int = BATCH,
        limit: int = LIMIT,
        interval: float = INTERVAL,
    ) -> None:
        self._write = write
        self._batch, self._limit, self._interval = batch, limit, interval
        self._is_closed = False
        self._has_warned = False
        self.start_afresh()
        _queues.add(self)
        _fork.ensure()

    def start_afresh(self) -> None:
        """Be empty, with locks that nobody holds and no thread, as in a process that was just forked."""
        self._items: deque[tuple[Any, ...]] = deque()
        self._taken: list[tuple[Any, ...]] = []
        self._weight = 0  # of what is not written yet
        self._given = self._done = 0  # items
        self._alarm = 0  # the weight at which `put` does more than to append
        # Reentrant: a signal handler or a finalizer may log while this thread is inside.
        self._lock = threading.RLock()
        self._writing = threading.Lock()
        self._writer: int | None = None
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def put(self, item: tuple[Any, ...]) -> None:
        """Hand over one item.

        Parameters
        ----------
        item
            A tuple whose first element is its weight.
        """
        with self._lock:
            self._items.append(item)
            self._given += 1
            self._weight = weight = self._weight + item[0]
        if weight >= self._alarm:
            self._attend()

    def drain(self) -> None:
        """Return when all that was put before is written.

        What the thread has not begun is written by the caller, so that this works without the thread too.
        """
        goal = self._given
        while self._done < goal and self._write_batch():
            pass

    def close(self) -> None:
        """Write what is left and stop the thread; what is put later is written by its caller."""
        self._is_closed = True
        self._alarm = 0
        while self._write_batch():
            pass
        thread, self._thread = self._thread, None
        self._wake.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join(_FAREWELL)

    def hold(self, timeout: float) -> threading.Lock | None:
        """Keep everybody from writing until the lock is released; ``None`` if a write does not end in time."""
        if self._writer != threading.get_ident() and self._writing.acquire(timeout=timeout):
            return self._writing
        return None

    def _attend(self) -> None:
        """Do what `put` cannot do in a microsecond: start or wake the thread, make room."""
        if self._is_closed:
            self.drain()
            return
        if self._thread is None and not self._start():
            self.drain()
            return
        self._wake.set()
        if self._weight >= self._limit and self._writer != threading.get_ident():
            self._make_room()

    def _start(self) -> bool:
        with self._lock:
            if self._thread is not None:
                return True
            _at_exit.ensure()
            thread = threading.Thread(target=self._work, name="rollforward-log", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:
                # The interpreter is shutting down, or there are too many threads.
                logger.debug("No thread for the log: %s", error)
                return False
            self._thread = thread
            return True

    def _make_room(self) -> None:
        if not self._has_warned:
            self._has_warned = True
            logger.warning(
                "More is logged than can be written: %d values are waiting, and each call now waits for room.",
                self._weight,
            )
        while self._weight >= self._limit and self._write_batch():
            pass

    def _work(self) -> None:
        wake = self._wake
        while True:
            wake.wait()
            wake.clear()
            if self._is_closed:
                return
            self._alarm = self._batch
            if self._weight < self._batch:
                wake.wait(self._interval)
                wake.clear()
            self._alarm = self._limit
            self.drain()
            self._alarm = 0
            if self._items or self._is_closed:
                wake.set()

    def _write_batch(self) -> bool:
        """Write the next batch; ``False`` if there is none, or if this thread is in the middle of one."""
        me = threading.get_ident()
        if self._writer == me:
            return False
        with self._writing:
            self._writer = me
            try:
                taken = self._take()
                if not taken:
                    return False
                count, weight = len(taken), sum(item[0] for item in taken)
                try:
                    self._write(taken)
                except Exception:
                    logger.exception("%d items could not be written", count)
                self._taken = []
                with self._lock:
                    self._done += count
                    self._weight -= weight
            finally:
                self._writer = None
        return True

    def _take(self) -> list[tuple[Any, ...]]:
        """Take one batch off the queue; what an interrupted writer left comes first."""
        if self._taken:
            return self._taken
        with self._lock:
            count = weight = 0
            for item in self._items:
                weight += item[0]
                if count and weight > self._batch:
                    break
                count += 1
            # In one step of the interpreter, so that an interrupt finds each item in one place or the other.
            self._taken.extend(islice(iter(self._items.popleft, None), count))
        return self._taken


class AsyncCaller:
    """Calls functions one after the other, in a thread of its own.

    A function that fails stops neither the thread nor the functions after it: its error is logged, kept, and raised by
    `wait`.

    Examples
    --------
    >>> seen = []
    >>> caller = AsyncCaller()
    >>> caller(seen.append, 1)
    >>> caller(seen.append, 2)
    >>> caller.wait()
    >>> seen
    [1, 2]
    """

    def __init__(self) -> None:
        self._queue = BatchQueue(self._call, batch=1, interval=0)
        self._errors: list[BaseException] = []

    def __call__(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Have a function called with these arguments, after all that were given before."""
        self._queue.put((1, func, args, kwargs))

    def wait(self, close: bool = True) -> None:
        """Return when all functions were called.

        Parameters
        ----------
        close
            Whether the thread ends; a function that is given later is called by its caller then.

        Raises
        ------
        TrackingError
            If functions failed since the last `wait`; its cause is the error of the first.
        """
        if close:
            self._queue.close()
        else:
            self._queue.drain()
        errors, self._errors = self._errors, []
        if errors:
            shown = "; ".join(f"{type(error).__name__}: {error}" for error in errors[:_SHOWN])
            more = f"; and {len(errors) - _SHOWN} more" if len(errors) > _SHOWN else ""
            raise TrackingError(
                f"{len(errors)} of the calls in the background failed: {shown}{more}.",
                "none to fail. All other calls were made.",
            ) from errors[0]

    @staticmethod
    def async_dec(ac_attr: str) -> Callable[[_Method], _Method]:
        """Make a method go through an `AsyncCaller`.

        Parameters
        ----------
        ac_attr
            Attribute of the object that holds the caller. While it is missing or ``None``, the method is called
            directly.
        """

        def decorate(method: _Method) -> _Method:
            @functools.wraps(method)
            def call(self: Any, *args: Any, **kwargs: Any) -> Any:
                caller = getattr(self, ac_attr, None)
                if callable(caller):
                    return caller(method, self, *args, **kwargs)
                return method(self, *args, **kwargs)

            return call  # type: ignore[return-value]  # the same signature

        return decorate

    def _call(self, calls: list[tuple[Any, ...]]) -> None:
        # Taken off first: a call that is interrupted is not made again.
        _, func, args, kwargs = calls.pop()
        try:
            func(*args, **kwargs)
        except Exception as error:
            logger.exception("A call in the background failed: %r", func)
            self._errors.append(error)


class _AtExit:
    """Writes what is left when the process ends; registers itself once per process."""

    def __init__(self) -> None:
        self._pid: int | None = None

    def ensure(self) -> None:
        if self._pid == os.getpid():
            return
        self._pid = os.getpid()
        # Earlier than the end of the open runs, which registered themselves before anything was logged.
        atexit.register(drain_all)
        multiprocessing = sys.modules.get("multiprocessing")
        if multiprocessing is not None and multiprocessing.parent_process() is not None:
            # A worker of multiprocessing leaves through os._exit: atexit is skipped, its own finalizers are not.
            from multiprocessing import util  # noqa: PLC0415  # loaded already, or not needed

            util.Finalize(None, drain_all, exitpriority=1)


_queues: weakref.WeakSet[BatchQueue] = weakref.WeakSet()
_at_exit = _AtExit()


def drain_all() -> None:
    """Write what is left in every queue of this process."""
    for queue in list(_queues):
        queue.drain()


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
