"""The plots of a report.

Every plot is a `Figure` of its own: no pyplot, no global state, nothing read from the user's style settings where it
would show. This file and `picture` are the only ones that load matplotlib.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import dates as mdates
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.ticker import FuncFormatter, MaxNLocator

from rollforward.report.picture import PIXELS_PER_POINT, POINTS_PER_INCH
from rollforward.report.theme import LIGHT
from rollforward.report.words import label_value

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.axes import Axes

_FONT = "DejaVu Sans"  # shipped with matplotlib: the same picture on every machine
_ENDS: dict[str, Any] = {"solid_capstyle": "butt", "solid_joinstyle": "round"}
_TITLE_HEIGHT = 44
WINDOWS_FRAME = 64  # height of a timeline without its rows
_LINE_POINTS = 1500  # more vertices than a screen has columns change nothing but the size


@dataclass(frozen=True)
class Shape:
    """Room that a plot is drawn into.

    Parameters
    ----------
    width, height
        In points, which are CSS pixels on the page; a title comes on top of the height.
    narrow
        Drawn for a phone: fewer ticks, panels below each other.
    title
        Written above the plot, for a picture that stands alone.
    """

    width: int
    height: int
    narrow: bool = False
    title: str = ""


def draw_cumulative_ic(ic: pd.Series, ric: pd.Series, shape: Shape) -> Figure:
    """Draw the running sums of IC and Rank IC over the dates.

    Parameters
    ----------
    ic, ric
        Indexed by date, without NaN.
    shape
        Room for the plot.
    """
    figure, (ax,) = _canvas(shape)
    for series, name, role in ((ric, "Rank IC", "rank-ic"), (ic, "IC", "ic")):
        dates, total = _thin(_day_numbers(series.index), series.to_numpy(float).cumsum())
        marker = "o" if len(total) == 1 else "none"
        ax.plot(
            dates, total, color=LIGHT[role], label=name, linewidth=1.6, linestyle="-", marker=marker, zorder=3, **_ENDS
        )
    _caption(ax, "running sum")
    _zero_line(ax)
    _date_axis(ax, shape)
    _legend(ax)
    return figure


def draw_ic_by_year(table: pd.DataFrame, shape: Shape) -> Figure:
    """Draw the mean IC and Rank IC of each year as pairs of bars.

    Parameters
    ----------
    table
        Indexed by year; columns ``IC`` and ``Rank IC``.
    shape
        Room for the plot.
    """
    figure, (ax,) = _canvas(shape)
    places = np.arange(len(table))
    for offset, name, role in ((-0.2, "IC", "ic"), (0.2, "Rank IC", "rank-ic")):
        ax.bar(places + offset, table[name].to_numpy(float), 0.36, color=LIGHT[role], label=name, zorder=3, linewidth=0)
    _caption(ax, "mean of the year")
    _zero_line(ax)
    _year_axis(ax, [str(year) for year in table.index], shape)
    _legend(ax)
    return figure


def draw_quantile_returns(means: pd.Series, spread: pd.Series, shape: Shape, *, percent: bool) -> Figure:
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
    """
    grid: dict[str, Any] = {"nrows": 2} if shape.narrow else {"ncols": 2, "width_ratios": [2, 3]}
    figure, (left, right) = _canvas(shape, **grid)
    values = means.to_numpy(float)
    bars = left.bar(np.arange(len(means)), values, 0.72, color=_ramp(len(means)), zorder=3, linewidth=0)
    left.bar_label(bars, [label_value(value, percent=percent) for value in values], padding=3, **_text(11))
    left.margins(y=0.14)
    left.set_xticks(np.arange(len(means)), [f"Q{quantile}" for quantile in means.index])
    _caption(left, "mean label by quantile of the score")
    right.bar(np.arange(len(spread)), spread.to_numpy(float), 0.72, color=LIGHT["q5"], zorder=3, linewidth=0)
    _caption(right, f"Q{means.index[-1]} minus Q{means.index[0]}, mean of the year")
    _year_axis(right, [str(year) for year in spread.index], shape)
    for ax in (left, right):
        _zero_line(ax)
        if percent:
            ax.yaxis.set_major_formatter(FuncFormatter(_percent))
    return figure


def draw_windows(folds: pd.DataFrame, names: Sequence[str], shape: Shape) -> Figure:
    """Draw the segments of all folds as bars over time, the first fold on top.

    Parameters
    ----------
    folds
        One row per fold; columns ``<segment>_start`` and ``<segment>_end`` for train, valid (optional) and test, all
        known; ends are inclusive.
    names
        Short names of the folds.
    shape
        Room for the plot; its height is to grow with the folds.
    """
    figure, (ax,) = _canvas(shape)
    pitch = (shape.height - WINDOWS_FRAME) / max(len(folds), 1)
    thickness = 0.9 if pitch < 8 else 0.7  # noqa: PLR2004  # thin rows need their ink
    for segment in ("train", "valid", "test"):
        if f"{segment}_start" not in folds or not folds[f"{segment}_start"].notna().any():
            continue
        boxes = _boxes(folds[f"{segment}_start"], folds[f"{segment}_end"], thickness)
        ax.add_patch(PathPatch(boxes, facecolor=LIGHT[segment], linewidth=0, label=segment, zorder=3))
    ax.set_ylim(len(folds) - 0.3, -0.7)
    ax.autoscale(axis="x", tight=True)
    every = int(np.ceil(16 / pitch))
    rows = range(0, len(folds), _round_up(every))
    ax.set_yticks(list(rows), [names[row] for row in rows], parse_math=False)
    _caption(ax, "fold")
    _date_axis(ax, shape)
    ax.grid(visible=True, axis="x", color=LIGHT["rule"], linewidth=0.8)
    ax.grid(visible=False, axis="y")
    _legend(ax)
    return figure


def _canvas(shape: Shape, **grid: Any) -> tuple[Figure, list[Axes]]:
    height = shape.height + (_TITLE_HEIGHT if shape.title else 0)
    size = (shape.width / POINTS_PER_INCH, height / POINTS_PER_INCH)
    dpi = POINTS_PER_INCH * PIXELS_PER_POINT
    pad = 0.2 if shape.title else 0.05
    layout = ConstrainedLayoutEngine(w_pad=pad, h_pad=pad, wspace=0.06, hspace=0.08)
    figure = Figure(figsize=size, dpi=dpi, facecolor=LIGHT["card"], edgecolor="none", layout=layout)
    if shape.title:
        figure.suptitle(shape.title, x=pad * POINTS_PER_INCH / shape.width, ha="left", **_text(15, "ink", "bold"))
    ratios = {"width_ratios": grid.pop("width_ratios", None)}
    axes = figure.subplots(squeeze=False, gridspec_kw={k: v for k, v in ratios.items() if v}, **grid)
    for ax in axes.flat:
        _plain(ax)
    return figure, list(axes.flat)


def _plain(ax: Axes) -> None:
    """Take away what a plot does not need, and set what a user's style could have changed."""
    ax.set_facecolor("none")
    for spine in ax.spines.values():
        spine.set_visible(False)
    for axis in ("x", "y"):
        ax.tick_params(
            axis=axis, which="both", length=0, pad=6, labelsize=12, labelcolor=LIGHT["soft"], labelfontfamily=_FONT
        )
    ax.tick_params(top=False, right=False, labeltop=False, labelright=False, labelbottom=True, labelleft=True)
    ax.set_axisbelow(True)
    ax.grid(visible=False, which="both")
    ax.grid(visible=True, axis="y", color=LIGHT["rule"], linewidth=0.8, linestyle="-", alpha=1)
    ax.yaxis.set_major_locator(MaxNLocator(5))
    ax.yaxis.set_major_formatter(FuncFormatter(_number))
    ax.margins(x=0.01, y=0.06)


def _text(size: float, role: str = "soft", weight: str = "normal") -> dict[str, Any]:
    return {"fontsize": size, "color": LIGHT[role], "fontfamily": _FONT, "fontweight": weight}


def _caption(ax: Axes, words: str) -> None:
    ax.set_title(words, loc="left", pad=10, y=1, **_text(12))


def _legend(ax: Axes) -> None:
    handles, names = ax.get_legend_handles_labels()
    order = sorted(range(len(names)), key=lambda i: ("IC", "Rank IC", "train", "valid", "test").index(names[i]))
    legend = ax.legend(
        [handles[i] for i in order],
        [names[i] for i in order],
        loc="lower right",
        bbox_to_anchor=(1, 1),
        ncols=len(names),
        frameon=False,
        borderaxespad=0.55,
        borderpad=0,
        handlelength=1.1,
        handleheight=0.7,
        handletextpad=0.5,
        columnspacing=1.4,
        labelcolor=LIGHT["ink"],
        prop={"family": _FONT, "size": 12},
    )
    legend.set_in_layout(False)


def _zero_line(ax: Axes) -> None:
    ax.axhline(0, color=LIGHT["zero"], linewidth=1, zorder=2)


def _date_axis(ax: Axes, shape: Shape) -> None:
    # matplotlib's dates module carries no types. With three ticks at the least, no interval fits two and a half years.
    locator = mdates.AutoDateLocator(minticks=2, maxticks=5 if shape.narrow else 9)  # type: ignore[no-untyped-call]
    ax.xaxis.set_major_locator(locator)
    formatter = mdates.ConciseDateFormatter(locator, show_offset=False)  # type: ignore[no-untyped-call]
    ax.xaxis.set_major_formatter(formatter)


def _year_axis(ax: Axes, years: Sequence[str], shape: Shape) -> None:
    every = int(np.ceil(len(years) / (6 if shape.narrow else 9)))
    places = range(0, len(years), every)
    ax.set_xticks(list(places), [years[place] for place in places])


def _percent(value: float, _place: object) -> str:
    return f"{value * 100:g} %".replace("-", "\N{MINUS SIGN}") if abs(value) > 1e-12 else "0"  # noqa: PLR2004


def _number(value: float, _place: object) -> str:
    return f"{value:g}".replace("-", "\N{MINUS SIGN}") if abs(value) > 1e-12 else "0"  # noqa: PLR2004


def _ramp(n_colours: int) -> list[str]:
    shades = [LIGHT[f"q{shade}"] for shade in range(1, 6)]
    return [shades[round(place)] for place in np.linspace(0, len(shades) - 1, n_colours)]


def _round_up(every: int) -> int:
    return next(step for step in (1, 2, 5, 10, 20, 50, 100, 200, 500, every) if step >= every)


def _day_numbers(dates: pd.Index | pd.Series) -> np.ndarray:
    return np.asarray(mdates.date2num(dates.to_numpy()), dtype=float)  # type: ignore[no-untyped-call]  # as above


def _thin(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if len(x) <= _LINE_POINTS:
        return x, y
    kept = np.linspace(0, len(x) - 1, _LINE_POINTS).round().astype(int)
    return x[kept], y[kept]


def _boxes(start: pd.Series, end: pd.Series, thickness: float) -> Path:
    """Build one path of all bars; an inclusive end is drawn to the end of its day."""
    known = start.notna().to_numpy()
    left, right = _day_numbers(start[known]), _day_numbers(end[known]) + 1
    row = np.flatnonzero(known)
    low, high = row - thickness / 2, row + thickness / 2
    corners = np.stack([(left, low), (right, low), (right, high), (left, high), (left, low)])
    vertices = corners.transpose(2, 0, 1).reshape(-1, 2)
    codes = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY] * len(row)
    return Path(vertices, codes)
