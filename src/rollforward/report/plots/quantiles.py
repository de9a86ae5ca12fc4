"""Plots of the groups that a score sorts instruments into."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from rollforward.report.plots.canvas import (
    canvas,
    caption,
    date_axis,
    held_back,
    legend,
    line,
    name_axis,
    percentages,
    ramp,
    text,
    zero_line,
)
from rollforward.report.theme import LIGHT
from rollforward.report.words import label_value

if TYPE_CHECKING:
    from collections.abc import Collection

    import pandas as pd
    from matplotlib.figure import Figure

    from rollforward.report.plots.canvas import Shape

_LINES = ("warm3", "warm2", "zero", "cold2", "cold3")


def draw_quantile_returns(
    means: pd.Series, spread: pd.Series, shape: Shape, *, percent: bool, thin: Collection[int] = ()
) -> Figure:
    """Draw the mean label of each quantile, and beside it the spread of the outer ones by year.

    Parameters
    ----------
    means
        Indexed by quantile, 1 being the lowest predictions.
    spread
        Top minus bottom quantile, indexed by year.
    shape
        Room for the plot.
    percent
        Write the labels as percentages.
    thin
        Years of few dates; they are marked and set no scale.
    """
    figure, (left, right) = canvas(shape, **_beside(shape, 2, 3))
    spread = held_back(spread.to_frame(), thin).iloc[:, 0]
    values = means.to_numpy(float)
    bars = left.bar(np.arange(len(means)), values, 0.72, color=ramp(len(means)), zorder=3, linewidth=0)
    left.bar_label(bars, [label_value(value, percent=percent) for value in values], padding=3, **text(11))
    left.margins(y=0.14)
    left.set_xticks(np.arange(len(means)), [f"Q{quantile}" for quantile in means.index])
    caption(left, "mean label by quantile of the score")
    right.bar(np.arange(len(spread)), spread.to_numpy(float), 0.72, color=LIGHT["q5"], zorder=3, linewidth=0)
    caption(right, f"Q{means.index[-1]} minus Q{means.index[0]}, mean of the year")
    name_axis(right, [str(year) for year in spread.index], narrow=shape.narrow)
    for ax in (left, right):
        zero_line(ax)
        if percent:
            percentages(ax)
    return figure


def draw_cumulative_quantiles(excess: pd.DataFrame, spread: pd.Series, shape: Shape, *, percent: bool) -> Figure:
    """Draw the running sums of the quantiles above the mean of all, and of the spread of the outer ones.

    Parameters
    ----------
    excess
        Running sums indexed by date; one column per quantile.
    spread
        Running sum of top minus bottom quantile.
    shape
        Room for the plot.
    percent
        Write the sums as percentages.
    """
    figure, (left, right) = canvas(shape, **_beside(shape, 1, 1))
    shades = [_LINES[round(place)] for place in np.linspace(0, len(_LINES) - 1, excess.shape[1])]
    for quantile, role in zip(excess, shades, strict=True):
        line(left, excess[quantile], role, f"Q{quantile}", 1.3)
    caption(left, "" if shape.narrow else "above the mean")
    legend(left)
    line(right, spread, "cold3")
    caption(right, f"Q{excess.columns[-1]} minus Q{excess.columns[0]}, running sum")
    for ax in (left, right):
        zero_line(ax)
        date_axis(ax, narrow=True)
        if percent:
            percentages(ax)
    return figure


def draw_steadiness(turnover: pd.DataFrame, correlation: pd.Series, shape: Shape) -> Figure:
    """Draw how much the outer groups change, and how alike the rankings of neighbouring dates are.

    Parameters
    ----------
    turnover
        Share of a group that is new, indexed by date; columns are the lowest and the highest quantile.
    correlation
        Of the ranks of a date with those before, indexed by date.
    shape
        Room for the plot.
    """
    figure, (left, right) = canvas(shape, **_beside(shape, 1, 1))
    for quantile, role in zip(turnover, ("warm3", "cold3"), strict=True):
        line(left, turnover[quantile], role, f"Q{quantile}", 1.4)
    caption(left, "share of the group that is new")
    left.set_ylim(bottom=0)
    percentages(left)
    legend(left)
    line(right, correlation, "cold3", width=1.4)
    caption(right, "rank autocorrelation")
    for ax in (left, right):
        date_axis(ax, narrow=True)
    return figure


def _beside(shape: Shape, left: int, right: int) -> dict[str, Any]:
    """Put two panels side by side, on a phone below each other."""
    return {"nrows": 2} if shape.narrow else {"ncols": 2, "width_ratios": [left, right]}
