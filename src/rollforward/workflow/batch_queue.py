"""Items that are handed over, and on in batches, in the order in which they came. Nothing here knows what they are.

A daemon thread does not keep the interpreter alive; what is left when it exits is written by the exiting thread itself.
A forked process starts empty and with a thread of its own: what was put before the fork is its parent's.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Any

from rollforward.workflow.background import at_exit, take_part

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

# A batch is full at BATCH; callers wait above LIMIT; what was put waits INTERVAL seconds for company.
BATCH, LIMIT, INTERVAL = 10_000, 100_000, 0.1
_FAREWELL = 5.0


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
        take_part(self)

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

    def farewell(self) -> None:
        """At the end of the process: write what is left."""
        self.drain()

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
            at_exit()
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
