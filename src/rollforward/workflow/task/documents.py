"""Tasks as dictionaries, as Qlib's task manager gives them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rollforward.workflow.task.codec import decode
from rollforward.workflow.task.store.base import StoredTask

if TYPE_CHECKING:
    from rollforward.workflow.task.claim import Claim


class FetchedTask(dict[str, Any]):
    """A task as a dictionary, and the claim on it.

    The lease is renewed in the background as long as this object is alive and its claim is not over. Keys: ``_id``,
    ``def``, ``filter``, ``status``, ``priority``, ``attempt``, and ``res`` if there is a result.
    """

    def __init__(self, claim: Claim, document: dict[str, Any]) -> None:
        super().__init__(document)
        self.claim = claim
        self._pulse = claim.beating()


def document_of(task: StoredTask, *, decoded: bool) -> dict[str, Any]:
    """Give a task the form of a dictionary; `decoded` with its definition and result."""
    document = {
        "_id": task.id,
        "status": task.status,
        "priority": task.priority,
        "attempt": task.attempt,
        "error": task.error,
        "created_at": task.created_at,
        "started_at": task.started_at,
        "ended_at": task.ended_at,
    }
    if decoded:
        document |= {"def": decode(task.definition or "null"), "filter": task.filter}
        if task.result is not None:
            document["res"] = decode(task.result)
    return document


def with_attempt(task: StoredTask, attempt: int) -> StoredTask:
    """Give a task as the holder of an attempt knows it."""
    return StoredTask(**{**vars(task), "attempt": attempt})
