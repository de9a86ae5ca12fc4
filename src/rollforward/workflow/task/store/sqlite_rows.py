"""Tasks as rows of SQLite's tables."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rollforward.workflow.task.store.base import (
    DONE,
    FAILED,
    KEPT_ATTEMPTS,
    KEPT_EVENTS,
    REVOKED,
    RUNNING,
    Attempt,
    Event,
    Owner,
    StoredTask,
    Worker,
    queue_of,
)
from rollforward.workflow.task.store.ids import TaskId

if TYPE_CHECKING:
    from rollforward.workflow.task.store.base import Change


def changed(row: Any, change: Change, now: float) -> dict[str, Any]:
    """Give the columns of a row, with their values, that a change by hand sets."""
    event = {"at": now, "what": change.what, "who": change.who, "detail": change.error or change.status or ""}
    if change.priority is not None:
        event["detail"] = str(change.priority)
    values: dict[str, Any] = {"events": as_json([*json.loads(row["events"]), event][-KEPT_EVENTS:])}
    if change.priority is not None:
        values["priority"] = change.priority
    if change.forget_tries:
        values["tries"] = 0
    if change.status is not None:
        # A claim that is out is refused from now on.
        values |= {"status": change.status, "queue": queue_of(change.status), "attempt": row["attempt"] + 1}
        values |= {"available_at": 0, "error": change.error, "traceback": "", "nonce": "", "ended_nonce": ""}
        values |= dict.fromkeys(("worker", "host", "pid", "recorder")) | {"origin": ""}
        if row["status"] == RUNNING:
            values["attempts"] = attempts_after(row, REVOKED, now, change.error)
        if change.status in (DONE, FAILED):
            values["ended_at"] = now
    return values


def attempts_after(
    row: Any, outcome: str, now: float, exception: str = "", traceback: str = "", recorder: str | None = None
) -> str:
    """Give the text of the attempts of a row when the running one has ended."""
    entry = {
        "number": row["attempt"],
        "worker": row["worker"],
        "host": row["host"],
        "pid": row["pid"],
        "started": row["started_at"],
        "ended": now,
        "outcome": outcome,
        "exception": exception,
        "traceback": traceback,
        "recorder": recorder or row["recorder"],
    }
    return as_json([*json.loads(row["attempts"]), entry][-KEPT_ATTEMPTS:])


def task_of(row: Any) -> StoredTask:
    """Read a row, or a dictionary of its columns."""
    names = row.keys()
    filter_text = row["filter"] if "filter" in names else None
    attempts = [
        Attempt(**item | {"started": _maybe(item["started"]), "ended": _maybe(item["ended"])})
        for item in json.loads(row["attempts"])
    ]
    return StoredTask(
        id=TaskId(row["id"]),
        **{name: row[name] for name in _SAME},
        available_at=_time(row["available_at"]),
        owner=None if row["worker"] is None else Owner(row["worker"], row["host"], row["pid"]),
        created_at=_time(row["created_at"]),
        started_at=_maybe(row["started_at"]),
        ended_at=_maybe(row["ended_at"]),
        attempts=tuple(attempts),
        events=tuple(Event(**item | {"at": _time(item["at"])}) for item in json.loads(row["events"])),
        definition=row["definition"] if "definition" in names else None,
        filter=None if filter_text is None else json.loads(filter_text),
        result=row["result"] if "result" in names else None,
        nonce=row["nonce"],
    )


_SAME = ("identity", "status", "priority", "attempt", "tries", "origin", "recorder", "error", "traceback")


def worker_of(row: Any, now: float) -> Worker:
    """Read a row of the register."""
    return Worker(
        Owner(row["name"], row["host"], row["pid"]),
        json.loads(row["info"]),
        _time(row["started_at"]),
        _time(row["seen_at"]),
        row["until"] > now,
    )


def as_json(value: Any) -> str:
    """Spell a plain value."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _maybe(seconds: float | None) -> datetime | None:
    return None if seconds is None else _time(seconds)
