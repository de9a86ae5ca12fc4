"""The timeline of the folds: which stretch of time each trains on, and which it predicts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from rollforward.errors import EmptySegmentError
from rollforward.report import inputs
from rollforward.report.picture import to_png
from rollforward.report.plots import folds as plots
from rollforward.report.plots.canvas import Shape

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH = 1024
_NAME_LENGTH = 8
_ROW_LOW, _ROW_HIGH, _ROWS, _LEAST = 4.5, 20.0, 380.0, 60.0


def windows_png(folds: pd.DataFrame, *, title: str = "Windows") -> bytes:
    """Draw the folds of a plan.

    Parameters
    ----------
    folds
        One row per fold, as in `signal_report`. A test segment that is open is drawn as long as the one before.
    title
        Written above the plot.

    Returns
    -------
    bytes
        A PNG picture.

    Raises
    ------
    ColumnError, DataError
        As `signal_report`.
    EmptySegmentError
        If there is no fold.
    """
    table = inputs.tidy_folds(folds)
    if table is None:
        raise EmptySegmentError("There is no fold to draw.", "a plan with one fold or more.")
    bounds = [f"{segment}_{end}" for segment in inputs.SEGMENTS for end in ("start", "end")]
    known = pd.concat([table[column] for column in bounds if column in table]).dropna()
    lengths = (table["test_end"] - table["test_start"]).dropna()
    reach = table["test_start"].max() + (pd.Timedelta(0) if lengths.empty else lengths.iloc[-1])
    windows = inputs.close_segments(table, known.min(), max(known.max(), reach))
    shape = Shape(WIDTH, timeline_height(len(table)), title=title)
    return to_png(plots.draw_windows(windows, short_names(table["name"]), shape))


def short_names(names: Sequence[object] | pd.Series) -> list[str]:
    """Cut the names of folds to what fits beside a timeline."""
    texts = [str(name) for name in names]
    return [
        text if len(text) <= _NAME_LENGTH else text[: _NAME_LENGTH - 1] + "\N{HORIZONTAL ELLIPSIS}" for text in texts
    ]


def timeline_height(n_folds: int) -> int:
    """Return the height of a timeline in points: rows as high as there is room for."""
    rows = n_folds * min(max(_ROWS / n_folds, _ROW_LOW), _ROW_HIGH)
    return round(plots.WINDOWS_FRAME + max(rows, _LEAST))
