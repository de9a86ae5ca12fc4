"""``rollforward pool retry | cancel | prioritize | reset | purge``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rollforward.cli.exits import ERROR, USAGE
from rollforward.cli.pool.opened import chosen, open_filled_pool, say
from rollforward.workflow.task.store.base import DONE, FAILED, PART_DONE, RUNNING, WAITING
from rollforward.workflow.task.store.query import parse

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping
    from typing import Any

    from rollforward.workflow.task.manage import TaskManager

_OPEN, _ENDED = (WAITING, RUNNING, PART_DONE), (DONE, FAILED)


def retry(arguments: argparse.Namespace) -> int:
    """Let failed tasks wait again."""
    manager = open_filled_pool(arguments)
    return _said(arguments, manager.retry(chosen(manager, arguments)), "wait again")


def prioritize(arguments: argparse.Namespace) -> int:
    """Give tasks another priority."""
    manager = open_filled_pool(arguments)
    n_changed = manager.prioritize(chosen(manager, arguments, among=_OPEN), arguments.priority)
    return _said(arguments, n_changed, f"have priority {arguments.priority}")


def cancel(arguments: argparse.Namespace) -> int:
    """Let tasks be failed that are not done."""
    manager = open_filled_pool(arguments)
    query = chosen(manager, arguments, among=_OPEN)
    wanted = {"$and": [query, {"status": {"$in": list(_OPEN)}}]}
    return _if_meant(arguments, manager, wanted, "cancel", lambda: manager.cancel(query), "are cancelled")


def reset(arguments: argparse.Namespace) -> int:
    """Let tasks wait again whose worker is gone, or give tasks another status."""
    manager = open_filled_pool(arguments)
    query, status = chosen(manager, arguments), arguments.to
    if status is None:
        return _said(arguments, manager.reset_waiting(query), "wait again")
    return _if_meant(
        arguments, manager, query, f"set to {status}", lambda: manager.reset_status(query, status), f"are {status}"
    )


def purge(arguments: argparse.Namespace) -> int:
    """Delete tasks."""
    manager = open_filled_pool(arguments)
    if arguments.everything:
        query = chosen(manager, arguments)
        return _if_meant(arguments, manager, query, "delete", lambda: manager.remove(query), "are deleted")
    query = chosen(manager, arguments, among=_ENDED)
    wanted = {"$and": [query, {"status": {"$in": list(_ENDED)}}]}
    return _if_meant(
        arguments, manager, wanted, "delete", lambda: manager.purge(arguments.older_than, query), "are deleted"
    )


def _if_meant(
    arguments: argparse.Namespace,
    manager: TaskManager,
    query: Mapping[str, Any],
    what: str,
    do: Callable[[], int],
    done: str,
) -> int:
    """Do what cannot be taken back, after a question if there is somebody to ask."""
    if not arguments.yes:
        if arguments.json or not sys.stdin.isatty():
            print(f"rollforward pool {arguments.action}: there is nobody to ask; add --yes.", file=sys.stderr)
            return USAGE
        counts = manager.store.count(parse(query))
        told = ", ".join(f"{count:,} {status}" for status, count in counts.items())
        if not counts:
            return _said(arguments, 0, done)
        older = " that are old enough" if getattr(arguments, "older_than", 0) else ""
        print(f"{manager.task_pool} in {manager.store.url}: {what} {told} tasks{older}?", file=sys.stderr)
        print("This cannot be taken back. Type yes to go on: ", end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            print("Nothing was changed.", file=sys.stderr)
            return ERROR
    return _said(arguments, do(), done)


def _said(arguments: argparse.Namespace, n_tasks: int, done: str) -> int:
    document = {"pool": arguments.pool, "action": arguments.action, "tasks": n_tasks}
    say(arguments, document, f"Tasks that {done}: {n_tasks:,}")
    return 0
