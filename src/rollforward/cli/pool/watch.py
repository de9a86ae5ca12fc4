"""``rollforward pool watch | wait``."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING

from rich.console import Console

from rollforward.cli.exits import INTERRUPTED, LOOK, WAITING
from rollforward.cli.pool import documents
from rollforward.cli.pool.opened import chosen, open_filled_pool, open_pool
from rollforward.cli.pool.shown import Documents, Lines, Screen, Shown, counts_line
from rollforward.errors import PoolError, PoolTimeoutError, StoreUnreachableError, TaskFailedError
from rollforward.workflow.task.overview import Pace, Viewer, clean, printable, spell
from rollforward.workflow.task.store.base import FAILED
from rollforward.workflow.task.store.query import parse

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping
    from typing import Any

    from rollforward.workflow.task.manage import TaskManager
    from rollforward.workflow.task.store.base import StoredTask

_WATCH_PATIENCE, _WAIT_PATIENCE = 2.0, 30.0


def watch(arguments: argparse.Namespace) -> int:
    """Show a pool live until Ctrl-C, or until all tasks have ended."""
    manager = open_pool(arguments, patience=_WATCH_PATIENCE)
    viewer, pace = Viewer(manager.store, parse(chosen(manager, arguments))), Pace()
    try:
        with _shown(arguments, manager.store.url) as shown:
            while True:
                try:
                    overview = viewer.look()
                except StoreUnreachableError as error:
                    shown.lose(error)
                else:
                    pace.see(overview)
                    shown.show(overview, pace)
                    if arguments.until_done and 0 < overview.total == overview.ended:
                        return LOOK if overview.counts[FAILED] else 0
                time.sleep(arguments.interval)
    except KeyboardInterrupt:
        return INTERRUPTED if arguments.until_done else 0


def _shown(arguments: argparse.Namespace, url: str) -> Shown:
    if arguments.json:
        return Documents()
    console = Console()
    return Screen(console, url) if console.is_terminal else Lines(url)


def wait(arguments: argparse.Namespace) -> int:
    """Wait until all tasks have ended, or the first one failed."""
    manager = open_filled_pool(arguments, patience=_WAIT_PATIENCE)
    query = chosen(manager, arguments)
    if not manager.task_stat(query):
        raise PoolError("No task is chosen.", "tasks to wait for.", f"rollforward pool list {arguments.pool}")
    # True writes lines where None would be silent because there is no terminal.
    progress = None if sys.stderr.isatty() else True
    began, outcome, code = time.monotonic(), "done", 0
    failed: list[StoredTask] = []
    try:
        failed = manager.wait(query, arguments.timeout, arguments.on_failed, False if arguments.quiet else progress)
    except TaskFailedError as error:
        outcome, code = "failed", LOOK
        print(f"rollforward: {printable(str(error))}", file=sys.stderr)
    except PoolTimeoutError as error:
        outcome, code = "timeout", WAITING
        print(f"rollforward: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("rollforward: no longer waiting; the tasks go on.", file=sys.stderr)
        return INTERRUPTED
    if failed:
        outcome, code = "failed", LOOK
    _say_waited(arguments, manager, query, outcome, failed, time.monotonic() - began)
    return code


def _say_waited(
    arguments: argparse.Namespace,
    manager: TaskManager,
    query: Mapping[str, Any],
    outcome: str,
    failed: list[StoredTask],
    waited: float,
) -> None:
    overview = Viewer(manager.store, parse(query)).look()
    if arguments.json:
        said = {"outcome": outcome, "seconds": waited, "failed": [documents.brief(task) for task in failed]}
        print(json.dumps(documents.counted(overview) | said, indent=2))
        return
    for task in failed:
        print(f"failed: {task.id}: {clean(task.error)}")
    print(f"{counts_line(overview)} after {spell(waited)}")
