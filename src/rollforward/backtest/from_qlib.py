"""Prices that Qlib's data give for the backtest of a signal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from rollforward.adapters.qlib import PREFIX, exchange_defaults, features
from rollforward.backtest.benchmark import MEAN
from rollforward.data.calendar import Calendar
from rollforward.data.selection import DATETIME, INSTRUMENT

PRICES, EXCHANGE, BENCHMARK = "prices", "exchange_kwargs", "benchmark"
_ALWAYS = ("$close", "$change", "$factor")


def with_qlib_prices(
    signal: pd.Series[Any] | pd.DataFrame, section: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Read what a backtest needs from Qlib's data.

    Parameters
    ----------
    signal
        Scores, indexed ``(datetime, instrument)``.
    section
        Arguments of `backtest`; ``prices`` may name expressions, ``"qlib:$open;$close"``.

    Returns
    -------
    prices, section
        Rows ``(datetime, instrument)``, from the session before the first one to trade; and the arguments without
        prices, with the rules of trading of Qlib's region where they name none.

    Raises
    ------
    SettingsError
        If Qlib has no data.
    DataError
        If its data do not cover the signal.
    """
    named, section = section.get(PRICES), {name: value for name, value in section.items() if name != PRICES}
    given = section.get(EXCHANGE) or {}
    calendar = Calendar.of(f"{PREFIX}day")  # starts Qlib's data, whose region has rules
    rules = {**exchange_defaults(), **given} if isinstance(given, Mapping) else given
    window = _window(signal, section, calendar)
    prices = features(_fields(named, rules), _names(signal, section), *window)
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


def _names(signal: pd.Series[Any] | pd.DataFrame, section: Mapping[str, Any]) -> list[str]:
    names = set(signal.index.get_level_values(INSTRUMENT))
    benchmark = section.get(BENCHMARK, MEAN)
    if benchmark != MEAN if isinstance(benchmark, str) else isinstance(benchmark, list | tuple):
        names |= {benchmark} if isinstance(benchmark, str) else set(benchmark)
    return sorted(names)


def _window(
    signal: pd.Series[Any] | pd.DataFrame, section: Mapping[str, Any], calendar: Calendar
) -> tuple[pd.Timestamp, pd.Timestamp]:
    """Give the session before the first one to trade, and the one after the last score or the last one to trade."""
    dates = signal.index.get_level_values(DATETIME)
    start, end = section.get("start_time"), section.get("end_time")
    first = calendar.position(dates.min() if start is None else min(pd.Timestamp(start), dates.min()))
    last = calendar.position(dates.max(), "end") + 1 if end is None else calendar.position(end, "end")
    return calendar[max(first - 1, 0)], calendar[min(last, len(calendar) - 1)]


def _has_factors(prices: pd.DataFrame) -> bool:
    return "factor" in prices.columns and bool(prices["factor"][prices["close"].notna()].notna().all())
