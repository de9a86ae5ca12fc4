"""Markets, scores and rules that both backtests are asked about; for both environments, so numpy and pandas alone."""

import numpy as np
import pandas as pd

COLUMNS = ["account", "return", "total_turnover", "turnover", "total_cost", "cost", "value", "cash", "bench"]
EXCHANGE = {"limit_threshold": None, "deal_price": "close", "open_cost": 5e-4, "close_cost": 15e-4, "min_cost": 5}


def case(market, strategy, account=1e8, benchmark="S00", **exchange):
    return {
        "market": market,
        "strategy": {"topk": 5, "n_drop": 1, **strategy},
        "account": account,
        "benchmark": benchmark,
        "exchange": {**EXCHANGE, **exchange},
    }


CASES = {
    "plain": case("sp500", {}, benchmark="KO"),
    "many a day": case("sp500", {"topk": 8, "n_drop": 3}, benchmark=["KO", "PG", "XOM"]),
    "held a week": case("sp500", {"n_drop": 2, "hold_thresh": 5}, benchmark="KO"),
    "dear": case("sp500", {"n_drop": 2}, benchmark="KO", open_cost=0.003, close_cost=0.008, min_cost=200),
    "free": case("sp500", {}, benchmark="KO", open_cost=0.0, close_cost=0.0, min_cost=0),
    "all in": case("sp500", {"n_drop": 2, "risk_degree": 1.0}, benchmark="KO"),
    "least cost": case("sp500", {"n_drop": 2}, account=5e4, benchmark="KO", min_cost=30),
    # One sale a day: of several, Qlib deals first what the hashes of the process put first, and then cash may lack.
    "nearly broke": case("sp500", {"risk_degree": 1.0}, account=400.0, benchmark="KO", min_cost=25),
    "gaps": case("gaps", {"topk": 10, "n_drop": 3}),
    "gaps, only tradable": case("gaps", {"topk": 10, "n_drop": 3, "only_tradable": True}),
    "limits": case("gaps", {"topk": 10, "n_drop": 4}, limit_threshold=0.03),
    "limits, one way": case(
        "gaps", {"topk": 10, "n_drop": 4, "forbid_all_trade_at_limit": False}, limit_threshold=0.03
    ),
    "limits, only tradable": case(
        "gaps", {"topk": 10, "n_drop": 4, "only_tradable": True, "hold_thresh": 3}, limit_threshold=0.03
    ),
    "other price": case("gaps", {"topk": 10, "n_drop": 3}, deal_price=("$open", "$close")),
    "whole lots": case("lots", {"topk": 6, "n_drop": 2}, account=2e5, trade_unit=100),
    "whole lots, all in": case("lots", {"topk": 6, "n_drop": 2, "risk_degree": 1.0}, account=6e4, trade_unit=100),
}


def markets(closes):
    """Make the markets: for each its columns, dates x instruments, of numbers that single precision holds, and scores.

    Parameters
    ----------
    closes
        Real closes, dates x instruments.
    """
    random = np.random.default_rng(20260101)
    real = closes.loc["2013-01-01":"2013-12-31"]
    walk = np.exp(np.cumsum(random.normal(0, 0.02, (220, 40)), axis=0)) * 50
    made = pd.DataFrame(walk, pd.bdate_range("2018-01-01", periods=220), [f"S{i:02}" for i in range(40)])
    torn = made.mask(random.random(made.shape) < 0.08)
    torn.iloc[120:150, 3] = np.nan
    torn.iloc[180:, 7] = np.nan
    torn["S00"] = made["S00"]
    factor = pd.DataFrame(
        np.where(np.arange(220)[:, None] < 110, 0.5, 0.8) + np.arange(40) / 100, made.index, made.columns
    )
    found = {"sp500": {"close": real}, "gaps": {"close": torn}, "lots": {"close": made, "factor": factor}}
    for columns in found.values():
        close = columns["close"] = columns["close"].astype(np.float32)
        columns.update({name: table.astype(np.float32) for name, table in columns.items()})
        columns["open"] = (close * (1 + random.normal(0, 0.01, close.shape))).astype(np.float32)
        columns["change"] = (close / close.shift(1) - 1).astype(np.float32)
        scores = pd.DataFrame(random.normal(size=close.shape), close.index, close.columns)
        scores = scores.rolling(5).mean().mask(random.random(close.shape) < 0.05)
        columns["score"] = scores.drop(scores.index[[60, 61, 100]])
    return {name: {field: table.astype(float) for field, table in columns.items()} for name, columns in found.items()}


def period(columns):
    """Give the first and the last session of a market's backtests: Qlib needs one more to come."""
    dates = columns["close"].index
    return dates[10], dates[-2]
