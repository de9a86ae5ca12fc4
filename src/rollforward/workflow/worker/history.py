"""Which runs of a task count, and which do not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollforward.errors import PoolError, StoreUnreachableError
from rollforward.workflow.task.codec import decode
from rollforward.workflow.task.store.base import COMMITTED
from rollforward.workflow.task.store.query import parse

if TYPE_CHECKING:
    from typing import Any

    from rollforward.workflow.task.store.base import Attempt, StoredTask, TaskStore


def runs_before(task: StoredTask) -> tuple[str, ...]:
    """Give what earlier attempts recorded that do not count."""
    return tuple(dict.fromkeys(one.recorder for one in task.attempts if one.recorder and not _counts(one)))


def successor_of(store: TaskStore, task_id: Any) -> str | None:
    """Find the run that counts instead of an attempt's that does not; ``None`` if it is not known."""
    try:
        found = next(iter(store.find(parse({"_id": str(task_id)}), limit=1)), None)
    except (PoolError, StoreUnreachableError):
        return None
    if found is None:
        return None
    texts = [found.recorder, *(one.recorder for one in reversed(found.attempts) if _counts(one))]
    text = next((text for text in texts if text is not None), None)
    return None if text is None else str(decode(text).id)


def _counts(attempt: Attempt) -> bool:
    return attempt.outcome == COMMITTED
