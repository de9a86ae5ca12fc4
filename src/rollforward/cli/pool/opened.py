"""The pool that the command line names, and the tasks that it chooses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rollforward.errors import PoolError, TaskNotFoundError
from rollforward.settings.nearest import did_you_mean
from rollforward.workflow.task.manage import TaskManager
from rollforward.workflow.task.store.ids import is_id
from rollforward.workflow.task.store.opening import open_store
from rollforward.workflow.task.store.query import parse

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

# Seconds that somebody at a keyboard waits for a server.
PATIENCE = 5.0


def open_pool(arguments: argparse.Namespace, *, patience: float = PATIENCE) -> TaskManager:
    """Open a pool, which may have no tasks yet."""
    return TaskManager(arguments.pool, open_store(arguments.pool, arguments.store, patience=patience))


def open_filled_pool(arguments: argparse.Namespace, *, patience: float = PATIENCE) -> TaskManager:
    """Open a pool that has tasks.

    Raises
    ------
    PoolError
        If it has none; names the nearest that has.
    """
    manager = open_pool(arguments, patience=patience)
    known = manager.store.pools()
    if arguments.pool not in known:
        others = f"one of {', '.join(known)}" if known else "none has"
        raise PoolError(
            f"The pool {arguments.pool!r} has no tasks in {manager.store.url}.",
            f"a pool that has tasks; {others}.",
            did_you_mean(arguments.pool, known, otherwise="Name another one, or another --store."),
        )
    return manager


def chosen(manager: TaskManager, arguments: argparse.Namespace, *, among: Sequence[str] = ()) -> dict[str, Any]:
    """Give the query for the tasks that the command line chooses.

    Parameters
    ----------
    manager
        Of the pool.
    arguments
        With ``filter``, ``status`` and perhaps ``ids``.
    among
        Statuses that count if none is chosen; all if there is none.
    """
    parts: list[dict[str, Any]] = []
    if getattr(arguments, "ids", None):
        parts.append({"_id": {"$in": [full_id(manager, text) for text in arguments.ids]}})
    if arguments.filter:
        parts.append(arguments.filter)
    statuses = arguments.status or among
    if statuses:
        parts.append({"status": {"$in": list(statuses)}})
    query = {"$and": parts} if parts else {}
    parse(query)  # what is wrong with it is said before anybody is asked anything
    return query


def full_id(manager: TaskManager, text: str) -> str:
    """Give the id of the task that the last digits of it name.

    Raises
    ------
    TaskNotFoundError
        If there is none, or more than one.
    """
    if is_id(text):
        return text
    found = [str(task.id) for task in manager.store.find(parse(None)) if str(task.id).endswith(text.lower())]
    if len(found) == 1:
        return found[0]
    raise TaskNotFoundError(
        f"{len(found) or 'No'} tasks of the pool {manager.task_pool!r} have an id that ends in {text!r}.",
        "an id of 24 digits, or as many of the last ones as only one task has.",
        f"rollforward pool list {manager.task_pool}",
    )


def say(arguments: argparse.Namespace, document: dict[str, Any], text: str) -> None:
    """Print a document as JSON if that is asked for, else a text."""
    print(json.dumps(document, indent=2) if arguments.json else text)
