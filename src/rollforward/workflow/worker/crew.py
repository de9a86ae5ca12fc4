"""What the slots of one worker share: what to do, and when to stop."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from rollforward.workflow.task.store.base import TaskStore
    from rollforward.workflow.task.store.query import Group

logger = logging.getLogger(__name__)


@dataclass(eq=False)
class Crew:
    """The orders and the state of a worker; see `Worker` for the orders."""

    store: TaskStore
    query: Group
    function: str
    before_status: str
    after_status: str
    lease: float
    max_attempts: int
    backoff: float
    poll: float
    timeout: float | None
    memory_limit: int | None
    burst: bool
    budget: int | None
    tasks_per_process: int
    changed: Callable[[], None]
    #: Claim nothing more; and: wait for nothing more.
    stopping: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)
    #: Held by the slot that looks for a task: idle ones do not ask the store all at once.
    looking: threading.Lock = field(default_factory=threading.Lock)
    counts: Counter[str] = field(default_factory=Counter)
    error: Exception | None = None
    _complaint: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def is_stopping(self) -> bool:
        """Whether nothing more is claimed."""
        return self.stopping.is_set()

    @property
    def is_over(self) -> bool:
        """Whether nothing is waited for."""
        return self.over.is_set()

    @property
    def has_budget(self) -> bool:
        """Whether another task may be claimed."""
        return self.budget is None or self.budget > 0

    def spend(self) -> None:
        """Take note that a task was claimed."""
        if self.budget is not None:
            self.budget -= 1

    def count(self, what: str) -> None:
        """Take note of how an attempt ended."""
        with self._lock:
            self.counts[what] += 1

    def break_down(self, error: Exception) -> None:
        """Stop because of an error."""
        with self._lock:
            self.error = self.error or error
        self.stopping.set()
        self.changed()

    def complain(self, error: Exception) -> None:
        """Say what is wrong with the store, once until it is well again."""
        if str(error) != self._complaint:
            logger.warning("The worker waits for the store: %s", error)
            self._complaint = str(error)

    def be_content(self) -> None:
        """Say that the store is well again."""
        if self._complaint:
            logger.info("The store answers again.")
            self._complaint = ""
