"""``rollforward pool list | stat | show | workers``."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from rollforward.cli.exits import USAGE
from rollforward.cli.pool import documents, tables
from rollforward.cli.pool.opened import PATIENCE, chosen, full_id, open_filled_pool, open_pool, say
from rollforward.workflow.task.overview import Viewer, n_workers
from rollforward.workflow.task.store.opening import open_store
from rollforward.workflow.task.store.query import parse

if TYPE_CHECKING:
    import argparse

    from rollforward.workflow.task.store.base import StoredTask


def show_list(arguments: argparse.Namespace) -> int:
    """Name the pools of a store, or list the tasks of one."""
    if arguments.pool is None:
        return _list_pools(arguments)
    manager = open_filled_pool(arguments)
    query = parse(chosen(manager, arguments))
    # One more, to know whether there are more.
    found = list(manager.store.find(query, limit=arguments.limit + 1))
    tasks, has_more = found[: arguments.limit], len(found) > arguments.limit
    if arguments.json:
        print(json.dumps([documents.brief(task) for task in tasks], indent=2))
        return 0
    tables.show(tables.tasks(tasks, manager.store.now(), title=manager.task_pool))
    if has_more:
        print(f"... and more than these {arguments.limit}: --limit N, --status or --filter")
    return 0


def _list_pools(arguments: argparse.Namespace) -> int:
    if arguments.filter or arguments.status:
        print("rollforward pool list: --filter and --status choose tasks: name the POOL.", file=sys.stderr)
        return USAGE
    store = open_store("any", arguments.store, patience=PATIENCE)
    overviews = [Viewer(open_store(name, arguments.store, patience=PATIENCE)).look() for name in store.pools()]
    if arguments.json:
        print(json.dumps([documents.counted(overview) for overview in overviews], indent=2))
    elif overviews:
        tables.show(tables.pools(overviews, title=store.url))
    else:
        print(f"No pool in {store.url}")
    return 0


def show_stat(arguments: argparse.Namespace) -> int:
    """Count tasks by status."""
    manager = open_filled_pool(arguments)
    overview = Viewer(manager.store, parse(chosen(manager, arguments))).look()
    counts = "".join(f"\n{count:>10,}  {status}" for status, count in overview.counts.items() if count)
    text = f"{overview.pool}: {overview.total:,} tasks, {n_workers(overview)}, {overview.store}{counts}"
    say(arguments, documents.counted(overview), text)
    return 0


def show_task(arguments: argparse.Namespace) -> int:
    """Tell all about one task."""
    manager = open_filled_pool(arguments)
    task: StoredTask = manager.show(full_id(manager, arguments.id))
    events = manager.events(task.id)
    if arguments.json:
        print(json.dumps(documents.whole(task, events), indent=2))
    else:
        tables.show_task(task, events, manager.store.now())
    return 0


def show_workers(arguments: argparse.Namespace) -> int:
    """List the workers of a pool."""
    manager = open_pool(arguments)
    overview = Viewer(manager.store).look()
    if arguments.json:
        print(json.dumps(documents.workers(overview), indent=2))
    elif overview.workers or overview.running:
        tables.show(tables.workers(overview, title=manager.task_pool, silent=True))
    else:
        print(f"No worker on the pool {manager.task_pool!r}: rollforward worker {manager.task_pool}")
    return 0
