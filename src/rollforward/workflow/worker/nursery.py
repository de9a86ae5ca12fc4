"""The worker's side of its keeper: children on demand."""

from __future__ import annotations

import itertools
import logging
import multiprocessing
import os
import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from rollforward.errors import PoolError
from rollforward.workflow.worker.keeper import keep
from rollforward.workflow.worker.messages import Broken, Ended, Finished, Idle, Limit, Plan

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess

logger = logging.getLogger(__name__)

_TO_END = 5.0
_MAX_STARTS = 3
_KEEPER_DIED = "the process that starts the processes of tasks died"


# Read by numerical libraries when they are imported.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_environment = threading.Lock()


@contextmanager
def _few_threads(n: int) -> Iterator[None]:
    """Let processes that are started in the block, `n` of which work at a time, not take all processors each."""
    with _environment:
        is_asked = n > 1 and "OMP_NUM_THREADS" not in os.environ
        added = {name for name in _THREADS if is_asked and name not in os.environ}
        os.environ.update(dict.fromkeys(added, str(max(1, _n_processors() // n))))
        try:
            yield
        finally:
            for name in added:
                os.environ.pop(name, None)


def _n_processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Child:
    """A process that waits for a job, or does it.

    Attributes
    ----------
    connection
        To it.
    ended
        Set when it is gone; `end` tells how.
    n_answers
        Jobs that it has done.
    """

    def __init__(self, nursery: Nursery, number: int, connection: Connection[Any, Any]) -> None:
        self.number = number
        self.connection = connection
        self.ended = threading.Event()
        self.end = Ended(number, None, _KEEPER_DIED)
        self.n_answers = 0
        self._nursery = nursery

    def limit(self, reason: str, soft: float, hard: float) -> None:
        """Let it be ended at a moment; see `Limit`."""
        self._nursery.tell(Limit(self.number, reason, soft, hard))

    def rest(self) -> None:
        """Let it wait for another job."""
        self._nursery.tell(Idle(self.number))

    def finish(self) -> None:
        """Let it leave; it has said all it had to say."""
        self._nursery.tell(Finished(self.number))
        self.connection.close()


class Nursery:
    """Children of one plan, started by a keeper.

    Parameters
    ----------
    plan
        What the children are for.
    n
        How many of them work at a time: they share the processors.
    """

    def __init__(self, plan: Plan, n: int = 1) -> None:
        self._plan = plan
        self._n = n
        self._numbers = itertools.count(1)
        self._lock = threading.RLock()
        self._children: dict[int, Child] = {}
        self._control: Connection[Any, Any] | None = None
        self._process: Any = None
        self._is_closed = False

    def start(self) -> None:
        """Start the keeper, unless it runs; returns when it can start children.

        Raises
        ------
        PoolError
            If it cannot, for instance because the task function is not there.
        """
        with self._lock:
            if self._control is not None or self._is_closed:
                return
            for i in range(1, _MAX_STARTS + 1):
                here, process, answer = self._start_keeper()
                if not isinstance(answer, Broken):
                    break
                here.close()
                process.join(_TO_END)
                # Whoever kills processes, such as a kernel without memory, may do so at any moment of theirs.
                if i < _MAX_STARTS and (process.exitcode or 0) < 0:
                    logger.warning("The process that starts tasks was killed while it started; another is started.")
                    continue
                logger.debug("The keeper said: %s", answer.traceback)
                raise PoolError(
                    f"The worker cannot run tasks: {answer.error}",
                    answer.expected or "a task function that can be imported in a fresh process.",
                    answer.remedy
                    or 'Look at the message; a script that starts workers needs `if __name__ == "__main__":`.',
                )
            self._control, self._process = here, process
            threading.Thread(target=self._listen, args=(here,), name="rollforward-keeper", daemon=True).start()

    def _start_keeper(self) -> tuple[Connection[Any, Any], SpawnProcess, Any]:
        """Start a keeper; give the connection to it, its process, and the first that it says."""
        # Spawned: it shares no locks, no threads and no connection with this process.
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe()
        process = context.Process(target=keep, args=(there, self._plan), name="rollforward-keeper")
        with _few_threads(self._n):
            process.start()
        there.close()
        try:
            return here, process, here.recv()
        except (EOFError, OSError):
            return here, process, Broken("its process died while it started", "")

    def child(self) -> Child:
        """Start a child.

        Raises
        ------
        PoolError
            If no keeper can be started.
        """
        with self._lock:
            self.start()
            if self._control is None:
                raise PoolError("The worker is closed.")
            here, there = multiprocessing.Pipe()
            child = Child(self, next(self._numbers), here)
            self._children[child.number] = child
            try:
                self._control.send(child.number)
                with socket.fromfd(self._control.fileno(), socket.AF_UNIX, socket.SOCK_STREAM) as channel:
                    socket.send_fds(channel, [b"."], [there.fileno()])
            except OSError:
                child.ended.set()
            finally:
                there.close()
            return child

    def tell(self, message: Any) -> None:
        """Tell the keeper something; if it is gone, so are its children."""
        with self._lock, suppress(OSError):
            if self._control is not None:
                self._control.send(message)

    def close(self) -> None:
        """End all children and the keeper."""
        with self._lock:
            self._is_closed = True
            control, process = self._control, self._process
            if control is not None:
                # Closing would not wake the thread that reads.
                with suppress(OSError), socket.fromfd(control.fileno(), socket.AF_UNIX, socket.SOCK_STREAM) as channel:
                    channel.shutdown(socket.SHUT_RDWR)
        if process is not None:
            process.join(_TO_END)
            if process.exitcode is None:
                process.kill()
                process.join()

    def _listen(self, control: Connection[Any, Any]) -> None:
        while True:
            try:
                end = control.recv()
            except (EOFError, OSError):
                break
            with self._lock:
                child = self._children.pop(end.number, None)
            if child is not None:
                child.end = end
                child.ended.set()
        with self._lock:
            if self._control is control:
                self._control = None
                control.close()
            left, self._children = self._children, {}
            if left and not self._is_closed:
                logger.error("The process that starts tasks died, and %d tasks with it.", len(left))
        for child in left.values():
            child.ended.set()
