"""Tables for the terminal."""

from __future__ import annotations

import io
import os
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    import pandas as pd

_HEAD, _TAIL = 3, 2
_DIGITS = 4
_SHORT_ID = 8
_LEAST_WIDTH, _FILE_WIDTH, _WIDEST, _ROOM_FOR_COUNTS = 80, 120, 1000, 110


def show(table: Table) -> None:
    """Print a table to standard output, as wide as `room` says."""
    console = Console()
    if console.is_terminal:
        console.print("", table)
        return
    text = io.StringIO()
    Console(file=text, width=room(), no_color=True).print("", table)
    # Rich ends the program when nobody reads on; `print` says so.
    sys.stdout.write(text.getvalue())


def room() -> int:
    """Return how wide a table may be: the terminal; into a file or a pipe ``COLUMNS``, if it is 80 or more."""
    console = Console()
    if console.is_terminal:
        return console.width
    columns = os.environ.get("COLUMNS", "")
    return max(int(columns), _LEAST_WIDTH) if columns.isascii() and columns.isdigit() else _FILE_WIDTH


def fits(table: Table) -> bool:
    """Tell whether nothing in a table has to be wrapped."""
    console = Console(width=_WIDEST)
    return console.measure(table).maximum <= room()


def plan_table(plan: pd.DataFrame, *, title: str, whole: bool) -> Table:
    """Build the table of the folds.

    Parameters
    ----------
    plan
        See `rollforward.workflow.rolling.plan`.
    title
        Shown above.
    whole
        Show all folds, not only the first and the last ones.
    """
    segments = [column.removesuffix("_start") for column in plan.columns if str(column).endswith("_start")]
    console = Console()
    with_count = whole and (not console.is_terminal or console.width >= _ROOM_FOR_COUNTS)
    to_do = [_to_do(plan.iloc[position]) for position in range(len(plan))]
    # One answer for all is in the line of totals.
    extra = ["to do"] if len(set(to_do)) > 1 else []
    table = Table("fold", *segments, *extra, title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    shortened = not whole and len(plan) > _HEAD + _TAIL + 1
    shown = [*range(_HEAD), *range(len(plan) - _TAIL, len(plan))] if shortened else list(range(len(plan)))
    for position in shown:
        row = plan.iloc[position]
        if shortened and position == len(plan) - _TAIL:
            table.add_row("...", *("..." for _ in [*segments, *extra]))
        ranges = [_range(row, name, with_count=with_count) for name in segments]
        table.add_row(str(position), *ranges, *(to_do[position] for _ in extra))
    return table


def totals(plan: pd.DataFrame) -> str:
    """Say in one line how much of a plan is left to do, and how long it may take."""
    left = plan[plan["trained"].isna()]
    n_fits = int(left["refit"].sum())
    parts = [f"{n_fits} to train"]
    if n_fits < len(left):
        parts.append(f"{len(left) - n_fits} to predict with the model of another fold")
    parts.append(f"{len(plan) - len(left)} trained already")
    return f"Folds: {', '.join(parts)}. Expected time: {_expected(left)}."


def _expected(left: pd.DataFrame) -> str:
    if left.empty:
        return "none"
    seconds = left["expected_seconds"]
    if seconds.isna().all():
        return "unknown, as this experiment has no finished run of the model"
    about = f"about {timedelta(seconds=max(round(seconds.sum()), 1))}, by earlier runs"
    unknown = int(seconds.isna().sum())
    return f"{about}; not known for {unknown} folds" if unknown else about


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
    if str(column).startswith("n_"):
        return f"{value:,.0f}"
    return f"{value:z.{_DIGITS}f}"


def _to_do(row: pd.Series) -> str:
    if row["trained"] is not None:
        return str(row["trained"])[:_SHORT_ID]
    return "train" if row["refit"] else "predict"


def _range(row: pd.Series, name: str, *, with_count: bool) -> str:
    span = f"{_day(row[f'{name}_start'])}..{_day(row[f'{name}_end'])}"
    count = str(row.get(f"n_{name}"))
    return f"{span} ({count})" if with_count and count.isdigit() else span


def _day(value: object) -> str:
    return "open" if value is None or value != value else str(value).removesuffix(" 00:00:00")  # noqa: PLR0124  # NaT
