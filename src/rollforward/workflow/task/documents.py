"""Tasks as dictionaries, as Qlib's task manager gives them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rollforward.workflow.task.codec import decode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rollforward.workflow.task.claim import Claim
    from rollforward.workflow.task.store.base import StoredTask


class FetchedTask(dict[str, Any]):
    """A task as a dictionary, and the claim on it.

    The lease is renewed in the background as long as this object is alive and its claim is not over. Keys: ``_id``,
    ``def``, ``filter``, ``status``, ``priority``, ``attempt``, ``claim`` (which names this claim), and ``res`` if there
    is a result.
    """

    def __init__(self, claim: Claim, document: dict[str, Any]) -> None:
        super().__init__(document | {"claim": claim.task.nonce})
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


def as_held(task: StoredTask, document: Mapping[str, Any]) -> StoredTask:
    """Give a task as the holder of an attempt knows it, by a copy of its dictionary."""
    attempt, nonce = document.get("attempt", task.attempt), document.get("claim", "")
    return replace(task, attempt=attempt, nonce=nonce)
