"""Information coefficients by the age of the model, from folds that follow one another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from rollforward.report.measures import Measures

_BINS, _LEAST_FOLDS, _LEAST_AGE = 8, 3, 16
_MOST_ROWS = 24


def ages_of_folds(measures: Measures, windows: pd.DataFrame | None) -> pd.DataFrame | None:
    """Average the ICs of all folds by the sessions since a fold's first prediction.

    Parameters
    ----------
    measures
        Of the merged signal.
    windows
        Segments without open ends; ``None`` if there are no folds.

    Returns
    -------
    pd.DataFrame or None
        Index: the sessions that a row covers, such as ``"1-16"``; columns ``IC``, ``Rank IC``, ``n_dates``. ``None`` if
        there are too few folds, or if they are too short, to say anything.
    """
    if windows is None or len(windows) < _LEAST_FOLDS:
        return None
    daily = pd.DataFrame({"IC": measures.ic, "Rank IC": measures.ric})
    age = _ages(pd.DatetimeIndex(daily.index), measures.dates, windows)
    longest = int(age.max())
    if longest < _LEAST_AGE:
        return None
    # The last bin is as full as the others: what only the longest window reaches says little.
    usual = int(np.quantile(age[age > 0], 0.98))
    width = int(np.ceil(usual / _BINS))
    place = np.minimum((age - 1) // width, (usual - 1) // width)
    known = age > 0
    groups = daily[known].groupby(place[known])
    table = groups.mean().assign(n_dates=groups.size())
    last = table.index.max()
    table.index = pd.Index(
        [f"{k * width + 1}\N{EN DASH}{longest if k == last else (k + 1) * width}" for k in table.index], name="age"
    )
    return table


def grouped_ages(table: pd.DataFrame) -> pd.DataFrame:
    """Bring a table by age into few rows.

    Parameters
    ----------
    table
        As `ic_by_age` returns it: index ``age``, columns ``IC``, ``Rank IC`` and, to weigh rows by, ``n_dates``. Ages
        below 1, dates that the model was trained on, are left out.

    Returns
    -------
    pd.DataFrame
        The same columns; one row for each stretch of ages, named after the first and the last of them.
    """
    table = table[table.index > 0].sort_index()
    weights = table["n_dates"] if "n_dates" in table else pd.Series(1, index=table.index)
    if len(table) <= _MOST_ROWS:
        return table[["IC", "Rank IC"]].assign(n_dates=weights)
    place = np.arange(len(table)) * _BINS // len(table)
    total = weights.groupby(place).sum()
    rows = {name: (table[name] * weights).groupby(place).sum() / total for name in ("IC", "Rank IC")}
    ages = pd.Series(table.index).groupby(place)
    names = [f"{first}\N{EN DASH}{last}" for first, last in zip(ages.min(), ages.max(), strict=True)]
    return pd.DataFrame({**rows, "n_dates": total}).set_axis(pd.Index(names, name="age"))


def _ages(dated: pd.DatetimeIndex, dates: pd.DatetimeIndex, windows: pd.DataFrame) -> np.ndarray:
    """Count, for each date, the predicted dates of its fold up to it; 0 for a date of no fold."""
    begin = dates.searchsorted(windows["test_start"].to_numpy(), side="left")
    end = dates.searchsorted(windows["test_end"].to_numpy(), side="right")
    age = np.zeros(len(dates), dtype=int)
    for first, last in zip(begin, end, strict=True):
        age[first:last] = np.arange(1, last - first + 1)
    return age[dates.get_indexer(dated)]
