"""Making the scores of different models comparable, date by date, and averaging them. Plain arithmetic on arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

if TYPE_CHECKING:
    from rollforward.model.ens.aligned import Table

Floats: TypeAlias = NDArray[np.float64]
Days: TypeAlias = NDArray[np.intp]
Scale: TypeAlias = Callable[[Floats, Days, int], Floats]

_ROUNDING = 1e-13  # a deviation below this part of the mean is what is left of a constant


def mean_score(table: Table, scale: Scale, weights: Sequence[Floats] | None = None) -> pd.Series:
    """Bring each column to a common scale and average the columns that are known in a row.

    Parameters
    ----------
    table
        One column per score.
    scale
        Takes a column, the group of each row and the number of groups, one per date; NaN is unknown.
    weights
        For each column one number per date, not negative; ``None`` weighs all the same.

    Returns
    -------
    pd.Series
        On the rows of the table, without a name; NaN where no column of positive weight is known.
    """
    group = np.where(table.day < 0, len(table.days), table.day)
    total, known_weight = np.zeros(len(group)), np.zeros(len(group))
    for at, column in enumerate(table.columns):
        score = scale(column, group, len(table.days) + 1)
        known = ~np.isnan(score)
        if weights is None:
            np.add(total, score, out=total, where=known)
            known_weight += known
        else:
            weight = np.append(weights[at], 0.0).take(group)
            np.add(total, weight * score, out=total, where=known)
            known_weight += weight * known
    with np.errstate(divide="ignore", invalid="ignore"):  # rows that no column knows
        total /= known_weight
    total[table.day < 0] = np.nan
    return pd.Series(total, index=table.index)


def standardised(column: Floats, group: Days, n_groups: int) -> Floats:
    """Compute ``(x - mean) / std`` within groups, with ``n - 1`` in the deviation; NaN where a group is constant."""
    known = ~np.isnan(column)
    whole = bool(known.all())
    of, values = (group, column) if whole else (group[known], column[known])
    n_rows = np.bincount(of, minlength=n_groups)
    with np.errstate(divide="ignore", invalid="ignore"):  # groups without rows, and of one row
        mean = np.bincount(of, weights=values, minlength=n_groups) / n_rows
        deviation = column - mean.take(group)
        squares = (deviation if whole else deviation[known]) ** 2
        spread = np.sqrt(np.bincount(of, weights=squares, minlength=n_groups) / (n_rows - 1))
        spread[spread <= _ROUNDING * np.abs(mean)] = np.nan
        deviation /= spread.take(group)
    return deviation


def percentile_ranks(column: Floats, group: Days, n_groups: int) -> Floats:
    """Compute ``(rank - 1/2) / n`` within groups, ties sharing their average rank; NaN where a group is constant.

    The share of the group that is below a value, half of what equals it included: 1/2 on average, whatever `n`.
    """
    ranked = np.full(len(column), np.nan)
    known = np.flatnonzero(~np.isnan(column))
    if not len(known):
        return ranked
    order = known[np.lexsort((column[known], group[known]))]
    values, of = column[order], group[order]
    n_rows = np.bincount(of, minlength=n_groups)
    is_new = np.append(True, (values[1:] != values[:-1]) | (of[1:] != of[:-1]))
    first = np.flatnonzero(is_new)
    after = np.append(first[1:], len(order))
    start = (np.cumsum(n_rows) - n_rows).take(of[first])
    n_in_group = n_rows.take(of[first])
    share = ((first + after) / 2 - start) / n_in_group
    share[after - first == n_in_group] = np.nan
    ranked[order] = np.repeat(share, after - first)
    return ranked


def unscaled(column: Floats, group: Days, n_groups: int) -> Floats:  # noqa: ARG001  one signature for all scales
    """Leave values as they are."""
    return column
