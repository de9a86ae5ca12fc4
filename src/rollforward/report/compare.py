"""The page of a comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rollforward.report import html
from rollforward.report.html import Drawing
from rollforward.report.picture import to_svg
from rollforward.report.plots.canvas import Shape
from rollforward.report.plots.equity import SERIES, draw_side_by_side
from rollforward.report.sections.base import NARROW, WIDE
from rollforward.report.versions import versions
from rollforward.report.words import MISSING, day, number

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def comparison_page(
    table: pd.DataFrame,
    lines: pd.DataFrame,
    *,
    percent: bool,
    basis: str,
    n_trials: int,
    dsr: float,
    pbo: float | None,
    best: str | None,
    cost: float,
    sentences: Sequence[str],
    trials: str,
    notes: Sequence[str],
) -> str:
    """Write the page of a comparison.

    Parameters
    ----------
    table
        As `Comparison.table`, with ``annual_sharpe``.
    lines
        Running results on the common dates, one column per row of the table.
    percent
        They are fractions of the capital.
    basis
        What they are of, in words.
    n_trials, dsr, pbo, best, cost, sentences, trials, notes
        As in `Comparison`.

    Returns
    -------
    str
        HTML that needs nothing else.
    """
    ranked = table.sort_values("sharpe", ascending=False, kind="stable")
    letters = {str(key): _letter(place) for place, key in enumerate(ranked.index)}
    shown = list(ranked.index[: len(SERIES)])
    rows = [
        {
            "letter": letters[str(key)],
            "role": SERIES[place] if place < len(SERIES) else "",
            "name": str(key),
            "is_best": key == best,
            "own": f"{day(row['own_start'])} \N{EN DASH} {day(row['own_end'])}",
            "values": row.to_dict(),
        }
        for place, (key, row) in enumerate(ranked.iterrows())
    ]
    return html.render(
        "compare.html.j2",
        title="Comparison",
        subtitle=f"{len(table)} {'result' if len(table) == 1 else 'results'} on {len(lines):,} common dates, "
        f"{day(lines.index[0])} to {day(lines.index[-1])}",
        cards=_cards(n_trials, dsr, pbo, ranked),
        rows=rows,
        drawing=_drawing(lines[shown].set_axis([letters[str(key)] for key in shown], axis=1), basis, percent=percent),
        n_shown=len(shown),
        percent=percent,
        basis=basis,
        cost=cost,
        sentences=list(sentences),
        trials=trials,
        notes=list(notes),
        versions=versions(),
    )


def _cards(n_trials: int, dsr: float, pbo: float | None, ranked: pd.DataFrame) -> list[dict[str, str]]:
    top = float(ranked["annual_sharpe"].iloc[0])
    rows = [
        ("Best Sharpe ratio", number(top, 2), "a year, not corrected for the choice"),
        ("Trials", f"{n_trials:,}", "that it was chosen from"),
        ("Deflated Sharpe Ratio", number(dsr, 2), "probability of more than luck; 0.95 is the usual mark"),
        (
            "Backtest overfitting",
            MISSING if pbo is None else f"{number(pbo * 100, 0)} %",
            "probability; 50 % is as good as drawing lots",
        ),
    ]
    return [{"name": name, "value": value, "hint": hint} for name, value, hint in rows]


def _drawing(lines: pd.DataFrame, basis: str, *, percent: bool) -> Drawing:
    series: dict[str, Any] = {str(name): lines[name] for name in lines}
    ends = ", ".join(
        f"{name} {number(float(line.iloc[-1]) * (100 if percent else 1), 1)}" for name, line in series.items()
    )
    unit = " in percent" if percent else ""
    description = f"Line chart of the running sums of {basis}. They end at{unit}: {ends}."
    words = f"running sum of {basis}"
    shapes = (Shape(WIDE, 340), Shape(NARROW, 280, narrow=True))
    wide, narrow = (to_svg(draw_side_by_side(series, words, shape, percent=percent), description) for shape in shapes)
    return Drawing(wide=wide, narrow=narrow)


def _letter(place: int) -> str:
    """Name a place: A to Z, then A2 and so on."""
    round_, letter = divmod(place, len(_LETTERS))
    return _LETTERS[letter] + (str(round_ + 1) if round_ else "")
