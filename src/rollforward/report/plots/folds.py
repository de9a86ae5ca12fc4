"""The timeline of folds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from rollforward.report.plots.canvas import canvas, caption, date_axis, day_numbers, legend
from rollforward.report.theme import LIGHT

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.figure import Figure

    from rollforward.report.plots.canvas import Shape

WINDOWS_FRAME = 64  # height of a timeline without its rows
_ORDER = ("train", "valid", "test")


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
    figure, (ax,) = canvas(shape)
    pitch = (shape.height - WINDOWS_FRAME) / max(len(folds), 1)
    thickness = 0.9 if pitch < 8 else 0.7  # noqa: PLR2004  # thin rows need their ink
    for segment in _ORDER:
        if f"{segment}_start" not in folds or not folds[f"{segment}_start"].notna().any():
            continue
        boxes = _boxes(folds[f"{segment}_start"], folds[f"{segment}_end"], thickness)
        ax.add_patch(PathPatch(boxes, facecolor=LIGHT[segment], linewidth=0, label=segment, zorder=3))
    ax.set_ylim(len(folds) - 0.3, -0.7)
    ax.autoscale(axis="x", tight=True)
    every = int(np.ceil(16 / pitch))
    rows = range(0, len(folds), _round_up(every))
    ax.set_yticks(list(rows), [names[row] for row in rows], parse_math=False)
    caption(ax, "fold")
    date_axis(ax, narrow=shape.narrow)
    ax.grid(visible=True, axis="x", color=LIGHT["rule"], linewidth=0.8)
    ax.grid(visible=False, axis="y")
    legend(ax, _ORDER)
    return figure


def _round_up(every: int) -> int:
    return next(step for step in (1, 2, 5, 10, 20, 50, 100, 200, 500, every) if step >= every)


def _boxes(start: pd.Series, end: pd.Series, thickness: float) -> Path:
    """Build one path of all bars; an inclusive end is drawn to the end of its day."""
    known = start.notna().to_numpy()
    left, right = day_numbers(start[known]), day_numbers(end[known]) + 1
    row = np.flatnonzero(known)
    low, high = row - thickness / 2, row + thickness / 2
    corners = np.stack([(left, low), (right, low), (right, high), (left, high), (left, low)])
    vertices = corners.transpose(2, 0, 1).reshape(-1, 2)
    codes = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY] * len(row)
    return Path(vertices, codes)
