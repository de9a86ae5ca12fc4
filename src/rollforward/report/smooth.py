"""Means over stretches of time, so that a line of many dates can be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_POINTS = 160
_STEPS = (("W", "week"), ("MS", "month"), ("QS", "quarter"), ("YS", "year"))


def smoothed(daily: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Average over weeks, months, quarters or years, whichever first gives few enough points.

    Parameters
    ----------
    daily
        Indexed by date, ascending, without NaN.

    Returns
    -------
    smooth
        Means, each at the middle of the dates it is of; the input itself, if that is short.
    kind
        What one point is the mean of: ``"date"``, ``"week"``, ``"month"``, ``"quarter"`` or ``"year"``.
    """
    if len(daily) <= _MOST_POINTS:
        return daily, "date"
    return next(_candidates(daily))


def _candidates(daily: pd.DataFrame) -> Iterator[tuple[pd.DataFrame, str]]:
    dates = pd.DatetimeIndex(daily.index)
    for rule, kind in _STEPS:
        groups = daily.assign(_at=dates.asi8).groupby(pd.Grouper(freq=rule))
        means = groups.mean().dropna()
        if len(means) <= _MOST_POINTS or kind == "year":
            middle = means.pop("_at").to_numpy().astype("int64").astype(dates.to_numpy().dtype)
            yield means.set_axis(pd.DatetimeIndex(middle), axis=0), kind
