"""What ``--json`` prints: plain values, times in UTC as ISO texts, no credentials."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rollforward.settings.masking import mask_credentials, masked

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from rollforward.workflow.task.overview import Overview, Pace
    from rollforward.workflow.task.store.base import Event, Owner, StoredTask


def brief(task: StoredTask) -> dict[str, Any]:
    """Give a task without definition, result and attempts."""
    return {
        "id": str(task.id),
        "status": task.status,
        "priority": task.priority,
        "attempt": task.attempt,
        "tries": task.tries,
        **_owner(task.owner),
        "created_at": stamp(task.created_at),
        "started_at": stamp(task.started_at),
        "ended_at": stamp(task.ended_at),
        "error": mask_credentials(task.error),
    }


def whole(task: StoredTask, events: Sequence[Event]) -> dict[str, Any]:
    """Give a task with all that is known about it."""
    return {
        **brief(task),
        "identity": task.identity,
        "available_at": stamp(task.available_at),
        "recorder": _form(task.recorder),
        "traceback": mask_credentials(task.traceback),
        "definition": masked(task.filter),
        "result": masked(_form(task.result)),
        "attempts": [
            {
                "number": attempt.number,
                "outcome": attempt.outcome,
                "worker": attempt.worker,
                "host": attempt.host,
                "pid": attempt.pid,
                "started_at": stamp(attempt.started),
                "ended_at": stamp(attempt.ended),
                "error": mask_credentials(attempt.exception),
                "traceback": mask_credentials(attempt.traceback),
                "recorder": _form(attempt.recorder),
            }
            for attempt in task.attempts
        ],
        "events": [
            {"at": stamp(event.at), "what": event.what, "who": event.who, "detail": mask_credentials(event.detail)}
            for event in events
        ],
    }


def counted(overview: Overview) -> dict[str, Any]:
    """Give the counts of a pool."""
    return {
        "pool": overview.pool,
        "store": overview.store,
        "counts": dict(overview.counts),
        "total": overview.total,
        "workers": len(overview.alive),
    }


def workers(overview: Overview) -> list[dict[str, Any]]:
    """Give the workers on the register, with what they work on."""
    return [
        {
            **_owner(worker.owner),
            "alive": worker.is_alive,
            "started_at": stamp(worker.started_at),
            "seen_at": stamp(worker.seen_at),
            "info": masked(dict(worker.info)),
            "tasks": [item["id"] for item in _running(overview) if item["worker"] == worker.owner.worker],
        }
        for worker in overview.workers
    ]


def seen(overview: Overview, pace: Pace) -> dict[str, Any]:
    """Give a look at a pool, and how fast it goes."""
    return {
        "at": stamp(overview.at),
        **counted(overview),
        "rate": pace.rate,
        "seconds_left": pace.seconds_left,
        "running": _running(overview),
        "failures": [
            {"id": str(failure.id), "tries": failure.tries, "error": failure.error, "seconds": failure.seconds}
            for failure in overview.failures
        ],
    }


def stamp(time: datetime | None) -> str | None:
    """Spell a time in UTC."""
    return None if time is None else f"{time:%Y-%m-%dT%H:%M:%S}.{time.microsecond // 1000:03d}Z"


def _running(overview: Overview) -> list[dict[str, Any]]:
    return [
        {
            "id": str(work.id),
            "label": work.label,
            "attempt": work.attempt,
            "worker": work.worker,
            "host": work.host,
            "pid": work.pid,
            "seconds": work.seconds,
            "lease_passed": work.is_dropped,
        }
        for work in overview.running
    ]


def _owner(owner: Owner | None) -> dict[str, Any]:
    return {
        "worker": owner.worker if owner else None,
        "host": owner.host if owner else None,
        "pid": owner.pid if owner else None,
    }


def _form(text: str | None) -> Any:
    """Read a stored text as it is, without making objects of what it names."""
    form = None if text is None else json.loads(text)
    if isinstance(form, dict) and list(form) == ["$recorder"]:
        return dict(zip(("experiment_id", "id", "uri"), form["$recorder"], strict=False))
    return form
