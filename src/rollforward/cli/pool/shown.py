"""Where a watched pool is shown: on a terminal, as lines, as JSON documents."""

from __future__ import annotations

import json
import sys
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.text import Text

from rollforward.cli.pool import documents, tables
from rollforward.workflow.task.overview import clean, n_workers, spell
from rollforward.workflow.task.store.base import RUNNING

if TYPE_CHECKING:
    from typing import Any, Self

    from rich.console import RenderableType

    from rollforward.errors import StoreUnreachableError
    from rollforward.workflow.task.overview import Overview, Pace

_SHOW_CURSOR = "\x1b[?25h"
# Lines of the screen that are no rows of its tables; the fewest rows that are worth a table.
_HEAD, _TABLE, _FEWEST = 5, 4, 3
_UNITS = (("a second", 1), ("a minute", 60), ("an hour", 3600))
_DAY = 86400


class Shown(ABC):
    """Where a watched pool is shown, for the length of a ``with`` block."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave what was shown last."""
        sys.stdout.flush()

    @abstractmethod
    def show(self, overview: Overview, pace: Pace) -> None:
        """Show a look."""

    @abstractmethod
    def lose(self, error: StoreUnreachableError) -> None:
        """Show that the store does not answer."""


class Lines(Shown):
    """One line for each change, one for each failed task, for a file or a pipe."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._last: tuple[Any, ...] | None = None
        self._failed: set[tuple[str, int]] = set()
        self._is_lost = False

    def show(self, overview: Overview, pace: Pace) -> None:
        """See `Shown.show`."""
        if (now := _state(overview)) == self._last and not self._is_lost:
            return
        self._last, self._is_lost = now, False
        at = documents.stamp(overview.at)
        print(f"{at} {counts_line(overview)}; {_pace(overview, pace)}", flush=True)
        for failure in reversed(overview.failures):
            key = (str(failure.id), failure.tries)
            if key not in self._failed:
                self._failed.add(key)
                print(f"{at} failed: {failure.id}: {failure.error}", flush=True)

    def lose(self, error: StoreUnreachableError) -> None:
        """See `Shown.lose`."""
        if not self._is_lost:
            print(f"{self._url} does not answer: {clean(error.given)}", flush=True)
        self._is_lost = True


class Documents(Shown):
    """One JSON document in a line for each change."""

    def __init__(self) -> None:
        self._last: tuple[Any, ...] | None = None

    def show(self, overview: Overview, pace: Pace) -> None:
        """See `Shown.show`."""
        if (now := _state(overview)) != self._last:
            print(json.dumps(documents.seen(overview, pace)), flush=True)
        self._last = now

    def lose(self, error: StoreUnreachableError) -> None:
        """See `Shown.lose`."""
        if self._last is None or self._last[0] != "lost":
            print(json.dumps({"error": clean(error.given)}), flush=True)
        self._last = ("lost",)


class Screen(Shown):
    """A part of the terminal that is drawn anew at each look."""

    def __init__(self, console: Console, url: str) -> None:
        self._console = console
        self._url = url
        self._live = Live(console=console, auto_refresh=False, vertical_overflow="crop")
        self._last: Group | None = None
        self._lost_at = 0.0

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._live.stop()
        finally:
            # An interrupt in the middle of drawing keeps rich from writing on, and the cursor would stay hidden.
            self._console.file.write(_SHOW_CURSOR)
            self._console.file.flush()

    def show(self, overview: Overview, pace: Pace) -> None:
        """See `Shown.show`."""
        self._last, self._lost_at = screen(overview, pace, self._console.size.height), 0.0
        self._live.update(self._last, refresh=True)

    def lose(self, error: StoreUnreachableError) -> None:
        """See `Shown.lose`."""
        self._lost_at = self._lost_at or time.monotonic()
        said = f"{self._url} has not answered for {spell(time.monotonic() - self._lost_at)}: {clean(error.given)}"
        parts: list[RenderableType] = [
            Text(said, style="red", no_wrap=True, overflow="ellipsis"),
            *([self._last] if self._last else []),
        ]
        self._live.update(Group(*parts), refresh=True)


def screen(overview: Overview, pace: Pace, height: int) -> Group:
    """Build what a terminal of so many lines shows of a pool."""
    head = Text.assemble((overview.pool, "bold"), f"  {overview.store}  {documents.stamp(overview.at)}", no_wrap=True)
    # Alone it would not end its line.
    bar = Padding(ProgressBar(total=max(overview.total, 1), completed=overview.ended), 0)
    parts: list[RenderableType] = [
        head,
        bar,
        _one_line(counts_line(overview, named=False)),
        _one_line(_pace(overview, pace)),
    ]
    room = height - _HEAD
    n_failures = min(len(overview.failures), max(room - _TABLE - _FEWEST - _TABLE, 0))
    room -= n_failures + _TABLE if n_failures else 0
    if overview.running or overview.idle:
        parts.append(tables.workers(overview, rows=max(room - _TABLE, 1)))
    if n_failures:
        parts.append(tables.failures(overview, rows=n_failures))
    return Group(*parts)


def _one_line(text: str) -> Text:
    return Text(text, no_wrap=True, overflow="ellipsis")


def _state(overview: Overview) -> tuple[Any, ...]:
    """Tell what has to change for another line."""
    return ("seen", *overview.counts.values(), *sorted(worker.owner.worker for worker in overview.alive))


def counts_line(overview: Overview, *, named: bool = True) -> str:
    """Spell the counts of a pool in one line."""
    others = ", ".join(f"{count:,} {status}" for status, count in overview.counts.items() if count)
    name = f"{overview.pool}: " if named else ""
    return f"{name}{overview.ended:,}/{overview.total:,} ended{f': {others}' if others else ''}"


def _pace(overview: Overview, pace: Pace) -> str:
    parts = [n_workers(overview)]
    is_open = overview.total > overview.ended
    if pace.rate is not None:
        parts.append(_rate(pace.rate))
    if is_open and pace.seconds_left is not None:
        parts.append(f"about {spell(pace.seconds_left)} left")
    if is_open and not overview.alive and all(work.is_dropped for work in overview.running):
        parts = [f"no worker is alive: rollforward worker {overview.pool}"]
    n_dropped = sum(work.is_dropped for work in overview.running)
    if overview.counts[RUNNING] and n_dropped:
        parts.append(f"leases that have passed: {n_dropped}")
    return ", ".join(parts)


def _rate(rate: float) -> str:
    for unit, length in _UNITS:
        if rate * length >= 1:
            return f"{rate * length:.3g} {unit}"
    return f"{rate * _DAY:.2g} a day"
