"""A portfolio of the extremes, and what trading it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from rollforward.errors import DataError
from rollforward.evaluation.bydate import alone
from rollforward.evaluation.forward import grid_of
from rollforward.evaluation.places import unique
from rollforward.evaluation.sides import first_rows, side_size

if TYPE_CHECKING:
    from rollforward.evaluation.bydate import Floats, Panel
    from rollforward.evaluation.forward import Grid

_ROUNDING = 1e-12


def long_short_returns(
    pred: pd.Series | pd.DataFrame,
    returns: pd.Series | pd.DataFrame,
    quantile: float = 0.2,
    cost: float = 0.0,
    *,
    holding: int = 1,
    date_col: str = "datetime",
) -> pd.DataFrame:
    """Hold the best predicted instruments, short the worst, rebalance at every date, and pay for what is traded.

    Half of the capital is held long, in equal parts, half is shorted: without costs and with ``holding=1`` the result
    is that of `calc_long_short_return`, if no prediction is missing. Who is held depends on the predictions alone.

    Parameters
    ----------
    pred
        One column, indexed ``(datetime, instrument)``; missing values are not traded.
    returns
        Return of *one* session that a position of the date earns, as ``forward_returns(prices)[1]``: one column indexed
        ``(datetime, instrument)``, or dates by instruments. Returns of several sessions would count each day several
        times; for a signal with a longer horizon use ``holding``.
    quantile
        Share of a date's predictions on each side, above 0 and at most 0.5, rounded down to whole instruments. Ties go
        to the first rows on both sides; who is on both is not held.
    cost
        Paid per unit traded, in either direction: 0.0005 is five basis points of every purchase and every sale.
    holding
        Sessions that each date's choice is held. With *n*, the portfolio is the mean of the choices of the last *n*
        dates; in the first *n* - 1 dates part of the capital is idle.
    date_col
        Index level with the dates.

    Returns
    -------
    pd.DataFrame
        Indexed by the dates of ``pred``. ``gross``: return before costs; an instrument whose return is missing counts
        with the average of its side; NaN if nobody's return on a side is known; 0 on a date that is too small for one
        instrument on a side. ``turnover``: what is bought and sold, in units of the capital, from 0 to 2; prices moving
        the weights between two dates are not counted; the first date buys everything, the last one sells nothing.
        ``cost``: ``turnover`` times the rate. ``net``: ``gross - cost``.

    Raises
    ------
    ColumnError
        If an index has no level ``date_col``.
    DataError
        If a number is out of its range, an input has several columns, a row is there twice, or no row of ``pred`` is in
        ``returns``.
    """
    _check(quantile, cost, holding)
    panel, grid = unique(alone(pred, date_col), "pred"), grid_of(returns, date_col, "returns")
    weights = _held(_chosen(panel, quantile), holding)
    gross = _earned(weights, _aligned(grid, panel))
    turnover = np.abs(np.diff(weights, axis=0, prepend=0.0)).sum(axis=1)
    columns = {"gross": gross, "turnover": turnover, "cost": turnover * cost, "net": gross - turnover * cost}
    return pd.DataFrame(columns, index=panel.dates)


def _check(quantile: float, cost: float, holding: int) -> None:
    if not 0 < quantile <= 0.5 or cost < 0 or holding < 1:  # noqa: PLR2004  # two sides share all instruments
        raise DataError(
            f"quantile is {quantile}, cost is {cost}, holding is {holding}.",
            "0 < quantile <= 0.5, cost >= 0, holding >= 1.",
            "Give shares and rates as fractions, and the holding time in sessions.",
        )


def _chosen(panel: Panel, quantile: float) -> Floats:
    """Weights of each date's choice, dates by instruments; who is on both sides, among ties, is not held."""
    size = side_size(panel, quantile)
    weights = np.zeros((panel.n_dates, len(panel.instruments)))
    for key, side in ((-panel.pred, 0.5), (panel.pred, -0.5)):
        row = first_rows(panel, key, size)
        code = panel.code[row]
        weights[code, panel.instrument[row]] += side / size[code]
    return weights


def _held(chosen: Floats, holding: int) -> Floats:
    """Average the choices of the last dates."""
    total = chosen.copy()
    for lag in range(1, min(holding, len(chosen))):
        total[lag:] += chosen[:-lag]
    total[np.abs(total) < _ROUNDING] = 0.0  # one date's purchase and another's sale cancel
    return total / holding


def _aligned(grid: Grid, panel: Panel) -> Floats:
    """Bring the returns into the shape of the weights."""
    grid.at(panel, grid.table)
    row, column = grid.dates.get_indexer(panel.dates), grid.instruments.get_indexer(panel.instruments)
    padded = np.pad(grid.table, ((0, 1), (0, 1)), constant_values=np.nan)  # -1 reads what is not there
    return padded[np.ix_(row, column)]


def _earned(weights: Floats, returns: Floats) -> Floats:
    known = ~np.isnan(returns)
    returns = np.where(known, returns, 0.0)
    gross = np.zeros(len(weights))
    for side in (np.maximum(weights, 0.0), np.minimum(weights, 0.0)):
        held, judged = side.sum(axis=1), (side * known).sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            gross += np.where(held == 0, 0.0, (side * returns).sum(axis=1) / judged * held)
    return gross
