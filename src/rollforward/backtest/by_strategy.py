"""Qlib's call of a daily backtest, where the strategy carries the signal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rollforward.adapters.qlib import is_address, is_started
from rollforward.backtest.benchmark import MEAN
from rollforward.backtest.daily import backtest
from rollforward.backtest.from_qlib import PRICES, with_qlib_prices
from rollforward.backtest.market import signal_of
from rollforward.errors import TaskError

if TYPE_CHECKING:
    import pandas as pd


def backtest_daily(
    start_time: Any,
    end_time: Any,
    strategy: Any,
    executor: None = None,
    account: float = 1e8,
    benchmark: Any = MEAN,
    exchange_kwargs: Mapping[str, Any] | None = None,
    pos_type: str = "Position",
    *,
    prices: Any = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Trade the signal of a strategy day by day.

    Parameters
    ----------
    start_time, end_time
        First and last session to trade, both inclusive.
    strategy
        A strategy with its ``signal``, or its configuration in Qlib's words.
    executor, pos_type
        As in Qlib; only their defaults are supported.
    account, benchmark, exchange_kwargs
        See `rollforward.backtest.backtest`. The benchmark is the mean of all instruments unless another is named.
    prices
        See `rollforward.backtest.backtest`; ``"qlib:$close"``, or ``None`` if Qlib's data are in use: these data, with
        the rules of trading of their region.

    Returns
    -------
    report, positions
        See `rollforward.backtest.BacktestResult`.

    Raises
    ------
    TaskError
        If there are no prices, or no signal, or an executor is given.
    """
    if executor is not None or pos_type != "Position":
        raise TaskError(
            "backtest_daily got an executor or a kind of positions.",
            "neither: orders are dealt once a day.",
            "Leave them out, or use Qlib's own backtest_daily.",
        )
    if prices is None and not is_started():
        raise TaskError(
            "backtest_daily got no prices.", "where prices are.", 'backtest_daily(..., prices="prices.parquet")'
        )
    return _traded(
        strategy,
        prices,
        start_time=start_time,
        end_time=end_time,
        account=account,
        benchmark=benchmark,
        exchange_kwargs=exchange_kwargs,
    )


def _traded(strategy: Any, prices: Any, **options: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
    given = strategy.get("kwargs", {}) if isinstance(strategy, Mapping) else vars(strategy)
    signal = given.get("signal")
    if signal is None or isinstance(signal, str):
        raise TaskError(f"The strategy's signal is {signal!r}.", "scores.", "Give the strategy signal=...")
    if prices is None or is_address(prices):
        prices, options = with_qlib_prices(signal_of(signal), options | {PRICES: prices})
    result = backtest(signal, prices, strategy=strategy, **options)
    return result.report, result.positions
