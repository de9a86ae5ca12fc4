"""Cash and holdings, session by session, and the books that are kept of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from rollforward.backtest.exchange import NO_VALUE

if TYPE_CHECKING:
    from rollforward.backtest.exchange import Exchange
    from rollforward.backtest.market import Floats, Market
    from rollforward.backtest.strategy import Decision, Ints

BUY, SELL = 1, -1


@dataclass
class Books:
    """What is written down; one entry per session, per position and session, or per order.

    Attributes
    ----------
    days
        Account, value of the positions, cash, and the sums so far of turnover and cost.
    positions
        Per session: instruments, amounts, prices and ages.
    orders
        Session, instrument, direction, amount asked and dealt, price, value and cost.
    """

    days: list[tuple[float, float, float, float, float]] = field(default_factory=list)
    positions: list[tuple[Ints, Floats, Floats, Ints]] = field(default_factory=list)
    orders: list[tuple[int, int, int, float, float, float, float, float]] = field(default_factory=list)


class Account:
    """Cash and positions on a market.

    Parameters
    ----------
    cash
        To begin with.
    market
        Gives the prices.
    exchange
        Deals the orders.
    """

    def __init__(self, cash: float, market: Market, exchange: Exchange) -> None:
        n = len(market.instruments)
        self.cash = cash
        self.market = market
        self.exchange = exchange
        self.books = Books()
        self._amount = np.zeros(n)
        self._price = np.zeros(n)
        self._age = np.zeros(n, dtype=np.intp)
        self._turnover = 0.0
        self._cost = 0.0

    @property
    def held(self) -> Ints:
        """Instruments in the portfolio, ascending."""
        return np.flatnonzero(self._amount)

    def age(self, instruments: Ints) -> Ints:
        """Count the sessions that instruments have been held."""
        return self._age[instruments]

    def trade(self, session: int, decision: Decision, risk_degree: float) -> None:
        """Sell, then spend a share of the cash on what is to be bought, in equal parts."""
        for one in decision.sell.tolist():
            amount, price = float(self._amount[one]), float(self.market.sell_price[session, one])
            dealt, cost = self.exchange.sale(amount, price, self.cash)
            self._deal(session, one, SELL, (amount, dealt, price, cost))
        part = self.cash * risk_degree / max(decision.n_shares, 1)
        for one in decision.buy.tolist():
            price, factor = float(self.market.buy_price[session, one]), float(self.market.factor[session, one])
            amount = self.exchange.rounded(part / price, factor)
            dealt, cost = self.exchange.purchase(amount, price, self.cash, factor)
            self._deal(session, one, BUY, (amount, dealt, price, cost))

    def close(self, session: int) -> None:
        """Value the positions at the close, where there is one, and write down the session."""
        held = self.held
        close = self.market.close[session, held]
        self._price[held] = np.where(np.isnan(close), self._price[held], close)
        self._age[held] += 1
        amount, price = self._amount[held], self._price[held]
        value = float(amount @ price)
        self.books.days.append((value + self.cash, value, self.cash, self._turnover, self._cost))
        self.books.positions.append((held, amount, price, self._age[held]))

    def _deal(self, session: int, one: int, direction: int, terms: tuple[float, float, float, float]) -> None:
        amount, dealt, price, cost = terms
        value = dealt * price
        self.books.orders.append((session, one, direction, amount, dealt, price, value, cost))
        if value <= NO_VALUE:
            return
        self.cash -= direction * value + cost
        self._turnover += value
        self._cost += cost
        # Only whole positions are sold, and only what is not held is bought.
        self._amount[one] = dealt if direction == BUY else 0.0
        self._price[one] = price
        self._age[one] = 0
