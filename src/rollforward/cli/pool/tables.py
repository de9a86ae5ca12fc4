"""Tables of pools, tasks and workers for the terminal."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from rollforward.cli.pool.documents import stamp, whole
from rollforward.cli.tables import show
from rollforward.workflow.task.overview import clean, label_of, printable, spell
from rollforward.workflow.task.store.base import DONE, FAILED, RUNNING, STATUSES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from rollforward.workflow.task.overview import Overview
    from rollforward.workflow.task.store.base import Event, StoredTask

__all__ = ["failures", "pools", "show", "show_task", "tasks", "workers"]

_STYLES = {RUNNING: "cyan", DONE: "green", FAILED: "red"}
_RESULT, _FILE_WIDTH, _WIDEST = 2000, 200, 40
_NUMBERS = ("priority", "tries", "attempt", "attempts")
_LONG = ("error", "task", "who", "")


def pools(overviews: Sequence[Overview], *, title: str) -> Table:
    """Build the table of the pools of a store."""
    table = _table("pool", *STATUSES, "total", "workers", title=title, numbers=(*STATUSES, "total", "workers"))
    for overview in overviews:
        counts = [f"{count:,}" if count else "" for count in overview.counts.values()]
        table.add_row(Text(overview.pool), *counts, f"{overview.total:,}", str(len(overview.alive)))
    return table


def tasks(found: Sequence[StoredTask], now: datetime, *, title: str) -> Table:
    """Build the table of tasks: where they stand, with whom, and what went wrong last."""
    table = _table("task", "status", "priority", "tries", "when", "who", "error", title=title)
    for task in found:
        then = task.ended_at or task.started_at or task.created_at
        who = task.owner.worker if task.owner else ""
        when = f"{spell((now - then).total_seconds())} ago"
        cells = (_status(task.status), Text(str(task.priority)), Text(str(task.tries)), Text(when), Text(clean(who)))
        table.add_row(Text(str(task.id)), *cells, Text(clean(task.error)))
    return table


def workers(overview: Overview, *, title: str = "", rows: int | None = None, silent: bool = False) -> Table:
    """Build the table of workers with their tasks.

    Parameters
    ----------
    overview
        What is shown.
    title
        Shown above.
    rows
        At most so many; the last one says how many more there are.
    silent
        Show those, too, that give no sign of life.
    """
    table = _table("worker", "task", "attempt", "since", title=title, one_line=True)
    lines: list[tuple[Text, ...]] = [
        (
            Text(clean(work.worker)),
            Text(work.label or str(work.id), style="red" if work.is_dropped else ""),
            Text(str(work.attempt)),
            Text(f"{spell(work.seconds)}{', lease passed' if work.is_dropped else ''}"),
        )
        for work in overview.running
    ]
    lines += [(Text(clean(worker.owner.worker)), Text("idle", style="dim"), Text(), Text()) for worker in overview.idle]
    if silent:
        lines += [
            (
                Text(clean(worker.owner.worker), style="dim"),
                Text("no sign of life", style="red"),
                Text(),
                Text(spell((overview.at - worker.seen_at).total_seconds())),
            )
            for worker in overview.workers
            if not worker.is_alive
        ]
    _add(table, lines, rows)
    return table


def failures(overview: Overview, *, rows: int | None = None) -> Table:
    """Build the table of the tasks that failed last."""
    table = _table("failed last", "error", "tries", "when", one_line=True)
    lines = [
        (Text(str(item.id)), Text(item.error, style="red"), Text(str(item.tries)), Text(f"{spell(item.seconds)} ago"))
        for item in overview.failures
    ]
    _add(table, lines, rows)
    return table


def show_task(task: StoredTask, events: Sequence[Event], now: datetime) -> None:
    """Print all about one task."""
    console = Console()
    console = console if console.is_terminal else Console(width=_FILE_WIDTH)
    document = whole(task, events)
    facts = Table.grid(padding=(0, 2, 0, 0))
    for name, value in _facts(task, document, now):
        facts.add_row(Text(name), value if isinstance(value, Text) else Text(value))
    console.print(facts)
    _section(console, "definition", json.dumps(document["definition"], indent=2, ensure_ascii=False, default=str))
    if task.result is not None:
        _section(console, "result", json.dumps(document["result"], indent=2)[:_RESULT])
    if task.traceback:
        _section(console, "traceback of the last attempt that failed", task.traceback.rstrip())
    history = _table("when", "what", "who", "", title="who did what when")
    for event in events:
        history.add_row(stamp(event.at), Text(event.what), Text(clean(event.who)), Text(clean(event.detail)))
    console.print("", history)


def _facts(task: StoredTask, document: dict[str, Any], now: datetime) -> list[tuple[str, str | Text]]:
    facts: list[tuple[str, str | Text]] = [("task", str(task.id)), ("about", label_of(task.filter))]
    facts += [("status", _status(task.status)), ("priority", str(task.priority))]
    facts += [("tries", str(task.tries))]
    if task.owner is not None:
        passed = " (it has passed)" if task.available_at <= now else ""
        facts += [
            ("worker", clean(f"{task.owner.worker} on {task.owner.host}, process {task.owner.pid}")),
            ("lease until", f"{stamp(task.available_at)}{passed}"),
        ]
    elif task.available_at > now:
        facts.append(("not before", stamp(task.available_at) or ""))
    last = task.attempts[-1].recorder if task.attempts else None
    if task.recorder or last:
        found = document["recorder"] or document["attempts"][-1]["recorder"]
        facts.append(("recorder", f"{found['id']} of experiment {found['experiment_id']} in {found['uri']}"))
    return [*facts, ("error", Text(clean(task.error), style="red"))] if task.error else facts


def _section(console: Console, title: str, text: str) -> None:
    console.print("", Text(title, style="bold"), Text(printable(text)), sep="\n")


def _table(*columns: str, title: str = "", numbers: Sequence[str] = _NUMBERS, one_line: bool = False) -> Table:
    heading = Text(title) if title else None
    table = Table(title=heading, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for position, column in enumerate(columns):
        # The first one names what can be copied from here; of the others, long texts give way.
        is_long = position > 0 and column in _LONG
        table.add_column(
            column,
            justify="right" if column in numbers else "left",
            no_wrap=not is_long,
            overflow="ellipsis" if one_line else "fold",
        )
    return table


def _add(table: Table, lines: Sequence[tuple[Text, ...]], rows: int | None) -> None:
    for column, cells in zip(table.columns, zip(*lines, strict=True), strict=False):
        # Where there is too little room, the long texts give way.
        if column.no_wrap:
            column.min_width = min(max(cell.cell_len for cell in cells), _WIDEST)
    n_shown = len(lines) if rows is None or len(lines) <= rows else max(rows - 1, 0)
    for line in lines[:n_shown]:
        for text in line:
            text.no_wrap = True
        table.add_row(*line)
    if n_shown < len(lines):
        table.add_row(Text(f"... {len(lines) - n_shown} more", style="dim"))


def _status(status: str) -> Text:
    return Text(status, style=_STYLES.get(status, ""))
