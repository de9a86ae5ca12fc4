"""The result of a backtest, in Qlib's columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from rollforward.backtest.risk import WITH_COST, WITHOUT_COST, excess_risk

if TYPE_CHECKING:
    from rollforward.backtest.account import Books
    from rollforward.backtest.market import Floats, Market

REPORT_COLUMNS = ["account", "return", "total_turnover", "turnover", "total_cost", "cost", "value", "cash", "bench"]
INDICATOR_COLUMNS = ["ffr", "pa", "pos", "deal_amount", "value", "count"]


@dataclass(frozen=True, eq=False)
class BacktestResult:
    """What a portfolio did.

    Attributes
    ----------
    report
        One row per session. ``account``: cash and positions at the close, in money; ``return``: change of the account
        before costs, as a share of the account of the session before; ``turnover`` and ``cost``: traded value and costs
        as such shares, ``total_turnover`` and ``total_cost`` their sums so far in money; ``value``: positions at the
        close; ``cash``; ``bench``: return of the benchmark.
    positions
        Indexed ``(datetime, instrument)``, what is held after each session: ``amount``, ``price`` (the last close),
        ``value``, ``weight`` (share of the account), ``count_day`` (sessions held, from 1).
    indicators
        One row per session: ``ffr``, the mean share of the orders that was dealt; ``pa``, price advantage, and ``pos``,
        its share of wins, 0 since orders are dealt at the price they are compared with; ``deal_amount``, ``value``,
        ``count`` of the orders. NaN for the first three on a day without orders.
    orders
        One row per order, as they were dealt: ``datetime``, ``instrument``, ``direction`` (1 buys, -1 sells),
        ``amount`` asked, ``deal_amount``, ``trade_price``, ``trade_value``, ``trade_cost``.
    """

    report: pd.DataFrame
    positions: pd.DataFrame
    indicators: pd.DataFrame
    orders: pd.DataFrame

    def risk(self, freq: str = "day") -> pd.DataFrame:
        """Analyse the return in excess of the benchmark, without and with cost; see `excess_risk`."""
        return excess_risk(self.report, freq)

    def __repr__(self) -> str:
        days = self.report.index
        return f"BacktestResult({len(days)} sessions, {days[0]:%Y-%m-%d} to {days[-1]:%Y-%m-%d})"

    def _repr_html_(self) -> str:
        """Show the risk figures in a notebook."""
        risk = self.risk()["risk"]
        table = pd.concat({name: risk.loc[name] for name in (WITHOUT_COST, WITH_COST)}, axis=1)
        return str(table.to_html(float_format="{:.4f}".format))


def result_of(books: Books, market: Market, first: int, cash: float, bench: Floats) -> BacktestResult:
    """Bring the books into frames.

    Parameters
    ----------
    books
        Of the sessions of the market from ``first`` on.
    market
        Names sessions and instruments.
    first
        Position of the first session that was traded.
    cash
        At the beginning.
    bench
        Return of the benchmark of those sessions.
    """
    sessions = market.sessions[first : first + len(books.days)].rename("datetime")
    orders = _orders(books, market)
    indicators = _indicators(books, first, sessions)
    return BacktestResult(
        _report(books, sessions, cash, bench), _positions(books, market, sessions), indicators, orders
    )


def _report(books: Books, sessions: pd.DatetimeIndex, cash: float, bench: Floats) -> pd.DataFrame:
    account, value, left, turnover, cost = np.array(books.days, dtype=float).T
    before = np.concatenate([[cash], account[:-1]])
    turned, paid = np.diff(turnover, prepend=0.0), np.diff(cost, prepend=0.0)
    columns = (account, (account - before + paid) / before, turnover, turned / before, cost, paid / before, value, left)
    return pd.DataFrame(dict(zip(REPORT_COLUMNS, (*columns, bench), strict=True)), index=sessions)


def _positions(books: Books, market: Market, sessions: pd.DatetimeIndex) -> pd.DataFrame:
    held, amount, price, age = (np.concatenate(part) for part in zip(*books.positions, strict=True))
    day = np.repeat(np.arange(len(sessions)), [len(names) for names, *_ in books.positions])
    index = pd.MultiIndex.from_arrays([sessions[day], market.instruments[held]], names=["datetime", "instrument"])
    account = np.array([one[0] for one in books.days])
    value = amount * price
    columns = {"amount": amount, "price": price, "value": value, "weight": value / account[day], "count_day": age}
    return pd.DataFrame(columns, index=index)


def _orders(books: Books, market: Market) -> pd.DataFrame:
    names = ["datetime", "instrument", "direction", "amount", "deal_amount", "trade_price", "trade_value", "trade_cost"]
    table = np.array(books.orders, dtype=float).reshape(-1, len(names))
    columns = dict(zip(names[3:], table.T[3:], strict=True))
    session, instrument, direction = table.T[:3].astype(int)
    return pd.DataFrame(
        {
            "datetime": market.sessions[session],
            "instrument": market.instruments[instrument],
            "direction": direction,
            **columns,
        }
    )


def _indicators(books: Books, first: int, sessions: pd.DatetimeIndex) -> pd.DataFrame:
    """Sum up the orders of each day; Qlib counts what is bought and sold alike, in absolute values."""
    table = np.array(books.orders, dtype=float).reshape(-1, 8)
    day, amount, dealt, value = table[:, 0].astype(int) - first, table[:, 3], table[:, 4], table[:, 6]

    def per_day(weights: Floats) -> Floats:
        return np.bincount(day, weights=weights, minlength=len(sessions)).astype(float)

    count = per_day(np.ones(len(day)))
    asked = amount > 0
    filled = np.divide(dealt, amount, out=np.zeros(len(day)), where=asked)
    with np.errstate(invalid="ignore", divide="ignore"):
        rate = per_day(filled) / per_day(asked.astype(float))
    advantage = np.where(count > 0, 0.0, np.nan)
    columns = (rate, advantage, advantage, per_day(dealt), per_day(value), count)
    return pd.DataFrame(dict(zip(INDICATOR_COLUMNS, columns, strict=True)), index=sessions)
