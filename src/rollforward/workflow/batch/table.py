"""The table of a batch: mean and deviation of each metric over the runs of a model."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rollforward.settings.nearest import did_you_mean
from rollforward.workflow.batch.jobs import BAD, GOOD

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rollforward.workflow.batch.jobs import Job

_WITH_COST = "1day.excess_return_with_cost"
QLIB_METRICS = (
    "IC",
    "ICIR",
    "Rank IC",
    "Rank ICIR",
    f"{_WITH_COST}.annualized_return",
    f"{_WITH_COST}.information_ratio",
    f"{_WITH_COST}.max_drawdown",
)
MODEL_COLUMN = "model"
_TAIL = 12


@dataclass(frozen=True)
class Cell:
    """A metric of a model.

    Attributes
    ----------
    mean
        Over the finished runs that have the metric.
    std
        Their standard deviation, with n - 1; ``None`` of one run.
    n
        How many they are.
    """

    mean: float
    std: float | None
    n: int

    def text(self, digits: int = 4) -> str:
        """Write mean and deviation."""
        mean = f"{self.mean:z.{digits}f}"
        return mean if self.std is None else f"{mean} ± {self.std:.{digits}f}"


@dataclass(frozen=True)
class Row:
    """A model: its name, its metrics, how many of its runs have finished, of how many."""

    label: str
    cells: dict[str, Cell]
    n_finished: int
    n_runs: int
    seconds: float | None


@dataclass(frozen=True)
class Failure:
    """A run that went wrong, why, and the last lines of what it printed."""

    label: str
    reason: str
    log: str
    tail: str


@dataclass(frozen=True)
class Table:
    """Rows in their order, the metrics that are its columns, what went wrong, and what was asked for in vain."""

    rows: list[Row]
    metrics: list[str]
    failures: list[Failure]
    sorted_by: str
    unknown: list[str]

    @property
    def notes(self) -> list[str]:
        """What to know before reading."""
        same = [row.label for row in self.rows if _are_equal(row)]
        if not same:
            return self.unknown
        note = (
            f"All runs of {', '.join(same)} found the same: nothing in them is random, or the library has a seed of "
            "its own where none is given, as gradient boosting does. A deviation of 0 says nothing then; --seeds count "
            "sets the seeds that the workflow file names to 0, 1, 2, ..."
        )
        return [*self.unknown, note]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "metrics": self.metrics,
            "sorted_by": self.sorted_by,
            "notes": self.notes,
            "models": [
                {
                    "model": row.label,
                    "finished": row.n_finished,
                    "runs": row.n_runs,
                    "seconds": row.seconds,
                    "metrics": {
                        name: {"mean": _plain(cell.mean), "std": _plain(cell.std), "n": cell.n}
                        for name, cell in row.cells.items()
                    },
                }
                for row in self.rows
            ],
            "failures": [vars(failure) for failure in self.failures],
        }


def make_table(
    jobs: Sequence[Job], metrics: Sequence[str] = (), sort: str | None = None, *, ascending: bool = False
) -> Table:
    """Summarise jobs that have ended.

    Parameters
    ----------
    jobs
        All runs.
    metrics
        Columns; empty takes Qlib's seven as far as there are any, then all others that every finished run has. Which
        metrics there are is known when the runs are done: what no run has is a note, and not a reason to have no table.
    sort
        Metric whose mean orders the rows, the highest first, or ``"model"``; ``None`` is the first column. A model
        without it is last.
    ascending
        The lowest first, as for a loss.
    """
    done = [job for job in jobs if job.state in GOOD]
    known = {MODEL_COLUMN, *(name for job in done for name in job.metrics)}
    wanted = dict.fromkeys([*metrics, *([sort] if sort else [])])
    unknown = [name for name in wanted if name not in known] if done else []
    columns = [name for name in metrics if name not in unknown] or _columns(done)
    key = sort if sort and sort not in unknown else (columns[0] if columns else MODEL_COLUMN)
    labels = list(dict.fromkeys(job.entry.label for job in jobs))
    rows = [_row([job for job in jobs if job.entry.label == label], label) for label in labels]
    failures = [_failure(job) for job in jobs if job.state in BAD]
    notes = [_unknown(name, known) for name in unknown]
    return Table(_sorted(rows, key, ascending=ascending), columns, failures, key, notes)


def markdown(table: Table, title: str) -> str:
    """Write the table as Markdown."""
    head = ["Model", *table.metrics, "Runs"]
    lines = [f"# {title}", "", _line(head), _line([":--", *["--:" for _ in head[1:]]])]
    for row in table.rows:
        cells = [row.cells[name].text() if name in row.cells else "-" for name in table.metrics]
        lines.append(_line([_escaped(row.label), *cells, runs_text(row)]))
    direction = "by name" if table.sorted_by == MODEL_COLUMN else f"sorted by {table.sorted_by}"
    lines += ["", f"Mean ± standard deviation (n - 1) over the runs of a model, {direction}."]
    lines += [line for note in table.notes for line in ("", note)]
    if table.failures:
        lines += ["", "## Failures"]
        for failure in table.failures:
            lines += ["", f"### {failure.label}", "", failure.reason]
            lines += ["", "```text", failure.tail, "```"] if failure.tail else []
    return "\n".join([*lines, ""])


def runs_text(row: Row) -> str:
    """Write how many runs have finished, and of how many if others have not."""
    return str(row.n_finished) if row.n_finished == row.n_runs else f"{row.n_finished} of {row.n_runs}"


def summary_metrics(table: Table, names: dict[str, str]) -> dict[str, float]:
    """Return the figures as metrics of one run: ``LightGBM.IC.mean``, ``LightGBM.IC.std``, ``LightGBM.runs``.

    Parameters
    ----------
    table
        The table.
    names
        What each model is called in a metric's name.
    """
    found: dict[str, float] = {}
    for row in table.rows:
        name = names[row.label]
        found[f"{name}.runs"] = row.n_finished
        for metric, cell in row.cells.items():
            found[f"{name}.{metric}.mean"] = cell.mean
            if cell.std is not None:
                found[f"{name}.{metric}.std"] = cell.std
    return found


def _are_equal(row: Row) -> bool:
    several = [cell for cell in row.cells.values() if cell.n > 1]
    return bool(several) and all(cell.std == 0 for cell in several)


def _columns(done: Sequence[Job]) -> list[str]:
    if not done:
        return []
    common = set.intersection(*(set(job.metrics) for job in done))
    some = {name for job in done for name in job.metrics}
    first = [name for name in QLIB_METRICS if name in some]
    return first + sorted(common - set(first))


def _row(jobs: Sequence[Job], label: str) -> Row:
    done = [job for job in jobs if job.state in GOOD]
    names = dict.fromkeys(name for job in done for name in job.metrics)
    cells = {name: _cell([job.metrics[name] for job in done if name in job.metrics]) for name in names}
    took = [job.seconds for job in done if job.seconds is not None]
    return Row(label, cells, len(done), len(jobs), round(statistics.fmean(took), 1) if took else None)


def _cell(values: list[float]) -> Cell:
    if not all(math.isfinite(value) for value in values):
        return Cell(math.nan, None, len(values))
    return Cell(statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None, len(values))


def _sorted(rows: list[Row], key: str, *, ascending: bool) -> list[Row]:
    if key == MODEL_COLUMN:
        return sorted(rows, key=lambda row: row.label.lower())

    def place(row: Row) -> tuple[bool, float, str]:
        mean = row.cells[key].mean if key in row.cells else math.nan
        return (math.isnan(mean), 0.0 if math.isnan(mean) else mean if ascending else -mean, row.label.lower())

    return sorted(rows, key=place)


def _failure(job: Job) -> Failure:
    return Failure(job.label, job.reason, str(job.log or ""), tail_of(job))


def tail_of(job: Job) -> str:
    """Return the last lines of what a job printed."""
    if job.log is None or not job.log.is_file():
        return ""
    lines = job.log.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(lines[-_TAIL:])


def _unknown(name: str, known: set[str]) -> str:
    others = f"There is {', '.join(sorted(known - {MODEL_COLUMN})) or 'none at all'}."
    return f"No finished run has the metric {name!r}. {did_you_mean(name, known, otherwise=others)}"


def _plain(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")
