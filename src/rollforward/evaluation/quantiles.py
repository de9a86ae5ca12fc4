"""Groups of equal size, from the lowest predictions of a date to its highest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rollforward.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

    from rollforward.evaluation.bydate import Ints, Panel


def quantile_spread(returns: pd.DataFrame) -> pd.Series:
    """Subtract the return of the lowest quantile from that of the highest.

    The whole capital is invested on each side: it is twice what a portfolio of one half on each earns.

    Parameters
    ----------
    returns
        As `quantile_returns` returns them: one row per date, columns ascending from the lowest predictions.

    Returns
    -------
    pd.Series
        Named ``spread``, indexed by date; NaN where one of the two quantiles is empty.
    """
    return (returns.iloc[:, -1] - returns.iloc[:, 0]).rename("spread")


def check_n_quantiles(n_quantiles: int) -> None:
    """Refuse a number of groups that compares nothing.

    Raises
    ------
    DataError
        If there are fewer than two.
    """
    if n_quantiles < 2:  # noqa: PLR2004  # fewer than two groups compare nothing
        raise DataError(f"n_quantiles is {n_quantiles}.", "an integer of at least 2.", "Ask for more groups.")


def quantile_groups(panel: Panel, n_quantiles: int) -> Ints:
    """Put each row into a quantile of the predictions of its date, from 1 (lowest) to ``n_quantiles``.

    The panel has no missing prediction. The groups are those of ``pandas.qcut``.
    """
    size, start = panel.count(), panel.start
    ordered = panel.pred[panel.order(panel.pred)]
    group = np.ones(len(panel.pred), dtype=np.intp)
    for k in range(1, n_quantiles):
        # Nothing lies between two neighbours, so being above the interpolated edge is being above its lower neighbour.
        below = np.minimum(start + k * np.maximum(size - 1, 0) // n_quantiles, max(len(ordered) - 1, 0))
        if len(ordered):
            group += panel.pred > ordered[below][panel.code]
    return group
