"""How a signal fades: with the age of its model, and with the horizon it is judged by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollforward.report import words
from rollforward.report.ages import ages_of_folds, grouped_ages
from rollforward.report.plots.ic import draw_ic_pairs
from rollforward.report.sections.base import Plot, Section

if TYPE_CHECKING:
    from rollforward.report.sections.base import Subject

_HEIGHTS = (280, 240)
_LEAST_ROWS = 2


def age_section(subject: Subject) -> Section | None:
    """Show IC by the time since a model was made."""
    is_given = subject.ages is not None
    table = ages_of_folds(subject.measures, subject.windows) if subject.ages is None else grouped_ages(subject.ages)
    if table is None or len(table) < _LEAST_ROWS:
        return None
    axis = "mean IC by age of the model, in sessions" if is_given else "mean IC by sessions since the first prediction"
    plot = Plot(
        lambda shape: draw_ic_pairs(table, axis, shape),
        "IC by age of the model",
        _HEIGHTS,
        words.describe_pairs(table, "age of the model"),
    )
    return Section("age", "Age of the model", {"ic_by_age": plot}, {"is_given": is_given}, tables={"ic_by_age": table})


def horizon_section(subject: Subject) -> Section | None:
    """Show IC by the sessions that a position is held."""
    table = subject.horizons
    if table is None or len(table) < _LEAST_ROWS:
        return None
    plot = Plot(
        lambda shape: draw_ic_pairs(table, "mean IC by horizon, in sessions", shape),
        "IC by horizon",
        _HEIGHTS,
        words.describe_pairs(table, "horizon"),
    )
    return Section("horizon", "IC by horizon", {"ic_by_horizon": plot}, tables={"ic_by_horizon": table})
