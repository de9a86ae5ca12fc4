"""The daily backtest: scores of one session are traded in the next."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rollforward.backtest.account import Account
from rollforward.backtest.benchmark import MEAN, benchmark_returns
from rollforward.backtest.coverage import check_names
from rollforward.backtest.exchange import Exchange
from rollforward.backtest.market import distinct, load_prices, market_of, signal_of
from rollforward.backtest.result import result_of
from rollforward.backtest.strategy import Day, TopkDropoutStrategy
from rollforward.data.selection import DATETIME, INSTRUMENT
from rollforward.errors import DataError, EmptySegmentError, TaskError
from rollforward.instantiate import init_instance_by_config

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rollforward.backtest.market import Market
    from rollforward.backtest.result import BacktestResult
    from rollforward.backtest.strategy import Strategy

logger = logging.getLogger(__name__)

TOPK, N_DROP = 50, 5


def backtest(
    signal: pd.Series | pd.DataFrame,
    prices: Any,
    *,
    strategy: Strategy | Mapping[str, Any] | None = None,
    start_time: Any = None,
    end_time: Any = None,
    account: float = 1e8,
    benchmark: Any = MEAN,
    exchange_kwargs: Exchange | Mapping[str, Any] | None = None,
) -> BacktestResult:
    """Trade a signal day by day, long only, and keep the books.

    In every session the strategy sees the scores of the session before and decides what to sell and to buy; the orders
    are dealt at that session's price, sales first. Positions are valued at the close; one without a close keeps its
    last price and cannot be traded. Sessions are the dates of the prices.

    Parameters
    ----------
    signal
        Scores, a Series or the first column of a frame, indexed ``(datetime, instrument)``: higher is better. The score
        of a session may use its close.
    prices
        A frame (wide closes, long, or indexed ``(datetime, instrument)``), a path, ``"bundled:sp500_close"``, a loader
        or its configuration. Needs closes; further columns may be named in ``exchange_kwargs``. A column ``change``
        is the change that price limits look at, ``factor`` the factor of adjustment; a leading ``$`` is dropped.
    strategy
        A strategy, or its configuration in Qlib's words; ``None`` is ``TopkDropoutStrategy(topk=50, n_drop=5)``.
    start_time, end_time
        First and last session to trade, both inclusive; ``None`` is the first date of the signal and the session after
        its last.
    account
        Cash to begin with.
    benchmark
        ``"mean"`` of all instruments, an instrument, a list, a Series of daily returns, or ``None``; see
        `benchmark_returns`.
    exchange_kwargs
        Price to deal at, costs, limits: see `Exchange`.

    Raises
    ------
    DataError
        If signal and prices have no session or no instrument in common, or an input is not as described.
    EmptySegmentError
        If there is no session from ``start_time`` to ``end_time``.
    TaskError
        If the strategy or the exchange cannot be built from what was given.
    """
    if isinstance(account, bool) or not isinstance(account, int | float | np.number) or not account > 0:
        raise TaskError(f"account is {account!r}.", "the cash to begin with, a positive number.")
    rule, exchange = strategy_of(strategy), Exchange.of(exchange_kwargs)
    scores = signal_of(signal)
    market = market_of(load_prices(prices), exchange, distinct(scores.index, INSTRUMENT))
    first, last = _range(market, scores, start_time, end_time)
    check_names(scores, market, rule)
    books = _run(rule, Account(float(account), market, exchange), market.matrix_of(scores), (first, last))
    bench = benchmark_returns(benchmark, market)[first:last]
    return result_of(books, market, first, float(account), bench)


def strategy_of(given: Strategy | Mapping[str, Any] | None) -> Strategy:
    """Build a strategy from its configuration.

    Parameters
    ----------
    given
        A strategy, returned as it is; ``{"class": ..., "kwargs": {...}}``, a name without a module being one of
        `rollforward.backtest.strategy`; ``None`` for the default.

    Raises
    ------
    InstantiationError
        If there is no such class, or its arguments are wrong.
    TaskError
        If what is built cannot decide.
    """
    if given is None:
        return TopkDropoutStrategy(topk=TOPK, n_drop=N_DROP)
    built = given
    if not hasattr(given, "decide"):
        built = init_instance_by_config(given, default_module="rollforward.backtest.strategy", where="strategy")
    if not callable(getattr(built, "decide", None)):
        raise TaskError(
            f"The strategy is of type {type(built).__name__}.",
            "an object with decide(day), start() and risk_degree, such as TopkDropoutStrategy.",
            "Give such a strategy, or the engine that runs yours: backtest: {'func': ...}.",
        )
    return built  # type: ignore[return-value]


def _range(market: Market, scores: pd.Series, start_time: Any, end_time: Any) -> tuple[int, int]:
    """Find the positions of the first session to trade and of the one after the last."""
    dates = pd.DatetimeIndex(distinct(scores.index, DATETIME))
    unknown = ~dates.isin(market.sessions)
    if unknown.all():
        raise DataError(
            f"No date of the signal ({dates[0]} to {dates[-1]}) is a session of the prices "
            f"({market.sessions[0]} to {market.sessions[-1]}).",
            "a signal and prices of the same sessions.",
        )
    if unknown.any():
        logger.warning(
            "%d of %d dates of the signal have no prices, the first is %s", unknown.sum(), len(dates), dates[unknown][0]
        )
    start = dates[0] if start_time is None else pd.Timestamp(start_time)
    first = int(market.sessions.searchsorted(start, side="left"))
    if end_time is None:
        last = min(int(market.sessions.searchsorted(dates[-1], side="right")) + 1, len(market.sessions))
    else:
        last = int(market.sessions.searchsorted(pd.Timestamp(end_time), side="right"))
    if first >= last:
        raise EmptySegmentError(
            f"The prices have no session from {start} to {end_time}.",
            f"a range within {market.sessions[0]} to {market.sessions[-1]}.",
            "Change start_time and end_time, or the prices.",
        )
    return first, last


def _run(rule: Strategy, account: Account, score: Any, span: tuple[int, int]) -> Any:
    market = account.market
    rule.start()
    for session in range(*span):
        known = score[session - 1] if session else np.full(len(market.instruments), np.nan)
        ranked = np.argsort(-known, kind="stable")[: len(known) - int(np.isnan(known).sum())]
        # Without a single score of the session before nothing is traded.
        if len(ranked):
            held = account.held
            day = Day(known, ranked, held, account.age(held), market.buyable[session], market.sellable[session])
            account.trade(session, rule.decide(day), rule.risk_degree)
        account.close(session)
    return account.books
