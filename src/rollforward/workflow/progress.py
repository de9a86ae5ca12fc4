"""A bar on standard error while something with many parts runs."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Rich forgets steps that are older than this when it estimates; folds may take hours.
_MEMORY_SECONDS = 30 * 24 * 3600.0
_LINES = 10


def bar(console: Console, *, transient: bool = False) -> Progress:
    """Make a bar with the number of parts, the time that has passed and an estimate of what is left.

    Parameters
    ----------
    console
        Where it is drawn.
    transient
        Whether it is gone at the end.
    """
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("ETA", style="dim"),
        TimeRemainingColumn(),
        console=console,
        speed_estimate_period=_MEMORY_SECONDS,
        transient=transient,
    )


@contextmanager
def counting(total: int, progress: bool | None, label: str) -> Iterator[Callable[[], None]]:
    """Count parts that are done in no particular order, while a block runs.

    Parameters
    ----------
    total
        Number of parts.
    progress
        ``None`` shows a bar that disappears, if standard error is a terminal; ``True`` writes ten lines if it is none;
        ``False`` is silent.
    label
        What is being done.

    Yields
    ------
    Callable
        To be called, without arguments, for each part.
    """
    console = Console(stderr=True)
    if total == 0 or progress is False or not (progress or console.is_terminal):
        yield lambda: None
    elif console.is_terminal:
        with bar(console, transient=True) as shown:
            task = shown.add_task(label, total=total)
            yield lambda: shown.advance(task)
    else:
        yield _Lines(console, total, label).advance


class _Lines:
    def __init__(self, console: Console, total: int, label: str) -> None:
        self._console, self._total, self._label = console, total, label
        self._done = 0

    def advance(self) -> None:
        before, self._done = self._done, self._done + 1
        if self._done * _LINES // self._total > before * _LINES // self._total:
            line = f"{self._label} {self._done}/{self._total}"
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)
