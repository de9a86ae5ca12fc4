"""The windows of the folds, and the folds one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollforward.report import html, words
from rollforward.report.plots.folds import draw_windows
from rollforward.report.sections.base import Plot, Section
from rollforward.report.windows import short_names, timeline_height

if TYPE_CHECKING:
    from rollforward.report.sections.base import Subject


def windows_section(subject: Subject) -> Section | None:
    """Show which stretch of time each fold trains on, and which it predicts."""
    if subject.folds is None or subject.windows is None:
        return None
    windows, names = subject.windows, short_names(subject.folds["name"])
    height = timeline_height(len(windows))
    plot = Plot(
        lambda shape: draw_windows(windows, names, shape),
        "Windows",
        (height, height),
        words.describe_windows(windows),
    )
    return Section("windows", "Windows", {"windows": plot})


def folds_section(subject: Subject) -> Section | None:
    """List the folds with their results and their runs."""
    if subject.folds is None:
        return None
    values = {"folds": html.fold_rows(subject.folds), "show": html.fold_columns(subject.folds)}
    return Section("folds", "Folds", values=values, is_long=True, tables={"folds": subject.folds})
