"""What a store of tasks promises; with the values that it takes and gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from rollforward.errors import StaleClaimError
from rollforward.workflow.task.store.tasks import (
    CLAIMABLE,
    COMMITTED,
    DEFAULT_LEASE,
    DEFAULT_MAX_ATTEMPTS,
    DONE,
    ERROR,
    FAILED,
    GIVEN_UP,
    KEPT_ATTEMPTS,
    KEPT_EVENTS,
    LOST,
    PART_DONE,
    RETURNED,
    REVOKED,
    RUNNING,
    STATUSES,
    WAITING,
    Attempt,
    Change,
    Ending,
    Event,
    NewTask,
    Owner,
    StoredTask,
    Worker,
    queue_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from rollforward.workflow.task.store.query import Group

__all__ = [
    "CLAIMABLE",
    "COMMITTED",
    "DEFAULT_LEASE",
    "DEFAULT_MAX_ATTEMPTS",
    "DONE",
    "ERROR",
    "FAILED",
    "GIVEN_UP",
    "KEPT_ATTEMPTS",
    "KEPT_EVENTS",
    "LOST",
    "PART_DONE",
    "RETURNED",
    "REVOKED",
    "RUNNING",
    "STATUSES",
    "WAITING",
    "Attempt",
    "Change",
    "Ending",
    "Event",
    "NewTask",
    "Owner",
    "StoredTask",
    "TaskStore",
    "Worker",
    "queue_of",
    "stale_claim",
]


class TaskStore(Protocol):
    """The tasks of one pool.

    Every implementation promises:

    - Whatever has returned is on disk, and survives a crash of the machine; but for a claim, which a crash may undo.
    - Of several callers of `claim` one gets a task. `renew`, `note` and `finish` match on the attempt and, where
      `claimed` is given, on the nonce of its claim: as soon as a task was claimed again or taken back, they raise
      `StaleClaimError` and write nothing. A claim that was undone is followed by another one of the same attempt.
    - The clock of the store decides whether a lease has passed.
    - Threads may share an object. A forked or spawned process opens its own connection.
    - Reading creates nothing, not even the pool. No listing, claim or count reads definitions or results unless it
      is asked for them, or the query looks into definitions.
    """

    pool: str

    @property
    def url(self) -> str:
        """Address of the store, without credentials."""

    def add(self, tasks: Sequence[NewTask]) -> list[Any]:
        """Add tasks that are not there yet, in their order; give the id of each, be it new or not."""

    def ids_of(self, identities: Sequence[str]) -> dict[str, Any]:
        """Give the ids of those identities that are there."""

    def claim(self, query: Group, status: str, lease: float, owner: Owner, nonce: str) -> StoredTask | None:
        """Take the first task of a status: highest priority, then first in; give it with its definition and result.

        A running task whose lease has passed counts as one of the status that it was claimed from, and the attempt
        that held it is noted as lost.
        """

    def renew(self, task_id: Any, attempt: int, lease: float, claimed: str = "") -> None:
        """Let the lease end that many seconds from now."""

    def note(self, task_id: Any, attempt: int, recorder: str, claimed: str = "") -> None:
        """Keep the reference to what the running attempt records."""

    def finish(self, task_id: Any, attempt: int, ending: Ending, claimed: str = "") -> None:
        """End an attempt."""

    def find(self, query: Group, *, bodies: bool = False, limit: int | None = None) -> Iterator[StoredTask]:
        """Give tasks, first in first; with `bodies` their definitions and results too."""

    def count(self, query: Group) -> dict[str, int]:
        """Count tasks by status; a status that no task has is left out."""

    def count_dropped(self, query: Group) -> int:
        """Count running tasks whose lease has passed."""

    def next_available(self, query: Group, status: str) -> float | None:
        """Seconds until the first task of a status that backs off may be claimed; ``None`` if there is none."""

    def change(self, query: Group, change: Change, *, dropped_only: bool = False) -> int:
        """Change tasks by hand; give their number. `dropped_only`: only running ones whose lease has passed."""

    def redefine(self, task_id: Any, new: NewTask) -> None:
        """Give a task another definition; it waits again, without a result, and keeps id and place in the queue."""

    def delete(self, query: Group) -> int:
        """Delete tasks; give their number."""

    def pools(self) -> list[str]:
        """Name the pools of the store."""

    def beat(self, owner: Owner, info: Mapping[str, Any], promise: float) -> None:
        """Register a worker, or give its sign of life; it promises the next within that many seconds."""

    def forget(self, owner: Owner) -> None:
        """Take a worker off the register."""

    def workers(self) -> list[Worker]:
        """Give the registered workers of the pool."""

    def now(self) -> datetime:
        """Read the clock of the store."""

    def close(self) -> None:
        """Close what this thread has opened for itself; the next call opens it again."""


def stale_claim(task_id: Any, attempt: int, now: StoredTask | None) -> StaleClaimError:
    """Build the error of a write to a task that is no longer the writer's."""
    if now is None:
        state = "is no longer there"
    elif now.owner is None:
        state = f"is {now.status}, and nobody's"
    else:
        state = f"is at attempt {now.attempt}, by {now.owner.worker}"
    return StaleClaimError(
        f"Attempt {attempt} at task {task_id} is over: the task {state}.",
        "a claim whose lease is renewed before it ends, and that nobody takes back.",
        "Drop what the attempt made; nothing was written.",
    )
