"""What all plots have in common: the room they are drawn into, their axes, their type and their ink.

Every plot is a `Figure` of its own: no pyplot, no global state, nothing read from the user's style settings where it
would show. Only this package and `picture` load matplotlib.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import dates as mdates
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, MaxNLocator

from rollforward.report.picture import PIXELS_PER_POINT, POINTS_PER_INCH
from rollforward.report.theme import LIGHT

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import pandas as pd
    from matplotlib.axes import Axes

TITLE_HEIGHT = 44
FONT = "DejaVu Sans"  # shipped with matplotlib: the same picture on every machine
ENDS: dict[str, Any] = {"solid_capstyle": "butt", "solid_joinstyle": "round"}
_LINE_POINTS = 1500  # more vertices than a screen has columns change nothing but the size
_PAD = 0.05
_TINY = 1e-12


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


def canvas(shape: Shape, **grid: Any) -> tuple[Figure, list[Axes]]:
    """Make a figure of bare axes.

    Parameters
    ----------
    shape
        Room for the plot.
    grid
        ``nrows``, ``ncols``, ``width_ratios``, ``height_ratios``, ``sharex``.
    """
    height = shape.height + (TITLE_HEIGHT if shape.title else 0)
    # The title stands outside the layout, so that a page can show the same drawing without it.
    layout = ConstrainedLayoutEngine(
        w_pad=_PAD, h_pad=_PAD, wspace=0.06, hspace=0.08, rect=(0, 0, 1, shape.height / height)
    )
    figure = Figure(
        figsize=(shape.width / POINTS_PER_INCH, height / POINTS_PER_INCH),
        dpi=POINTS_PER_INCH * PIXELS_PER_POINT,
        facecolor=LIGHT["card"],
        edgecolor="none",
        layout=layout,
    )
    if shape.title:
        title = figure.suptitle(
            shape.title, x=15 / shape.width, y=1 - 15 / height, ha="left", va="top", **text(15, "ink", "bold")
        )
        title.set_in_layout(False)
    ratios: dict[str, Any] = {name: grid.pop(name) for name in ("width_ratios", "height_ratios") if name in grid}
    axes = figure.subplots(squeeze=False, gridspec_kw=ratios, **grid)
    for ax in axes.flat:
        _plain(ax)
    return figure, list(axes.flat)


def text(size: float, role: str = "soft", weight: str = "normal") -> dict[str, Any]:
    """Return matplotlib's arguments for a text of a size in points and of a role's colour."""
    return {"fontsize": size, "color": LIGHT[role], "fontfamily": FONT, "fontweight": weight}


def caption(ax: Axes, words: str) -> None:
    """Write what a panel shows above its left edge; without words the room stays, for a legend."""
    ax.set_title(words or " ", loc="left", pad=10, y=1, **text(12))


def legend(ax: Axes, order: Sequence[str] = ()) -> None:
    """Name the lines or bars of a panel above its right edge.

    Parameters
    ----------
    ax
        The panel.
    order
        The names from left to right; the others follow as they were drawn.
    """
    handles, names = ax.get_legend_handles_labels()
    places = sorted(range(len(names)), key=lambda i: order.index(names[i]) if names[i] in order else len(order) + i)
    box = ax.legend(
        [handles[i] for i in places],
        [names[i] for i in places],
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
        prop={"family": FONT, "size": 12},
    )
    box.set_in_layout(False)


def line(ax: Axes, series: pd.Series, role: str, name: str | None = None, width: float = 1.6) -> None:
    """Draw a series over its dates in the colour of a role; a single point becomes a dot."""
    dates, values = thin(day_numbers(series.index), series.to_numpy(float))
    marker = "o" if len(values) == 1 else "none"
    style: dict[str, Any] = {"color": LIGHT[role], "linewidth": width, "linestyle": "-", "marker": marker}
    ax.plot(dates, values, label=name or "_", zorder=3, **style, **ENDS)


def zero_line(ax: Axes) -> None:
    """Draw the line that values are compared with."""
    ax.axhline(0, color=LIGHT["zero"], linewidth=1, zorder=2)


def percentages(ax: Axes) -> None:
    """Write the values of the vertical axis as percentages."""
    ax.yaxis.set_major_formatter(FuncFormatter(_percent))


def date_axis(ax: Axes, *, narrow: bool) -> None:
    """Place few and round dates below a panel."""
    # matplotlib's dates module carries no types. With three ticks at the least, no interval fits two and a half years.
    locator = mdates.AutoDateLocator(minticks=2, maxticks=5 if narrow else 9)  # type: ignore[no-untyped-call]
    ax.xaxis.set_major_locator(locator)
    formatter = mdates.ConciseDateFormatter(locator, show_offset=False)  # type: ignore[no-untyped-call]
    ax.xaxis.set_major_formatter(formatter)


def name_axis(ax: Axes, names: Sequence[str], *, narrow: bool) -> None:
    """Name places 0, 1, ... below a panel, as many as there is room for."""
    every = int(np.ceil(len(names) / (6 if narrow else 9)))
    places = range(0, len(names), every)
    ax.set_xticks(list(places), [names[place] for place in places])


def held_back(table: pd.DataFrame, rows: Collection[object]) -> pd.DataFrame:
    """Cut off the values of some rows, so that the others set the scale, and mark their names with an asterisk.

    Parameters
    ----------
    table
        Numbers.
    rows
        Which of its index; there have to be others, or none of these.
    """
    if not len(rows):
        return table
    others = table.drop(index=[row for row in rows if row in table.index])
    if others.empty:
        return table
    low, high = min(0.0, float(others.min().min())), max(0.0, float(others.max().max()))
    held = table.clip(low, high).where(table.index.isin(list(rows))[:, None] & table.notna(), table)
    return held.rename(index=lambda row: f"{row}*" if row in rows else row)


def ramp(n_colours: int) -> list[str]:
    """Return the colours of quantiles, lowest first."""
    shades = [LIGHT[f"q{shade}"] for shade in range(1, 6)]
    return [shades[round(place)] for place in np.linspace(0, len(shades) - 1, n_colours)]


def day_numbers(dates: pd.Index | pd.Series) -> np.ndarray:
    """Return dates as matplotlib counts them."""
    return np.asarray(mdates.date2num(dates.to_numpy()), dtype=float)  # type: ignore[no-untyped-call]  # as above


def thin(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Leave out points of a line that nobody could see."""
    if len(x) <= _LINE_POINTS:
        return x, y
    kept = np.linspace(0, len(x) - 1, _LINE_POINTS).round().astype(int)
    return x[kept], y[kept]


def _plain(ax: Axes) -> None:
    """Take away what a plot does not need, and set what a user's style could have changed."""
    ax.set_facecolor("none")
    for spine in ax.spines.values():
        spine.set_visible(False)
    for axis in ("x", "y"):
        ax.tick_params(
            axis=axis, which="both", length=0, pad=6, labelsize=12, labelcolor=LIGHT["soft"], labelfontfamily=FONT
        )
    ax.tick_params(top=False, right=False, labeltop=False, labelright=False, labelbottom=True, labelleft=True)
    ax.set_axisbelow(True)
    ax.grid(visible=False, which="both")
    ax.grid(visible=True, axis="y", color=LIGHT["rule"], linewidth=0.8, linestyle="-", alpha=1)
    ax.yaxis.set_major_locator(MaxNLocator(5))
    ax.yaxis.set_major_formatter(FuncFormatter(_number))
    ax.margins(x=0.01, y=0.06)


def _percent(value: float, _place: object) -> str:
    return f"{value * 100:g} %".replace("-", "\N{MINUS SIGN}") if abs(value) > _TINY else "0"


def _number(value: float, _place: object) -> str:
    return f"{value:g}".replace("-", "\N{MINUS SIGN}") if abs(value) > _TINY else "0"
