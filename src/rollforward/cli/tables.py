"""Tables for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    import pandas as pd

_HEAD, _TAIL = 3, 2
_DIGITS = 4


def show(table: Table) -> None:
    """Print a table to standard output."""
    Console().print("", table)


def plan_table(plan: pd.DataFrame, *, title: str, whole: bool) -> Table:
    """Build the table of the folds.

    Parameters
    ----------
    plan
        One row per fold; columns ``<segment>_start`` and ``<segment>_end``.
    title
        Shown above.
    whole
        Show all folds, not only the first and the last ones.
    """
    segments = [column.removesuffix("_start") for column in plan.columns if str(column).endswith("_start")]
    table = Table("fold", *segments, title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    shortened = not whole and len(plan) > _HEAD + _TAIL + 1
    shown = [*range(_HEAD), *range(len(plan) - _TAIL, len(plan))] if shortened else list(range(len(plan)))
    for position in shown:
        row = plan.iloc[position]
        if shortened and position == len(plan) - _TAIL:
            table.add_row("...", *("..." for _ in segments))
        table.add_row(str(position), *(_range(row[f"{name}_start"], row[f"{name}_end"]) for name in segments))
    return table


def ic_table(by_year: pd.DataFrame) -> Table:
    """Build the table of IC, ICIR, Rank IC and Rank ICIR by year, the last row being all dates."""
    table = Table(title="Out-of-sample prediction", title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in ["year", *by_year.columns]:
        table.add_column(str(column), justify="right")
    last = len(by_year) - 1
    for position, (year, row) in enumerate(by_year.iterrows()):
        cells = [_number(column, value) for column, value in row.items()]
        table.add_row(str(year), *cells, style="bold" if position == last else None, end_section=position == last - 1)
    return table


def _number(column: object, value: float) -> str:
    return f"{value:,.0f}" if str(column).startswith("n_") else f"{value:.{_DIGITS}f}"


def _range(start: object, end: object) -> str:
    return f"{_day(start)}..{_day(end)}"


def _day(value: object) -> str:
    return "open" if value is None or value != value else str(value).removesuffix(" 00:00:00")  # noqa: PLR0124  # NaT
