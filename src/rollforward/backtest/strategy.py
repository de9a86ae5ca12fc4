"""Which instruments to sell and to buy: the rule that turns scores into orders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from rollforward.errors import TaskError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Day:
    """What a strategy may know when it decides. Instruments are positions in arrays of all instruments, alphabetical.

    Attributes
    ----------
    score
        Score of each instrument, of the session before; NaN where there is none.
    ranked
        Instruments with a score, best first; of equal ones the first in the alphabet comes first.
    held
        Instruments in the portfolio, ascending.
    age
        Sessions that each of ``held`` has been held, at the end of the session before: 1 if bought then.
    buyable, sellable
        What the exchange allows today.
    """

    score: NDArray[np.float64]
    ranked: Ints
    held: Ints
    age: Ints
    buyable: NDArray[np.bool_]
    sellable: NDArray[np.bool_]

    @property
    def tradable(self) -> NDArray[np.bool_]:
        """Whether each instrument can be both bought and sold today."""
        return self.buyable & self.sellable


@dataclass(frozen=True, eq=False)
class Decision:
    """Orders of a day, by positions of instruments.

    Attributes
    ----------
    sell
        To be sold, whole positions.
    buy
        To be bought, in this order.
    n_shares
        Cash is cut into so many equal parts, one for each purchase; more than ``len(buy)`` if some that were wanted
        cannot be bought.
    """

    sell: Ints
    buy: Ints
    n_shares: int


class Strategy(Protocol):
    """What the engine needs of a strategy."""

    risk_degree: float

    def start(self) -> None:
        """Forget what was learnt in an earlier backtest."""

    def decide(self, day: Day) -> Decision:
        """Decide the orders of a day."""


class TopkDropoutStrategy:
    """Hold the best `topk` instruments, exchange at most the `n_drop` worst a day.

    Every session looks at what is held and at the best ``n_drop + topk - held`` others. Of both together, ordered by
    score, the last `n_drop` go, if held; as many others, from the best down, come in for them and for empty places.
    So nothing is exchanged for something worse. The cash after sales, times `risk_degree`, is spread evenly over the
    purchases. Instruments without a score are never bought and are the first to go.

    Parameters
    ----------
    topk
        Number of instruments in the portfolio.
    n_drop
        Most instruments to exchange in a session; 0 exchanges none.
    method_sell
        ``"bottom"``, or ``"random"``: any `n_drop` of those held.
    method_buy
        ``"top"``, or ``"random"``: any of the best `topk` that are not held.
    hold_thresh
        Sessions to hold an instrument at least; one bought on Monday can be sold on Tuesday with 1.
    only_tradable
        Leave instruments that cannot be traded out of the choice, instead of finding out when trading.
    forbid_all_trade_at_limit
        At a price limit trade in neither direction; otherwise sell at the upper one and buy at the lower one.
    risk_degree
        Share of the cash to spend.
    signal
        Qlib's place for the scores; a record replaces ``"<PRED>"`` in it, `backtest` does not look at it.
    seed
        Of the random methods.

    Raises
    ------
    TaskError
        If a number or a method is not one of these.
    """

    def __init__(
        self,
        *,
        topk: int,
        n_drop: int,
        method_sell: str = "bottom",
        method_buy: str = "top",
        hold_thresh: int = 1,
        only_tradable: bool = False,
        forbid_all_trade_at_limit: bool = True,
        risk_degree: float = 0.95,
        signal: Any = None,
        seed: int = 0,
    ) -> None:
        _check(topk >= 1, "topk", topk, "a number from 1")
        _check(n_drop >= 0, "n_drop", n_drop, "a number that is not negative")
        _check(method_sell in {"bottom", "random"}, "method_sell", method_sell, "'bottom' or 'random'")
        _check(method_buy in {"top", "random"}, "method_buy", method_buy, "'top' or 'random'")
        _check(0 < risk_degree <= 1, "risk_degree", risk_degree, "a share above 0, at most 1")
        self.topk = topk
        self.n_drop = n_drop
        self.method_sell = method_sell
        self.method_buy = method_buy
        self.hold_thresh = hold_thresh
        self.only_tradable = only_tradable
        self.forbid_all_trade_at_limit = forbid_all_trade_at_limit
        self.risk_degree = risk_degree
        self.signal = signal
        self.seed = seed
        self.start()

    def __repr__(self) -> str:
        return f"TopkDropoutStrategy(topk={self.topk}, n_drop={self.n_drop})"

    def start(self) -> None:
        """Start the random methods anew."""
        self._random = np.random.default_rng(self.seed)

    def decide(self, day: Day) -> Decision:
        """Decide what goes and what comes."""
        tradable = day.tradable
        candidates = self._candidates(day, tradable)
        leaving = self._leaving(day, candidates, tradable)
        coming = candidates[: max(int(leaving.sum()) + self.topk - len(day.held), 0)]
        strict = self.forbid_all_trade_at_limit
        may_sell = (tradable if strict else day.sellable)[day.held] & (day.age >= self.hold_thresh)
        may_buy = (tradable if strict else day.buyable)[coming]
        return Decision(day.held[leaving & may_sell], coming[may_buy], len(coming))

    def _candidates(self, day: Day, tradable: NDArray[np.bool_]) -> Ints:
        """Choose the instruments that could come in at most."""
        room = max(self.n_drop + self.topk - len(day.held), 0)
        is_held = np.zeros(len(day.score), dtype=bool)
        is_held[day.held] = True
        ranked = day.ranked[tradable[day.ranked]] if self.only_tradable else day.ranked
        if self.method_buy == "top":
            return ranked[~is_held[ranked]][:room]
        best = ranked[: self.topk]
        best = best[~is_held[best]]
        return self._random.choice(best, room, replace=False) if room <= len(best) else best

    def _leaving(self, day: Day, candidates: Ints, tradable: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Mark which of those held should go."""
        if self.method_sell == "random":
            pool = day.held[tradable[day.held]] if self.only_tradable else day.held
            chosen = self._random.choice(pool, self.n_drop, replace=False) if self.n_drop <= len(pool) else pool
            return np.isin(day.held, chosen)
        both = np.sort(np.concatenate([day.held, candidates]))
        both = both[np.argsort(-day.score[both], kind="stable")]
        both = both[tradable[both]] if self.only_tradable else both
        return np.isin(day.held, both[max(len(both) - self.n_drop, 0) :])


def _check(is_fine: bool, name: str, value: object, expected: str) -> None:
    if not is_fine:
        raise TaskError(f"TopkDropoutStrategy: {name} is {value!r}.", f"{expected}.")
