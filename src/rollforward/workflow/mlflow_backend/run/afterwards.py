"""What is written about runs in the background, perhaps after their end: one queue and one thread per process.

Whoever starts and ends runs waits for the store, so that comes first: the thread begins when no run has begun or ended
for a moment, or when something has waited for long. Whoever reads a run through this process has it written before
(`settle`), and so has the exit of the process, for as long as the store answers.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import nullcontext
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rollforward.workflow import background
from rollforward.workflow.mlflow_backend.store.http_store import brief

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

# Seconds without a start or an end before the thread begins; the longest that anything waits for such a pause.
PAUSE, LONGEST = 0.1, 2.0
# Jobs; whoever adds one more does the oldest first.
MOST = 200
# Seconds that the exit of the process waits in all.
FAREWELL = 10.0


@dataclass(eq=False)
class _Job:
    """Something to write about one run, in the context (and with the settings) of whoever asked for it."""

    uri: str
    run_id: str
    do: Callable[[], None]
    context: Context = field(default_factory=copy_context)
    since: float = field(default_factory=time.monotonic)
    is_done: bool = False


class Afterwards:
    """Does jobs in their order, one at a time."""

    def __init__(self) -> None:
        self.start_afresh()

    def start_afresh(self) -> None:
        """Be empty, with locks that nobody holds and no thread, as in a process that was just forked."""
        self._jobs: list[_Job] = []
        self._changed = threading.Condition()
        self._working = threading.Lock()
        self._worker: int | None = None
        self._touched = 0.0
        self._is_leaving = False
        self._thread: threading.Thread | None = None

    def touch(self) -> None:
        """Note that a run begins or ends now."""
        self._touched = time.monotonic()

    def put(self, uri: str, run_id: str, do: Callable[[], None]) -> None:
        """Have something written soon; it must not raise."""
        job = _Job(uri, run_id, do)
        background.take_part(self)
        background.at_exit()
        with self._changed:
            self._jobs.append(job)
            oldest = self._jobs[0] if len(self._jobs) > MOST else None
            self._changed.notify()
        if oldest is not None:
            self._do(oldest)
        if self._is_leaving or not self._start():
            self.settle(uri, run_id)

    def settle(self, uri: str, run_id: str | None = None) -> None:
        """Return when what was put is written: of one run, or of all runs of a store."""
        # The usual case, for whoever reads.
        if not self._jobs:
            return
        with self._changed:
            jobs = [job for job in self._jobs if job.uri == uri and run_id in (None, job.run_id)]
        for job in jobs:
            self._do(job)

    def _do(self, job: _Job, patience: float = -1) -> bool:
        """Do a job, unless it is done; ``False`` if somebody else is at one for longer than the patience."""
        if self._worker == threading.get_ident():
            # In the middle of a job, which reads its run, or was interrupted by a signal handler that does.
            return True
        if not self._working.acquire(timeout=patience):
            return False
        self._worker = threading.get_ident()
        try:
            if not job.is_done:
                self._call(job)
        finally:
            self._worker = None
            self._working.release()
        return True

    def _call(self, job: _Job) -> None:
        try:
            job.context.run(self._in_time, job.do)
        except Exception:
            logger.exception("Something could not be written to run %s", job.run_id)
        # Not after an interrupt: then it is done once more, by the next who needs it.
        job.is_done = True
        with self._changed:
            self._jobs.remove(job)

    def _in_time(self, do: Callable[[], None]) -> None:
        with brief() if self._is_leaving else nullcontext():
            do()

    def _start(self) -> bool:
        with self._changed:
            if self._thread is None:
                thread = threading.Thread(target=self._work, name="rollforward-afterwards", daemon=True)
                try:
                    thread.start()
                except RuntimeError as error:
                    # The interpreter is shutting down, or there are too many threads.
                    logger.debug("No thread for what is written afterwards: %s", error)
                    return False
                self._thread = thread
            return True

    def _work(self) -> None:
        while True:
            self._do(self._next())

    def _next(self) -> _Job:
        with self._changed:
            while True:
                self._changed.wait_for(lambda: self._jobs)
                job = self._jobs[0]
                due = min(max(job.since, self._touched) + PAUSE, job.since + LONGEST)
                left = due - time.monotonic()
                if left <= 0:
                    return job
                self._changed.wait(left)

    # -- forks and exits ----------------------------------------------------

    def hold(self, timeout: float) -> threading.Lock | None:
        """Keep everybody from writing until the lock is released; ``None`` if a job does not end in time."""
        if self._worker != threading.get_ident() and self._working.acquire(timeout=timeout):
            return self._working
        return None

    def farewell(self) -> None:
        """At the end of the process: write what is left, as far as the store answers."""
        self._is_leaving = True
        end = time.monotonic() + FAREWELL
        while self._jobs:
            left = end - time.monotonic()
            if left <= 0 or not self._do(self._jobs[0], left):
                runs = sorted({job.run_id for job in self._jobs})
                logger.warning("Where %d runs come from is not all kept, the store is slow: %s", len(runs), runs)
                return


afterwards = Afterwards()
