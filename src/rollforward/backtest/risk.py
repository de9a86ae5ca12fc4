"""Risk figures of a series of returns, and the mean of trading indicators, as Qlib defines them."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from rollforward.data.selection import nearest
from rollforward.errors import ColumnError, DataError, TaskError

# Periods per year that Qlib counts with.
PER_YEAR = {"min": 240 * 238, "day": 238, "week": 50, "month": 12}
_UNITS = {"min": "min", "minute": "min", "d": "day", "day": "day", "w": "week", "week": "week", "mon": "month"}
_UNITS |= {"month": "month"}

WITHOUT_COST, WITH_COST = "excess_return_without_cost", "excess_return_with_cost"


def parse_freq(freq: str) -> tuple[int, str]:
    """Read a frequency such as ``"day"``, ``"1day"`` or ``"5min"``.

    Returns
    -------
    count, unit
        The unit is ``min``, ``day``, ``week`` or ``month``.

    Raises
    ------
    TaskError
        If it is none.
    """
    match = re.fullmatch(r"(\d*)\s*([a-z]+)", str(freq).strip().lower())
    unit = _UNITS.get(match[2]) if match else None
    if match is None or unit is None or match[1] == "0":
        raise TaskError(f"{freq!r} is no frequency.", "a number, or none, and min, day, week or month: '1day'.")
    return int(match[1] or 1), unit


def freq_name(freq: str) -> str:
    """Write a frequency the way it is part of file and metric names: ``"day"`` is ``"1day"``."""
    return "{}{}".format(*parse_freq(freq))


def risk_analysis(r: pd.Series, N: float | None = None, freq: str = "day", mode: str = "sum") -> pd.DataFrame:  # noqa: N803  Qlib's name
    """Describe a series of returns in five figures.

    Returns are added up by default, not compounded, so that the curve does not grow exponentially: the maximum drawdown
    is then the largest fall of the sum of returns.

    Parameters
    ----------
    r
        One return per period; missing ones are skipped in sums.
    N
        Periods per year; wins over ``freq``.
    freq
        Length of a period; a year has 238 days, 50 weeks or 12 months, as in Qlib.
    mode
        ``"sum"``: mean, deviation (``ddof=1``), ``mean * N``, and the fall of the cumulated sum below its peak.
        ``"product"``: geometric mean, deviation of ``log(1 + r)``, compound annual growth, and the largest fall of
        ``cumprod(1 + r)`` relative to its peak.

    Returns
    -------
    pd.DataFrame
        Column ``risk``, rows ``mean``, ``std``, ``annualized_return``, ``information_ratio`` (``mean / std * sqrt(N)``)
        and ``max_drawdown`` (0 or negative). The drawdown is measured from the first value on, not from zero before it.

    Raises
    ------
    DataError
        If there is no return.
    TaskError
        If mode or frequency is unknown.

    Examples
    --------
    >>> import pandas as pd
    >>> risk_analysis(pd.Series([0.01, -0.02, 0.03]), N=3)["risk"].round(4).to_dict()  # doctest: +NORMALIZE_WHITESPACE
    {'mean': 0.0067, 'std': 0.0252, 'annualized_return': 0.02, 'information_ratio': 0.4588, 'max_drawdown': -0.02}
    """
    if len(r) == 0:
        raise DataError("risk_analysis: there is no return.", "at least one.")
    count, unit = parse_freq(freq)
    periods = PER_YEAR[unit] / count if N is None else N
    if mode == "sum":
        mean, deviation = r.mean(), r.std(ddof=1)
        annual = mean * periods
        total = r.cumsum()
        drawdown = (total - total.cummax()).min()
    elif mode == "product":
        wealth = (1 + r).cumprod()
        mean = wealth.iloc[-1] ** (1 / len(r)) - 1
        deviation = np.log(1 + r).std(ddof=1)
        annual = wealth.iloc[-1] ** (periods / len(r)) - 1
        drawdown = (wealth / wealth.cummax() - 1).min()
    else:
        raise TaskError(f"risk_analysis: mode is {mode!r}.", nearest(mode, ("sum", "product")))
    ratio = mean / deviation * np.sqrt(periods) if deviation > 0 else np.nan
    figures = {
        "mean": mean,
        "std": deviation,
        "annualized_return": annual,
        "information_ratio": ratio,
        "max_drawdown": drawdown,
    }
    return pd.Series(figures, dtype=float).to_frame("risk")


def excess_risk(report: pd.DataFrame, freq: str = "day") -> pd.DataFrame:
    """Analyse what a portfolio earned beyond its benchmark.

    Parameters
    ----------
    report
        Columns ``return``, ``bench`` and ``cost``, one row per period.
    freq
        Length of a period.

    Returns
    -------
    pd.DataFrame
        `risk_analysis` under the two keys ``excess_return_without_cost`` and ``excess_return_with_cost``.
    """
    excess = report["return"] - report["bench"]
    parts = {WITHOUT_COST: excess, WITH_COST: excess - report["cost"]}
    return pd.concat({name: risk_analysis(returns, freq=freq) for name, returns in parts.items()})


def indicator_analysis(df: pd.DataFrame, method: str = "mean") -> pd.DataFrame:
    """Average the indicators of trading over all periods.

    Parameters
    ----------
    df
        Columns ``ffr``, ``pa``, ``pos`` and ``count``; for the weighted methods ``deal_amount`` or ``value``.
    method
        Weights of ``ffr`` and ``pa``: ``"mean"`` the number of orders, ``"amount_weighted"`` the amounts dealt,
        ``"value_weighted"`` the values dealt. ``pos`` is always weighted by the number of orders.

    Returns
    -------
    pd.DataFrame
        Column ``value``, rows ``ffr``, ``pa``, ``pos``.

    Raises
    ------
    TaskError
        If the method is unknown.
    ColumnError
        If a column is missing.
    """
    weights = {"mean": "count", "amount_weighted": "deal_amount", "value_weighted": "value"}
    if method not in weights:
        raise TaskError(f"indicator_analysis: method is {method!r}.", nearest(method, weights))
    for name in ("ffr", "pa", "pos", "count", weights[method]):
        if name not in df.columns:
            raise ColumnError(f"indicator_analysis: there is no column {name!r}.", nearest(name, df.columns))
    by_method, by_count = df[weights[method]].abs(), df["count"]
    figures = {name: (df[name] * by_method).sum() / by_method.sum() for name in ("ffr", "pa")}
    figures["pos"] = (df["pos"] * by_count).sum() / by_count.sum()
    return pd.Series(figures, dtype=float).to_frame("value")
