"""What the portfolio is compared with: one return per session."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rollforward.backtest.market import change_of
from rollforward.data.selection import nearest
from rollforward.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rollforward.backtest.market import Floats, Market

logger = logging.getLogger(__name__)

MEAN = "mean"


def benchmark_returns(benchmark: Any, market: Market) -> Floats:
    """Compute the return of the benchmark of each session of a market.

    Parameters
    ----------
    benchmark
        ``"mean"``: the mean of the changes of all instruments with prices, every day weighted equally anew; an
        instrument; a list of instruments, for their mean; a Series of returns by session; ``None`` for zero.
    market
        Gives the sessions and the closes.

    Returns
    -------
    ndarray
        One value per session; 0 where nothing is known.

    Raises
    ------
    DataError
        If an instrument is not in the prices, or the Series is not indexed by times.
    """
    if benchmark is None:
        return np.zeros(len(market.sessions))
    if isinstance(benchmark, pd.Series):
        return _given(benchmark, market.sessions)
    if isinstance(benchmark, str) and benchmark == MEAN and MEAN not in market.instruments:
        return _mean_change(market, market.instruments)
    return _mean_change(market, [benchmark] if isinstance(benchmark, str) else list(benchmark))


def _given(returns: pd.Series, sessions: pd.DatetimeIndex) -> Floats:
    if not isinstance(returns.index, pd.DatetimeIndex):
        raise DataError("The benchmark is a Series without times.", "returns indexed by session.")
    days = returns.index.normalize() if sessions.equals(sessions.normalize()) else returns.index
    daily = (returns + 1).groupby(days).prod() - 1
    lacking = ~sessions.isin(daily.index)
    if lacking.any():
        logger.warning("The benchmark lacks %d of %d sessions: their return is 0", lacking.sum(), len(sessions))
    return daily.reindex(sessions).fillna(0.0).to_numpy(dtype=float)


def _mean_change(market: Market, names: Sequence[str] | pd.Index) -> Floats:
    columns = market.instruments.get_indexer(pd.Index(names))
    if (columns < 0).any():
        unknown = list(names)[int(np.argmax(columns < 0))]
        raise DataError(
            f"benchmark: the prices have no instrument {unknown!r}.",
            nearest(unknown, market.instruments),
            "Give one of them, a list of them, 'mean' for the mean of all, a Series of returns, or None.",
        )
    change = change_of(market.close[:, columns])
    known = ~np.isnan(change)
    return np.asarray(np.where(known, change, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1), dtype=float)
