"""`Worker`: takes tasks from a pool until it is told to stop."""

from __future__ import annotations

import logging
import queue
import signal
import socket
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rollforward import settings
from rollforward.errors import PoolError, StoreUnreachableError
from rollforward.settings.masking import mask_credentials
from rollforward.settings.nearest import did_you_mean
from rollforward.workflow.task.claim import BACKOFF
from rollforward.workflow.task.store.base import DEFAULT_LEASE, DEFAULT_MAX_ATTEMPTS, PART_DONE, RUNNING, WAITING, Owner
from rollforward.workflow.task.store.opening import as_store
from rollforward.workflow.task.store.query import EVERYTHING, join, parse
from rollforward.workflow.task.waiting import spelled
from rollforward.workflow.worker.crew import Crew
from rollforward.workflow.worker.finding import checked_function, name_of
from rollforward.workflow.worker.memory import can_be_measured
from rollforward.workflow.worker.messages import Plan
from rollforward.workflow.worker.nursery import Nursery
from rollforward.workflow.worker.slot import Slot

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Mapping
    from types import FrameType

    from rollforward.workflow.task.store.base import TaskStore

logger = logging.getLogger(__name__)

GRACE, POLL = 8.0, 1.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_PAUSE, _TO_GIVE_BACK = 1.0, 6.0
# The part of the grace, and the most seconds of it, that are for the way out: half for the tasks to leave, half for the
# worker to give them back and to end its own processes.
_WAY_OUT, _LONGEST_WAY_OUT = 1 / 3, 2.0


@dataclass(frozen=True)
class WorkerReport:
    """What a worker did.

    Parameters
    ----------
    n_done
        Attempts whose result was committed.
    n_failed
        Attempts that failed.
    n_given_back
        Attempts that were given back when the worker stopped, or when the store did not answer.
    n_lost
        Attempts that no longer counted when they ended.
    stopped_by
        Name of the signal that stopped it; ``""`` for none.
    """

    n_done: int
    n_failed: int
    n_given_back: int
    n_lost: int
    stopped_by: str = ""

    def __str__(self) -> str:
        return (
            f"{self.n_done} done, {self.n_failed} failed attempts, {self.n_given_back} given back, {self.n_lost} lost"
        )


class Worker:
    """Takes tasks from a pool and runs each in a process of its own, whose memory is given back.

    The lease of a task is renewed by this process, whatever the task does; the process of a task whose lease cannot be
    renewed is ended before somebody else may claim it. A task that raises, ends its own process, takes too long or too
    much memory has used up an attempt, and is tried again, up to `max_attempts` times; the worker goes on. While the
    store does not answer, from the start on or later, it waits. When a task is tried again, the runs of the attempts
    before are ended as KILLED and tagged with their ``successor``.

    Parameters
    ----------
    task_pool
        Name of the pool.
    func
        Called with the definition (of a ``waiting`` task) or the result of the first step (of a ``part_done`` one) and
        `kwargs`, or its place, ``module:name``. What it returns is the result: a recorder, or data.
    n
        Tasks at a time.
    store
        As in `TaskManager`.
    kwargs
        For `func`; they can be pickled.
    query
        Which tasks.
    priority_min
        Only tasks of at least this priority.
    before_status, after_status
        Status of the tasks to claim, ``waiting`` or ``part_done``, and of those that succeeded.
    burst
        Stop when nothing is left to claim, instead of waiting for more.
    max_tasks
        Stop after that many claims; ``None``: never.
    timeout
        Seconds that an attempt may take.
    memory_limit
        Bytes that the process of a task, with its own children, may have in memory (Linux).
    lease, max_attempts, backoff
        As in `TaskManager.claim`.
    grace
        Seconds until the worker is gone when it is told to stop, on a machine that is not overloaded and with a store
        that answers. Its last third, 2 s at most, is for the way out: what is not done by then is ended and given
        back, and the attempt does not count.
    poll
        Seconds between two looks into an empty pool.
    name
        On the register of workers; default: host and process id.
    tasks_per_process
        Tasks that a process runs before it gives its memory back; one that fails, or is stopped, leaves at once. More
        than one is for tasks that take less than about 50 ms.
    method
        ``fork`` (default on Linux): a process per task is forked from one that has imported `preload`, within
        milliseconds. ``spawn``: a fresh interpreter per task, within seconds; for libraries that do not survive a fork.
    preload
        Modules to import once for all tasks, beside that of `func`; such that start no threads when imported. ``None``:
        what training and tracking need, if the module of `func` uses them.
    log_level
        Of what tasks log, to standard error; ``None``: warnings only.

    Raises
    ------
    PoolError
        For a function that another process cannot find, or options that cannot be.
    """

    def __init__(
        self,
        task_pool: str,
        func: Callable[..., Any] | str = "rollforward.workflow.trainer.train:task_train",
        *,
        n: int = 1,
        store: TaskStore | str | os.PathLike[str] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
        priority_min: int | None = None,
        before_status: str = WAITING,
        after_status: str = "done",
        burst: bool = False,
        max_tasks: int | None = None,
        timeout: float | None = None,
        memory_limit: int | None = None,
        lease: float = DEFAULT_LEASE,
        max_attempts: int = DEFAULT_MAX_ATTEMPTS,
        backoff: float = BACKOFF,
        grace: float = GRACE,
        poll: float = POLL,
        name: str | None = None,
        tasks_per_process: int = 1,
        method: str | None = None,
        preload: tuple[str, ...] | None = None,
        log_level: int | None = None,
    ) -> None:
        if before_status not in (WAITING, PART_DONE):
            raise PoolError(f"Tasks that are {before_status!r} cannot be run.", "waiting or part_done.")
        if n < 1 or min(lease, poll) <= 0 or min(max_attempts, tasks_per_process) < 1 or min(grace, backoff) < 0:
            raise PoolError(
                f"n={n}, lease={lease}, poll={poll}, max_attempts={max_attempts}, grace={grace}, backoff={backoff}.",
                "a number of tasks, a lease, a pause and attempts above zero; no negative time.",
            )
        if memory_limit is not None and not can_be_measured():
            raise PoolError("The memory of processes cannot be read on this system.", "Linux.", "Leave it out.")
        if not hasattr(socket, "send_fds"):
            raise PoolError(f"Workers do not run on {sys.platform}.", "Linux or macOS.", "run_task works everywhere.")
        self.task_pool = task_pool
        self.func = checked_function(func)
        self.store = as_store(task_pool, store)
        self.n = n if max_tasks is None else min(n, max_tasks)
        self.grace = grace
        self.name = name or Owner.here().worker
        conditions = [dict(query or {})] + ([{"priority": {"$gte": priority_min}}] if priority_min is not None else [])
        self._signals: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._crew = Crew(
            self.store,
            parse({"$and": conditions} if any(conditions) else None),
            name_of(func),
            before_status,
            after_status,
            lease,
            max_attempts,
            backoff,
            poll,
            timeout,
            memory_limit,
            burst,
            max_tasks,
            tasks_per_process,
            changed=lambda: self._signals.put(None),
        )
        self._plan = Plan(
            self.func,
            dict(kwargs or {}),
            settings.current(),
            method or ("fork" if sys.platform == "linux" else "spawn"),
            preload,
            memory_limit,
            log_level,
        )

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.task_pool!r}, {self._crew.function!r}, n={self.n}, store={self.store.url!r})"
        )

    def stop(self) -> None:
        """Stop as SIGTERM does: claim nothing more, finish within the grace, else give back. From any thread."""
        self._signals.put(signal.SIGTERM)

    def run(self) -> WorkerReport:
        """Work until the pool is empty (`burst`), enough tasks are done, or a signal or `stop` says so.

        In the main thread SIGTERM and Ctrl-C stop it; a second one ends the tasks at once. The handlers of before are
        back afterwards.

        Raises
        ------
        PoolError
            If the processes of tasks cannot be started, or the store refuses this worker.
        """
        with self._handling():
            stopped_by = self._wait_for_store()
            nursery = Nursery(self._plan, self.n)
            try:
                if not stopped_by:
                    stopped_by = self._work(nursery)
            finally:
                self._crew.over.set()
                nursery.close()
        if self._crew.error is not None:
            raise self._crew.error
        counts = self._crew.counts
        return WorkerReport(
            counts["done"], counts["failed_attempts"], counts["given_back"], counts["lost"], stopped_by=stopped_by
        )

    def _work(self, nursery: Nursery) -> str:
        nursery.start()
        names = [self.name if self.n == 1 else f"{self.name}/{i}" for i in range(1, self.n + 1)]
        slots = [Slot(self._crew, nursery, Owner.here(name)) for name in names]
        at_work = set(slots)
        threads = [threading.Thread(target=self._run_slot, args=(slot, at_work), daemon=True) for slot in slots]
        logger.info(
            "The worker %s is ready: pool %s in %s, runs in the experiment %s of %s.",
            self.name,
            self.task_pool,
            self.store.url,
            self._plan.kwargs.get("experiment_name") or self._plan.settings.experiment,
            mask_credentials(self._plan.settings.uri),
        )
        for thread in threads:
            thread.start()
        stopped_by = self._watch(slots, at_work)
        for thread in threads:
            # One may wait for a store that does not answer; its lease will pass.
            thread.join(_TO_GIVE_BACK if self._crew.is_stopping else None)
        if self._crew.burst and not self._crew.is_stopping:
            self._say_left()
        return stopped_by

    def _say_left(self) -> None:
        """Say that there was nothing to do, or that the pool is not done although nothing is left to claim."""
        try:
            if not self._crew.counts:
                self._say_nothing(self.store.count(EVERYTHING))
            running = join(parse({"status": RUNNING}), self._crew.query)
            ends = [task.available_at for task in self.store.find(running)]
            if ends:
                logger.info(
                    "%d tasks are still held by other workers; they are taken when their lease ends (up to %.0f s).",
                    len(ends),
                    max(0.0, (max(ends) - self.store.now()).total_seconds()),
                )
        except (PoolError, StoreUnreachableError) as error:
            logger.debug("What others hold is not known: %s", error)

    def _say_nothing(self, counts: Mapping[str, int]) -> None:
        if counts:
            logger.info("Nothing to claim in the pool %r: %s.", self.task_pool, spelled(dict(counts)))
            return
        known = self.store.pools()
        hint = did_you_mean(self.task_pool, known, otherwise=f"There are {', '.join(known)}." if known else "")
        logger.warning("There is no pool %r in %s, so nothing was done. %s", self.task_pool, self.store.url, hint)

    def _run_slot(self, slot: Slot, at_work: set[Slot]) -> None:
        try:
            slot.run()
        finally:
            # Not whether the thread lives: it does for a moment more, for which `_watch` would wait a second.
            at_work.discard(slot)
            self._signals.put(None)

    def _watch(self, slots: list[Slot], at_work: set[Slot]) -> str:
        """Wait for the slots to end; give the name of the signal that told them to."""
        stopped_by, n_signals, deadline, gives_up = "", 0, float("inf"), float("inf")
        way_out = min(_WAY_OUT * self.grace, _LONGEST_WAY_OUT)
        while at_work and time.monotonic() < gives_up:
            number = self._next_signal(min(_PAUSE, max(0.0, deadline - time.monotonic())))
            if number is not None:
                n_signals += 1
                stopped_by = stopped_by or signal.Signals(number).name
                if not self._crew.is_stopping:
                    logger.info("%s: nothing more is claimed; tasks get %g s.", stopped_by, self.grace - way_out)
                    self._crew.stopping.set()
            if self._crew.is_stopping and deadline == float("inf"):
                deadline = time.monotonic() + self.grace - way_out
            if n_signals > 1 or time.monotonic() >= deadline:
                for slot in slots:
                    slot.interrupt(0.0 if n_signals > 1 else way_out / 2)
                if gives_up == float("inf"):
                    gives_up = time.monotonic() + _TO_GIVE_BACK
                deadline = time.monotonic() + _PAUSE
        self._crew.over.set()
        return stopped_by

    def _next_signal(self, pause: float) -> int | None:
        try:
            return self._signals.get(timeout=pause)
        except queue.Empty:
            return None

    def _wait_for_store(self) -> str:
        """Return when the store answers, or with the name of the signal that ends the waiting."""
        while True:
            try:
                self.store.count_dropped(EVERYTHING)
            except StoreUnreachableError as error:
                self._crew.complain(error)
            else:
                self._crew.be_content()
                return ""
            number = self._next_signal(_PAUSE)
            if number is not None:
                return signal.Signals(number).name

    @contextmanager
    def _handling(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def handle(number: int, _frame: FrameType | None) -> None:
            self._signals.put(number)

        before = {number: signal.signal(number, handle) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
