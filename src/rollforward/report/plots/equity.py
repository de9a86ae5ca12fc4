"""Plots of what a position in the signal would have earned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matplotlib.ticker import MaxNLocator

from rollforward.report.plots.canvas import (
    canvas,
    caption,
    date_axis,
    day_numbers,
    legend,
    line,
    percentages,
    thin,
    zero_line,
)
from rollforward.report.theme import LIGHT

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from matplotlib.figure import Figure

    from rollforward.report.plots.canvas import Shape

SERIES = tuple(f"series{place}" for place in range(1, 9))


def draw_equity(lines: Mapping[str, tuple[pd.Series, str]], drawdown: pd.Series, words: str, shape: Shape) -> Figure:
    """Draw running results, and below them how far the first one is under its own peak.

    Parameters
    ----------
    lines
        Running results indexed by date, and the role of their colour, by name; fractions.
    drawdown
        Of the first one: 0 at a peak, else negative.
    words
        What the upper panel shows.
    shape
        Room for the plot.
    """
    grid: dict[str, Any] = {"nrows": 2, "height_ratios": [5, 2], "sharex": True}
    figure, (upper, lower) = canvas(shape, **grid)
    for name, (series, role) in reversed(list(lines.items())):
        line(upper, series, role, name)
    caption(upper, "" if shape.narrow else words)
    legend(upper, tuple(lines))
    dates, depth = thin(day_numbers(drawdown.index), drawdown.to_numpy(float))
    lower.fill_between(dates, depth, 0, color=LIGHT["drop"], linewidth=0, zorder=2)
    line(lower, drawdown, "loss", width=1.0)
    caption(lower, "drawdown")
    lower.yaxis.set_major_locator(MaxNLocator(3))
    upper.tick_params(labelbottom=False)
    for ax in (upper, lower):
        zero_line(ax)
        date_axis(ax, narrow=shape.narrow)
        percentages(ax)
    return figure


def draw_side_by_side(lines: Mapping[str, pd.Series], words: str, shape: Shape, *, percent: bool) -> Figure:
    """Draw the running results of several candidates over the same dates.

    Parameters
    ----------
    lines
        By name, at most eight; indexed by date.
    words
        What they are.
    shape
        Room for the plot.
    percent
        Write the values as percentages.
    """
    figure, (ax,) = canvas(shape)
    for role, (name, series) in zip(SERIES, lines.items(), strict=False):
        line(ax, series, role, name)
    caption(ax, "" if shape.narrow else words)
    zero_line(ax)
    date_axis(ax, narrow=shape.narrow)
    if percent:
        percentages(ax)
    legend(ax, tuple(lines))
    return figure
