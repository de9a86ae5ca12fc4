"""How far ahead a signal sees: its information coefficients by horizon."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd

from rollforward.evaluation.alpha import daily_ic, ic_row
from rollforward.evaluation.bydate import alone
from rollforward.evaluation.forward import check_horizons, price_grid
from rollforward.evaluation.places import unique

if TYPE_CHECKING:
    from collections.abc import Iterable


def ic_by_horizon(
    pred: pd.Series | pd.DataFrame,
    prices: pd.Series | pd.DataFrame,
    horizons: Iterable[int] = (1, 5, 10, 20),
    *,
    delay: int = 1,
    date_col: str = "datetime",
) -> pd.DataFrame:
    """Correlate a signal with the returns of several horizons.

    The ICs of neighbouring dates share most of their returns when the horizon is long: an ICIR of horizon 20 is no
    better founded than one of horizon 1, and ``n_dates`` does not count independent observations.

    Parameters
    ----------
    pred
        One column, indexed ``(datetime, instrument)``.
    prices
        As for `forward_returns`; their dates are the sessions that horizons count, so they must reach beyond the last
        prediction, and have no gaps.
    horizons
        Sessions that a position is held.
    delay
        Sessions between signal and purchase.
    date_col
        Index level with the dates.

    Returns
    -------
    pd.DataFrame
        Index ``horizon``; columns ``IC``, ``ICIR``, ``Rank IC``, ``Rank ICIR`` as in `ic_summary`, ``n_dates`` (dates
        that have an IC) and ``n_obs`` (pairs on these dates).

    Raises
    ------
    ColumnError
        If an index has no level ``date_col``.
    DataError
        As `forward_returns`; if ``pred`` has several columns; or if no row of it has a price.
    """
    horizons = check_horizons(horizons, delay)
    panel, grid = unique(alone(pred, date_col), "pred"), price_grid(prices, date_col)
    rows = [ic_row(*daily_ic(replace(panel, label=grid.at(panel, grid.ahead(horizon, delay))))) for horizon in horizons]
    return pd.DataFrame(rows, index=pd.Index(horizons, name="horizon"))
