"""Plots of information coefficients: over the dates, by year, by month, by age of the model, by horizon."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from rollforward.report.plots.canvas import (
    canvas,
    caption,
    date_axis,
    held_back,
    legend,
    line,
    name_axis,
    text,
    zero_line,
)
from rollforward.report.shades import shade_of
from rollforward.report.theme import LIGHT
from rollforward.report.words import short_number

if TYPE_CHECKING:
    from collections.abc import Collection

    import pandas as pd
    from matplotlib.figure import Figure

    from rollforward.report.plots.canvas import Shape

_ORDER = ("IC", "Rank IC")
_MONTHS = "JFMAMJJASOND"
_LEAST_ROW = 14  # points that a value needs to be read in


def draw_cumulative_ic(ic: pd.Series, ric: pd.Series, shape: Shape) -> Figure:
    """Draw the running sums of IC and Rank IC over the dates.

    Parameters
    ----------
    ic, ric
        Indexed by date, without NaN.
    shape
        Room for the plot.
    """
    figure, (ax,) = canvas(shape)
    for series, name, role in ((ric, "Rank IC", "rank-ic"), (ic, "IC", "ic")):
        line(ax, series.cumsum(), role, name)
    caption(ax, "running sum")
    zero_line(ax)
    date_axis(ax, narrow=shape.narrow)
    legend(ax, _ORDER)
    return figure


def draw_ic_pairs(table: pd.DataFrame, words: str, shape: Shape, thin: Collection[int] = ()) -> Figure:
    """Draw IC and Rank IC of each row as a pair of bars.

    Parameters
    ----------
    table
        Columns ``IC`` and ``Rank IC``; the index names the pairs: years, ages or horizons.
    words
        What a bar is.
    shape
        Room for the plot.
    thin
        Rows of few dates; they are marked and set no scale.
    """
    figure, (ax,) = canvas(shape)
    table = held_back(table[list(_ORDER)], thin)
    places = np.arange(len(table))
    for offset, name, role in ((-0.2, "IC", "ic"), (0.2, "Rank IC", "rank-ic")):
        ax.bar(places + offset, table[name].to_numpy(float), 0.36, color=LIGHT[role], label=name, zorder=3, linewidth=0)
    caption(ax, "mean IC" if shape.narrow else words)
    zero_line(ax)
    name_axis(ax, [str(name) for name in table.index], narrow=shape.narrow)
    legend(ax, _ORDER)
    return figure


def draw_monthly_ic(table: pd.DataFrame, bound: float, shape: Shape) -> Figure:
    """Draw the mean IC of each month as a calendar of colours.

    Parameters
    ----------
    table
        Index: years; columns: months 1 to 12; NaN where there is no date.
    bound
        Value, either way, that the deepest colour begins at.
    shape
        Room for the plot; its height is to grow with the years.
    """
    figure, (ax,) = canvas(shape)
    values = table.to_numpy(float)
    for role in sorted({shade_of(value, bound) for value in values.flat} - {""}):
        rows, columns = np.nonzero([[shade_of(value, bound) == role for value in row] for row in values])
        ax.add_patch(PathPatch(_tiles(rows, columns), facecolor=LIGHT[role], linewidth=0))
    if shape.height / max(len(table), 1) > _LEAST_ROW:
        for (row, column), value in np.ndenumerate(values):
            role = "on-strong" if shade_of(value, bound) in {"cold3", "warm3"} else "ink"
            if not np.isnan(value):
                ax.text(column, row, short_number(float(value)), ha="center", va="center_baseline", **text(10, role))
    ax.set_xlim(-0.5, len(_MONTHS) - 0.5)
    ax.set_ylim(len(table) - 0.5, -0.5)
    ax.grid(visible=False)
    ax.set_xticks(range(len(_MONTHS)), list(_MONTHS))
    every = max(1, int(np.ceil(len(table) * _LEAST_ROW / shape.height)))
    rows_named = range(0, len(table), every)
    ax.set_yticks(list(rows_named), [str(table.index[row]) for row in rows_named])
    caption(ax, "mean IC of the month")
    return figure


def _tiles(rows: np.ndarray, columns: np.ndarray) -> Path:
    left, right, low, high = columns - 0.48, columns + 0.48, rows - 0.46, rows + 0.46
    corners = np.stack([(left, low), (right, low), (right, high), (left, high), (left, low)])
    codes = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY] * len(rows)
    return Path(corners.transpose(2, 0, 1).reshape(-1, 2), codes)
