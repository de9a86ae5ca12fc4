"""What a signal would have earned: a compact daily backtest, and the figures of its result."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rollforward.backtest.by_strategy import backtest_daily
    from rollforward.backtest.daily import backtest
    from rollforward.backtest.exchange import Exchange
    from rollforward.backtest.result import BacktestResult
    from rollforward.backtest.risk import indicator_analysis, risk_analysis
    from rollforward.backtest.strategy import TopkDropoutStrategy

__all__ = [
    "BacktestResult",
    "Exchange",
    "TopkDropoutStrategy",
    "backtest",
    "backtest_daily",
    "indicator_analysis",
    "risk_analysis",
]

_HOMES = {
    "BacktestResult": "result",
    "Exchange": "exchange",
    "TopkDropoutStrategy": "strategy",
    "backtest": "daily",
    "backtest_daily": "by_strategy",
    "indicator_analysis": "risk",
    "risk_analysis": "risk",
}


def __getattr__(name: str) -> Any:
    """Load a name when it is first used."""
    if name not in _HOMES:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
