"""What is said to a MongoDB server: updates and stages that use its clock, ``$$NOW``, and nobody else's."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rollforward.workflow.task.store.base import (
    DONE,
    FAILED,
    KEPT_ATTEMPTS,
    KEPT_EVENTS,
    LOST,
    REVOKED,
    RUNNING,
    queue_of,
)

if TYPE_CHECKING:
    from rollforward.workflow.task.store.base import Change, Ending, NewTask, Owner

Stage = dict[str, Any]

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_FREE: Stage = dict.fromkeys(("worker", "host", "pid", "recorder")) | {"origin": "", "nonce": ""}
_HAS_PASSED = {"$lte": ["$available_at", "$$NOW"]}
DROPPED = {"status": RUNNING, "$expr": _HAS_PASSED}
COUNT_BY_STATUS = {"_id": "$status", "n": {"$sum": 1}}
FIRST_AVAILABLE: list[Stage] = [
    {"$group": {"_id": None, "first": {"$min": "$available_at"}}},
    {"$project": {"wait": {"$subtract": ["$first", "$$NOW"]}}},
]


def later(seconds: float) -> Stage:
    """Spell a moment from now."""
    return {"$add": ["$$NOW", round(seconds * 1000)]}


def new_fields(status: str, priority: int, now: datetime) -> Stage:
    """Spell what all tasks that were never claimed have in common."""
    return {
        "status": status,
        "queue": queue_of(status),
        "priority": priority,
        "attempt": 0,
        "tries": 0,
        "available_at": _LONG_AGO,
        "ended_nonce": "",
        "created_at": now,
        "started_at": None,
        "ended_at": None,
        "error": "",
        "traceback": "",
        "attempts": [],
        "events": [],
        "result": None,
        **_FREE,
    }


def claim(status: str, lease: float, owner: Owner, nonce: str) -> list[Stage]:
    """Give a task to somebody; a running one was lost by whoever had it."""
    return [
        _if_running(LOST),
        {
            "$set": {
                "status": RUNNING,
                "origin": status,
                "attempt": {"$add": ["$attempt", 1]},
                "tries": {"$add": ["$tries", 1]},
                "available_at": later(lease),
                "worker": {"$literal": owner.worker},
                "host": {"$literal": owner.host},
                "pid": owner.pid,
                "nonce": nonce,
                "started_at": "$$NOW",
                "ended_at": None,
                "recorder": None,
            }
        },
    ]


def finish(ending: Ending, n_parts: int, of: str) -> list[Stage]:
    """End the attempt of a running task; `of` is in the names of the parts of its result."""
    values: Stage = {
        "status": ending.status,
        "queue": queue_of(ending.status),
        "available_at": later(ending.delay),
        "ended_at": "$$NOW",
        "error": {"$literal": ending.exception},
        "traceback": {"$literal": ending.traceback},
        "ended_nonce": ending.nonce,
        **_FREE,
    }
    if ending.is_step:
        values["tries"] = 0
    elif not ending.counts:
        values["tries"] = {"$subtract": ["$tries", 1]}
    if ending.result is not None:
        values["result"] = None if n_parts else {"$literal": ending.result}
        values |= {"result_parts": n_parts, "result_attempt": of}
    ended = _attempt(ending.outcome, ending.exception, ending.traceback, ending.recorder)
    return [{"$set": {"attempts": _appended("$attempts", ended, KEPT_ATTEMPTS)}}, {"$set": values}]


def change(change: Change) -> list[Stage]:
    """Do to a task what a person asked for."""
    event = {
        "at": "$$NOW",
        "what": change.what,
        "who": {"$literal": change.who},
        "detail": {"$literal": change.error or change.status or ""},
    }
    values: Stage = {}
    if change.priority is not None:
        values["priority"] = change.priority
        event["detail"] = str(change.priority)
    if change.forget_tries:
        values["tries"] = 0
    values["events"] = _appended("$events", event, KEPT_EVENTS)
    if change.status is None:
        return [{"$set": values}]
    # A claim that is out is refused from now on.
    values |= {
        "status": change.status,
        "queue": queue_of(change.status),
        "attempt": {"$add": ["$attempt", 1]},
        "available_at": _LONG_AGO,
        "error": {"$literal": change.error},
        "traceback": "",
        "ended_nonce": "",
        **_FREE,
    }
    if change.status in (DONE, FAILED):
        values["ended_at"] = "$$NOW"
    return [_if_running(REVOKED, change.error), {"$set": values}]


def redefine(new: NewTask) -> list[Stage]:
    """Give a task another definition."""
    values = {
        "identity": new.identity,
        "definition": {"$literal": new.definition},
        "filter": {"$literal": dict(new.filter)},
        "status": new.status,
        "queue": queue_of(new.status),
        "priority": new.priority,
        "attempt": {"$add": ["$attempt", 1]},
        "tries": 0,
        "available_at": _LONG_AGO,
        "error": "",
        "traceback": "",
        "ended_nonce": "",
        "result": None,
        "result_parts": 0,
        **_FREE,
    }
    return [_if_running(REVOKED), {"$set": values}]


def beat(pool: str, owner: Owner, info: str, promise: float) -> list[Stage]:
    """Register a worker, or give its sign of life."""
    return [
        {
            "$set": {
                "pool": {"$literal": pool},
                "worker": {"$literal": owner.worker},
                "host": {"$literal": owner.host},
                "pid": owner.pid,
                "info": {"$literal": info},
                "started_at": {"$ifNull": ["$started_at", "$$NOW"]},
                "seen_at": "$$NOW",
                "until": later(promise),
            }
        }
    ]


def workers(pool: str) -> list[Stage]:
    """Ask for the workers of a pool."""
    return [
        {"$match": {"pool": pool}},
        {"$set": {"is_alive": {"$gt": ["$until", "$$NOW"]}}},
        {"$sort": {"started_at": 1}},
    ]


def _if_running(outcome: str, exception: str = "") -> Stage:
    """Note how a running attempt ended; leave the list of any other task as it is."""
    appended = _appended("$attempts", _attempt(outcome, exception), KEPT_ATTEMPTS)
    return {"$set": {"attempts": {"$cond": [{"$eq": ["$status", RUNNING]}, appended, "$attempts"]}}}


def _attempt(outcome: str, exception: str = "", traceback: str = "", recorder: str | None = None) -> Stage:
    return {
        "number": "$attempt",
        "worker": "$worker",
        "host": "$host",
        "pid": "$pid",
        "started": "$started_at",
        "ended": "$$NOW",
        "outcome": outcome,
        "exception": {"$literal": exception},
        "traceback": {"$literal": traceback},
        "recorder": "$recorder" if recorder is None else {"$literal": recorder},
    }


def _appended(array: str, item: Stage, kept: int) -> Stage:
    return {"$slice": [{"$concatArrays": [array, [item]]}, -kept]}
