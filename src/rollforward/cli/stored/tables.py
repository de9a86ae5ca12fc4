"""Tables of experiments and runs: as wide as a terminal, and with nothing cut off in a pipe."""

from __future__ import annotations

import io
import sys
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from rollforward.cli.stored.documents import model_of
from rollforward.workflow.task.overview import printable, spell

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rollforward.cli.stored.opened import Store
    from rollforward.workflow.mlflow_backend.inventory import FoundExperiment, FoundRun

_STYLES = {"RUNNING": "cyan", "FINISHED": "green", "FAILED": "red", "KILLED": "red"}
# What a researcher looks at first, if it is there.
_MAIN = (
    "IC",
    "ICIR",
    "Rank IC",
    "Rank ICIR",
    "1day.excess_return_with_cost.annualized_return",
    "1day.excess_return_with_cost.information_ratio",
    "1day.excess_return_with_cost.max_drawdown",
    "loss",
)
_METRICS, _ID, _WIDEST = 4, 8, 100_000
_KILO = 1000


def experiments(found: Sequence[tuple[FoundExperiment, Sequence[FoundRun]]], *, title: str) -> Table:
    """Build the table of experiments."""
    table = _table("experiment", "id", "runs", "running", "failed", "newest", title=title, numbers=(2, 3, 4))
    for experiment, runs in found:
        counts = Counter(run.status for run in runs)
        started = max((run.started_at for run in runs if run.started_at), default=None)
        cells = (len(runs), counts["RUNNING"], counts["FAILED"] + counts["KILLED"])
        table.add_row(
            Text(_line(experiment.name)),
            Text(experiment.id),
            *(Text(f"{cell:,}" if cell else "") for cell in cells),
            Text(local(started)),
        )
    return table


def runs(
    store: Store,
    found: Sequence[FoundRun],
    *,
    title: str,
    metrics: Sequence[str] | None = None,
    params: Sequence[str] = (),
) -> Table:
    """Build the table of runs.

    Parameters
    ----------
    store
        Where they are.
    found
        The runs.
    title
        Shown above.
    metrics
        Columns; ``None``: the main ones of these runs.
    params
        More columns.
    """
    measured = main_metrics(found) if metrics is None else list(metrics)
    several = len({run.experiment_id for run in found}) > 1
    first = ("run", *(("experiment",) if several else ()), "name", "status", "started", "took", "model")
    numbers = range(len(first), len(first) + len(measured))
    table = _table(*first, *measured, *params, title=title, numbers=numbers)
    for run in found:
        table.add_row(
            Text(run.id[:_ID]),
            *((Text(_line(store.name_of(run.experiment_id))),) if several else ()),
            Text(_line(run.name)),
            Text(run.status, style=_STYLES.get(run.status, "")),
            Text(local(run.started_at)),
            Text(took(run)),
            Text(_line(model_of(run) or "")),
            *(Text(f"{run.metrics[key]:.4g}" if key in run.metrics else "") for key in measured),
            *(Text(_line(run.params.get(key, ""))) for key in params),
        )
    return table


def pairs(rows: Mapping[str, str] | Sequence[tuple[str, ...]], *columns: str, title: str) -> Table:
    """Build a table of texts."""
    table = _table(*columns, title=title)
    for row in rows.items() if hasattr(rows, "items") else rows:
        table.add_row(*(Text(_line(cell)) for cell in row))
    return table


def main_metrics(found: Sequence[FoundRun]) -> list[str]:
    """Choose the metrics to show: those that are looked at first, then those that most runs have."""
    counts = Counter(key for run in found for key in sorted(run.metrics) if not key.startswith("system/"))
    first = [key for key in _MAIN if counts[key]]
    return [*first, *(key for key, _ in counts.most_common() if key not in first)][:_METRICS]


def show(*tables: Table) -> None:
    """Print tables: on a terminal as wide as it is, else as wide as they are."""
    console = Console()
    if console.is_terminal:
        for table in tables:
            console.print("", table)
        return
    text = io.StringIO()
    wide = Console(file=text, width=_WIDEST, no_color=True)
    for table in tables:
        wide.print("", table)
    # Rich ends the program when nobody reads on; `write` says so.
    sys.stdout.write("\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n")


def local(time: datetime | None) -> str:
    """Spell a time by this machine's clock."""
    return "" if time is None else f"{time.astimezone():%Y-%m-%d %H:%M}"


def took(run: FoundRun) -> str:
    """Say how long a run took, or has been running."""
    if run.seconds is not None:
        return spell(run.seconds)
    if run.status != "RUNNING" or run.started_at is None:
        return ""
    return f"{spell((datetime.now(UTC) - run.started_at).total_seconds())} so far"


def size(n_bytes: int | None) -> str:
    """Spell a number of bytes."""
    if n_bytes is None:
        return ""
    amount, unit = float(n_bytes), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < _KILO:
            break
        amount, unit = amount / _KILO, larger
    return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"


def _table(*columns: str, title: str, numbers: Sequence[int] = ()) -> Table:
    table = Table(title=Text(title) if title else None, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for position, column in enumerate(columns):
        table.add_column(Text(column), justify="right" if position in numbers else "left", no_wrap=position == 0)
    return table


def _line(text: str) -> str:
    return " ".join(printable(text).split())
