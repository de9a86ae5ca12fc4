"""How a long training shows that it is alive: a bar in a terminal, lines anywhere else, on standard error."""

from __future__ import annotations

import time
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from rich.console import Console

from rollforward.workflow.progress import bar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.progress import Progress


class Report(Protocol):
    """Is told what happens."""

    def start(self, name: str) -> None:
        """Note that a task begins."""

    def finish(self) -> None:
        """Note that the task that began last has ended."""


@contextmanager
def reporting(total: int, progress: bool | None, label: str = "Training") -> Iterator[Report]:
    """Report on a number of tasks while a block runs.

    Parameters
    ----------
    total
        Number of tasks.
    progress
        ``None`` shows a bar if standard error is a terminal; ``True`` writes lines if it is none; ``False`` is silent.
    label
        What is being done.
    """
    console = Console(stderr=True)
    if total == 0 or progress is False or not (progress or console.is_terminal):
        yield _Silent()
    elif console.is_terminal:
        with bar(console) as shown:
            yield _Bar(shown, total, label)
    else:
        yield _Lines(console, total, label)


class _Silent:
    def start(self, name: str) -> None:
        pass

    def finish(self) -> None:
        pass


class _Bar:
    def __init__(self, shown: Progress, total: int, label: str) -> None:
        self._bar = shown
        self._label = label
        self._id = shown.add_task(label, total=total)

    def start(self, name: str) -> None:
        self._bar.update(self._id, description=f"{self._label} {name}", refresh=True)

    def finish(self) -> None:
        self._bar.advance(self._id)
        if self._bar.finished:
            self._bar.update(self._id, description=self._label)


class _Lines:
    def __init__(self, console: Console, total: int, label: str) -> None:
        self._console = console
        self._total = total
        self._label = label
        self._done = 0
        self._began = self._started = time.monotonic()
        self._name = ""

    def start(self, name: str) -> None:
        self._name = name
        self._started = time.monotonic()

    def finish(self) -> None:
        self._done += 1
        now = time.monotonic()
        left = (now - self._began) / self._done * (self._total - self._done)
        remaining = f", about {timedelta(seconds=round(left))} left" if self._done < self._total else ""
        line = f"{self._label} {self._done}/{self._total}: {self._name} took {now - self._started:.1f} s{remaining}"
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)
