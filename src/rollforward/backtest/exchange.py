"""What a trade costs and how much of an order is dealt: arithmetic on single orders."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from rollforward.data.selection import nearest
from rollforward.errors import TaskError

if TYPE_CHECKING:
    from collections.abc import Mapping

# An order worth less is not dealt and costs nothing.
NO_VALUE = 1e-5


@dataclass(frozen=True)
class Exchange:
    """The rules of trading; names as in Qlib's ``exchange_kwargs``.

    Parameters
    ----------
    deal_price
        Column of the prices that orders are dealt at, such as ``"close"`` or ``"$open"``; a pair is
        ``(to buy, to sell)``. Where that price is missing or not positive, the close is taken.
    limit_threshold
        ``0.095``: no buying on a day whose close is 9.5 % or more above the one before, no selling at 9.5 % or more
        below. A pair of columns ``(buying, selling)``: values other than zero, and missing ones, forbid it. ``None`` is
        no limit.
    open_cost, close_cost
        Cost of buying and of selling, as a share of the traded value.
    min_cost
        Least cost of one order, in money.
    trade_unit
        Shares are bought in multiples of it; ``None`` allows any fraction. If the prices have a column ``factor`` (of
        adjustment), multiples are counted before adjustment.

    Raises
    ------
    TaskError
        If a number is out of range.
    """

    deal_price: str | tuple[str, str] = "close"
    limit_threshold: float | tuple[str, str] | None = None
    open_cost: float = 0.0005
    close_cost: float = 0.0015
    min_cost: float = 5.0
    trade_unit: float | None = None

    def __post_init__(self) -> None:
        for name in ("open_cost", "close_cost", "min_cost"):
            if not getattr(self, name) >= 0:
                raise TaskError(f"{name} is {getattr(self, name)!r}.", "a number that is not negative.")
        if self.trade_unit is not None and not self.trade_unit > 0:
            raise TaskError(f"trade_unit is {self.trade_unit!r}.", "a positive number, or None for any fraction.")

    @classmethod
    def of(cls, given: Exchange | Mapping[str, Any] | None) -> Exchange:
        """Build the rules from Qlib's ``exchange_kwargs``.

        Lists stand for pairs. ``freq`` may be ``"day"`` or ``"1day"``; ``volume_threshold`` and ``impact_cost`` may be
        there if they limit nothing and cost nothing.

        Raises
        ------
        TaskError
            If a rule is unknown, or one that daily closes cannot follow.
        """
        if isinstance(given, Exchange):
            return given
        rules: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in dict(given or {}).items()
        }
        for name, harmless in _WITHOUT_EFFECT.items():
            if name in rules and rules.pop(name) not in harmless:
                raise TaskError(
                    f"exchange_kwargs: {name} is {dict(given or {})[name]!r}.",
                    f"{name} in {harmless}: the daily backtest knows prices, not volumes.",
                    "Leave it out, or give another engine: backtest: {'func': ...}.",
                )
        known = [field.name for field in fields(cls)]
        for name in rules:
            if name not in known:
                raise TaskError(f"exchange_kwargs has {name!r}.", nearest(name, known))
        return cls(**{name: value for name, value in rules.items() if name != "deal_price" or value is not None})

    @property
    def prices_to_deal_at(self) -> tuple[str, str]:
        """Columns to buy and to sell at, without a leading ``$``."""
        pair = (self.deal_price, self.deal_price) if isinstance(self.deal_price, str) else self.deal_price
        return pair[0].removeprefix("$"), pair[1].removeprefix("$")

    def rounded(self, amount: float, factor: float) -> float:
        """Round an amount down to whole trade units, forgiving a tenth of a share."""
        if self.trade_unit is None:
            return amount
        return (amount * factor + 0.1) // self.trade_unit * self.trade_unit / factor

    def sale(self, amount: float, price: float, cash: float) -> tuple[float, float]:
        """Deal the sale of a whole position.

        Returns
        -------
        amount, cost
            Zero both, if cash and proceeds together do not cover the cost.
        """
        cost = self._cost(amount * price, self.close_cost)
        return (0.0, 0.0) if cash + amount * price < max(cost, self.min_cost) else (amount, cost)

    def purchase(self, amount: float, price: float, cash: float, factor: float) -> tuple[float, float]:
        """Deal as much of a purchase as cash, its cost included, allows.

        Returns
        -------
        amount, cost
            Of what is bought, in shares and in money.
        """
        value = amount * price
        cost = max(value * self.open_cost, self.min_cost)
        if cash < cost:
            return 0.0, 0.0
        if cash < value + cost:
            amount = min(amount, self._affordable(price, cash))
        amount = self.rounded(amount, factor)
        return amount, self._cost(amount * price, self.open_cost)

    def _affordable(self, price: float, cash: float) -> float:
        if cash < self.min_cost:
            return 0.0
        if self.open_cost == 0 or cash < self.min_cost / self.open_cost + self.min_cost:
            return (cash - self.min_cost) / price
        return cash / (1 + self.open_cost) / price

    def _cost(self, value: float, rate: float) -> float:
        return 0.0 if value <= NO_VALUE else max(value * rate, self.min_cost)


_WITHOUT_EFFECT: dict[str, tuple[Any, ...]] = {
    "freq": ("day", "1day"),
    "codes": ("all", None),
    "volume_threshold": (None,),
    "impact_cost": (0, None),
    "subscribe_fields": ([], (), None),
}
