"""What a signal and prices have in common: names that meet nowhere would trade nothing, in silence."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import numpy as np

from rollforward.backtest.market import distinct
from rollforward.data.selection import INSTRUMENT, nearest
from rollforward.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from rollforward.backtest.market import Market

logger = logging.getLogger(__name__)

_is_told: ContextVar[bool] = ContextVar("rollforward_backtest_is_told", default=False)


@contextmanager
def warned_already() -> Iterator[None]:
    """Leave out the warnings of `check_names` inside: the same backtest has just given them."""
    token = _is_told.set(True)
    try:
        yield
    finally:
        _is_told.reset(token)


def check_names(scores: pd.Series, market: Market, rule: Any) -> None:
    """Compare the instruments of a signal with those that have prices.

    Parameters
    ----------
    scores
        The signal.
    market
        Has all instruments of both.
    rule
        The strategy; its ``topk``, if it has one, is compared with what can be bought.

    Raises
    ------
    DataError
        If no instrument of the signal has a price.
    """
    names = distinct(scores.index, INSTRUMENT)
    priced = market.instruments[np.flatnonzero(~np.isnan(market.close).all(axis=0))]
    lacking = names[~names.isin(priced)]
    if len(lacking) == len(names):
        raise DataError(
            f"None of the {len(names)} instruments of the signal has a price, such as {names[0]!r}.",
            nearest(_spelt(str(names[0]), priced), priced),
            "Give the signal and the prices the same names; upper and lower case differ.",
        )
    if _is_told.get():
        return
    if len(lacking):
        logger.warning(
            "%d of %d instruments of the signal have no prices and are never traded, the first is %r",
            *(len(lacking), len(names), lacking[0]),
        )
    topk, n = getattr(rule, "topk", None), len(names) - len(lacking)
    if isinstance(topk, int) and topk > n:
        logger.warning("topk is %d, and there are %d instruments to buy: the signal chooses nothing", topk, n)


def _spelt(name: str, known: pd.Index) -> str:
    """Return the known name that differs in upper and lower case only; else the name."""
    return next((str(one) for one in known if str(one).casefold() == name.casefold()), name)
