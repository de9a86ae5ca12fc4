"""How steady a signal is: who leaves a quantile, and how ranks persist."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from rollforward.errors import DataError
from rollforward.evaluation.bydate import alone, correlation, ranks
from rollforward.evaluation.places import Places
from rollforward.evaluation.quantiles import check_n_quantiles, quantile_groups

if TYPE_CHECKING:
    from rollforward.evaluation.bydate import Floats


def quantile_turnover(
    pred: pd.Series | pd.DataFrame, n_quantiles: int = 5, lag: int = 1, date_col: str = "datetime"
) -> pd.DataFrame:
    """Compute the share of each quantile's instruments that were not in it some dates earlier.

    Parameters
    ----------
    pred
        One column, indexed ``(datetime, instrument)``; missing values are left out.
    n_quantiles
        Number of groups, at least 2; they are those of `quantile_returns`.
    lag
        Dates between the two groups, counted in the dates of ``pred``; at least 1.
    date_col
        Index level with the dates.

    Returns
    -------
    pd.DataFrame
        Indexed by date; columns 1 (lowest predictions) to ``n_quantiles``; from 0 (the same instruments) to 1 (none of
        them). NaN on the first ``lag`` dates, and where the group is empty on one of the two dates.

    Raises
    ------
    ColumnError
        If the index has no level ``date_col``.
    DataError
        If a number is too small, ``pred`` has several columns or a row is there twice.
    """
    check_n_quantiles(n_quantiles)
    _check_lag(lag)
    panel = alone(pred, date_col)
    group = quantile_groups(panel, n_quantiles) - 1
    before = Places.of(panel, "pred").earlier(lag)
    stayed = (before >= 0) & (group[before] == group) if len(group) else np.empty(0, dtype=bool)
    cell = panel.code * n_quantiles + group
    shape = (panel.n_dates, n_quantiles)
    size, kept = (np.bincount(one, minlength=shape[0] * shape[1]).reshape(shape) for one in (cell, cell[stayed]))
    with np.errstate(invalid="ignore", divide="ignore"):
        left: Floats = 1 - kept / size
    left[:lag] = np.nan
    left[lag:][size[:-lag] == 0] = np.nan
    columns = pd.RangeIndex(1, n_quantiles + 1, name="quantile")
    return pd.DataFrame(left, index=panel.dates, columns=columns)


def rank_autocorrelation(pred: pd.Series | pd.DataFrame, lag: int = 1, date_col: str = "datetime") -> pd.Series:
    """Correlate the ranks of each date with those of some dates earlier.

    Parameters
    ----------
    pred
        One column, indexed ``(datetime, instrument)``; missing values are left out.
    lag
        Dates between the two, counted in the dates of ``pred``; at least 1.
    date_col
        Index level with the dates.

    Returns
    -------
    pd.Series
        Spearman correlation over the instruments that both dates have, indexed by date; NaN on the first ``lag`` dates,
        for fewer than two instruments, and where one of the two is constant.

    Raises
    ------
    ColumnError
        If the index has no level ``date_col``.
    DataError
        If the lag is below 1, ``pred`` has several columns or a row is there twice.
    """
    _check_lag(lag)
    panel = alone(pred, date_col)
    before = Places.of(panel, "pred").earlier(lag)
    again = before >= 0
    both = replace(panel, label=panel.pred[before]).keep(again) if len(before) else panel
    values = correlation(both, ranks(both, both.pred), ranks(both, both.label))
    return both.series(values, "rank_autocorrelation")


def _check_lag(lag: int) -> None:
    if lag < 1:
        raise DataError(f"lag is {lag}.", "at least 1 date.", "lag=1 compares each date with the one before.")
