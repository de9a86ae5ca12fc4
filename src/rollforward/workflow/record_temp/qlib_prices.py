"""Prices that Qlib's data give, for the backtest of a signal that a handler of Qlib's has made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from rollforward.adapters.qlib import HANDLERS, PREFIX, exchange_defaults, features, is_address, is_started, is_theirs
from rollforward.backtest.benchmark import MEAN
from rollforward.data.calendar import Calendar

if TYPE_CHECKING:
    from rollforward.workflow.record_temp.engine import Inputs

PRICES, EXCHANGE, BENCHMARK = "prices", "exchange_kwargs", "benchmark"
_ALWAYS = ("$close", "$change", "$factor")


def comes_from_qlib(inputs: Inputs) -> bool:
    """Tell whether the prices of a backtest are those of Qlib's data: they are named, or nothing else is at hand."""
    given = inputs.section.get(PRICES)
    if given is not None:
        return is_address(given)
    return is_started() and is_theirs(getattr(inputs.dataset, "handler", None), HANDLERS)


def with_qlib_prices(inputs: Inputs) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Read what a backtest needs from Qlib's data.

    Returns
    -------
    prices, section
        Rows ``(datetime, instrument)``, from the session before the first one to trade; and the section ``backtest``
        without prices, with the rules of trading of Qlib's region where it names none.

    Raises
    ------
    SettingsError
        If Qlib has no data.
    DataError
        If its data do not cover the signal.
    """
    section = {name: value for name, value in inputs.section.items() if name != PRICES}
    given = section.get(EXCHANGE) or {}
    rules = {**exchange_defaults(), **given} if isinstance(given, Mapping) else given
    prices = features(_fields(inputs.section.get(PRICES), rules), _names(inputs, section), *_window(inputs, section))
    prices = prices.rename(columns=lambda name: str(name).removeprefix("$")).dropna(axis="columns", how="all")
    if isinstance(rules, dict) and not _has_factors(prices):
        # Without a factor for every price, shares of adjusted prices are no whole numbers; so it is in Qlib.
        rules["trade_unit"] = None
        prices = prices.drop(columns="factor", errors="ignore")
    return prices, section | {EXCHANGE: rules}


def _fields(given: Any, rules: Any) -> list[str]:
    named = [name for name in str(given or "").removeprefix(PREFIX).split(";") if name]
    for key in ("deal_price", "limit_threshold"):
        value = rules.get(key) if isinstance(rules, Mapping) else None
        named += [value] if isinstance(value, str) else list(value) if isinstance(value, list | tuple) else []
    return list(dict.fromkeys([*_ALWAYS, *(name if "$" in name else f"${name}" for name in named)]))


def _names(inputs: Inputs, section: Mapping[str, Any]) -> list[str]:
    names = set(inputs.pred.index.get_level_values("instrument"))
    benchmark = section.get(BENCHMARK, MEAN)
    if benchmark != MEAN if isinstance(benchmark, str) else isinstance(benchmark, list | tuple):
        names |= {benchmark} if isinstance(benchmark, str) else set(benchmark)
    return sorted(names)


def _window(inputs: Inputs, section: Mapping[str, Any]) -> tuple[pd.Timestamp, pd.Timestamp]:
    """Give the session before the first one to trade, and the one after the last score or the last one to trade."""
    dates = inputs.pred.index.get_level_values("datetime")
    calendar = Calendar.of(f"{PREFIX}day")
    start, end = section.get("start_time"), section.get("end_time")
    first = calendar.position(dates.min() if start is None else min(pd.Timestamp(start), dates.min()))
    last = calendar.position(dates.max(), "end") + 1 if end is None else calendar.position(end, "end")
    return calendar[max(first - 1, 0)], calendar[min(last, len(calendar) - 1)]


def _has_factors(prices: pd.DataFrame) -> bool:
    return "factor" in prices.columns and bool(prices["factor"][prices["close"].notna()].notna().all())
