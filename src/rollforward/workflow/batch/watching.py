"""How a batch shows what it is at: a table that lives in a terminal, lines anywhere else, on standard error."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from rollforward.workflow.batch.jobs import BAD, FINISHED, GOOD, KEPT, RUNNING, WAITING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rollforward.workflow.batch.jobs import Job

_WORDS = {GOOD: "green", BAD: "red"}
_FIRST = "IC"


class Watcher(Protocol):
    """Is told what happens."""

    def note(self, text: str) -> None:
        """Say what is done besides the runs."""

    def tell(self, job: Job) -> None:
        """Note that a job has another state."""


@contextmanager
def watching(jobs: Sequence[Job], progress: bool | None = None) -> Iterator[Watcher]:
    """Show a batch while a block runs.

    Parameters
    ----------
    jobs
        All of it.
    progress
        ``None`` shows a table if standard error is a terminal and lines if it is none; ``False`` is silent.
    """
    console = Console(stderr=True)
    if progress is False:
        yield _Silent()
    elif console.is_terminal:
        shown = _Shown(jobs)
        with Live(get_renderable=shown.table, console=console, refresh_per_second=2, transient=True):
            yield shown
    else:
        yield _Lines(jobs, console)


class _Silent:
    def note(self, text: str) -> None:
        pass

    def tell(self, job: Job) -> None:
        pass


class _Lines:
    def __init__(self, jobs: Sequence[Job], console: Console) -> None:
        self._jobs, self._console = jobs, console
        n_kept = sum(job.state == KEPT for job in jobs)
        if n_kept:
            self.note(f"{n_kept} of {len(jobs)} runs are finished already.")

    def note(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def tell(self, job: Job) -> None:
        n_done = sum(one.state in GOOD | BAD for one in self._jobs)
        after = f" after {job.seconds:.1f} s" if job.seconds is not None and job.state != RUNNING else ""
        figure = f", {_FIRST} {job.metrics[_FIRST]:.4f}" if _FIRST in job.metrics else ""
        why = f": {job.reason}" if job.reason else ""
        self.note(f"[{n_done}/{len(self._jobs)}] {job.label} {job.state}{after}{figure}{why}")


class _Shown:
    def __init__(self, jobs: Sequence[Job]) -> None:
        self._jobs = jobs
        self._said = ""

    def note(self, text: str) -> None:
        self._said = text

    def tell(self, job: Job) -> None:
        if job.state == RUNNING:
            self._said = ""

    def table(self) -> Table:
        n_done = sum(job.state in GOOD | BAD for job in self._jobs)
        title = Text(self._said or f"{n_done} of {len(self._jobs)} runs")
        table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
        table.add_column("model")
        for column in (FINISHED, RUNNING, WAITING, "failed", _FIRST):
            table.add_column(column, justify="right")
        for label in dict.fromkeys(job.entry.label for job in self._jobs):
            table.add_row(*_row(label, [job for job in self._jobs if job.entry.label == label]))
        return table


def _row(label: str, jobs: Sequence[Job]) -> list[Text]:
    states = Counter(job.state for job in jobs)
    good, bad = (sum(states[state] for state in group) for group in (GOOD, BAD))
    figures = [job.metrics[_FIRST] for job in jobs if _FIRST in job.metrics]
    mean = f"{sum(figures) / len(figures):.4f}" if figures else "-"
    return [
        Text(label, style="bold"),
        Text(str(good), style=_WORDS[GOOD] if good else "dim"),
        Text(str(states[RUNNING]), style="" if states[RUNNING] else "dim"),
        Text(str(states[WAITING]), style="" if states[WAITING] else "dim"),
        Text(str(bad), style=_WORDS[BAD] if bad else "dim"),
        Text(mean),
    ]
