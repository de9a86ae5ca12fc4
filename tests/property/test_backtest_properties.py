"""The backtest against a plain one that keeps a dictionary, and what holds of every backtest."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollforward.backtest import TopkDropoutStrategy, backtest

MARKETS = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 10_000),
        "n_days": st.integers(3, 25),
        "n_names": st.integers(1, 9),
        "lacking": st.sampled_from([0.0, 0.2]),
        "tied": st.booleans(),
    }
)
RULES = st.fixed_dictionaries(
    {
        "topk": st.integers(1, 5),
        "n_drop": st.integers(1, 4),
        "hold_thresh": st.integers(0, 4),
        "risk_degree": st.sampled_from([0.5, 0.95, 1.0]),
    }
)
COSTS = st.fixed_dictionaries(
    {
        "open_cost": st.sampled_from([0.0, 0.001, 0.02]),
        "close_cost": st.sampled_from([0.0, 0.002]),
        "min_cost": st.sampled_from([0, 5]),
        "limit_threshold": st.sampled_from([None, 0.04]),
    }
)


def market(seed, n_days, n_names, lacking, tied):
    random = np.random.default_rng(seed)
    days = pd.bdate_range("2024-01-01", periods=n_days, name="datetime")
    names = pd.Index([f"S{number}" for number in range(n_names)], name="instrument")
    shape = (n_days, n_names)
    prices = pd.DataFrame(20 * np.exp(random.normal(0, 0.03, shape).cumsum(axis=0)), days, names)
    prices = prices.mask(random.random(shape) < lacking)
    prices.iloc[:, 0] = prices.iloc[:, 0].fillna(20.0)
    scores = random.integers(0, 3, shape).astype(float) if tied else random.normal(size=shape)
    return prices, pd.DataFrame(scores, days, names).mask(random.random(shape) < lacking / 2)


def long(scores):
    return scores.stack().rename("score").dropna()


def plain(prices, scores, rule, costs, cash):
    """Account of each day, by the words of the rule; one instrument at a time."""
    shares, price, age, accounts = {}, {}, {}, []
    days = list(prices.index)
    for number, day in enumerate(days):
        today = prices.loc[day].to_dict()
        before = prices.loc[days[number - 1]].to_dict() if number else {}
        known = scores.loc[days[number - 1]].dropna().to_dict() if number else {}

        def tradable(name, today=today, before=before):
            limit = costs["limit_threshold"]
            change = today[name] / before.get(name, math.nan) - 1
            return not math.isnan(today[name]) and not (limit and abs(change) >= limit)

        if known:
            rank = sorted(known, key=lambda name, known=known: (-known[name], name))
            coming = [name for name in rank if name not in shares][: rule["n_drop"] + rule["topk"] - len(shares)]
            both = sorted([*shares, *coming], key=lambda name: (-known.get(name, -math.inf), name))
            going = [name for name in shares if name in both[-rule["n_drop"] :]]
            coming = coming[: len(going) + rule["topk"] - len(shares)]
            for name in sorted(going):
                value = shares[name] * today[name]
                cost = max(value * costs["close_cost"], costs["min_cost"])
                if tradable(name) and age[name] >= rule["hold_thresh"] and cash + value >= cost:
                    cash += value - cost
                    del shares[name]
            part = cash * rule["risk_degree"] / len(coming) if coming else 0
            for name in coming:
                cost = max(part * costs["open_cost"], costs["min_cost"])
                if not tradable(name) or cash < cost:
                    continue
                most = min((cash - costs["min_cost"]), cash / (1 + costs["open_cost"]))
                value = part if cash >= part + cost else min(part, most)
                if value > 1e-5:
                    shares[name], age[name] = value / today[name], 0
                    cash -= value + max(value * costs["open_cost"], costs["min_cost"])
        price |= {name: value for name, value in today.items() if not math.isnan(value)}
        age = {name: age[name] + 1 for name in shares}
        accounts.append(cash + sum(shares[name] * price[name] for name in shares))
    return accounts


@given(MARKETS, RULES, COSTS)
@settings(max_examples=120, deadline=None)
def test_as_the_plain_one(made, rule, costs):
    prices, scores = market(**made)
    if not len(long(scores)):
        return
    result = backtest(
        long(scores),
        prices,
        strategy=TopkDropoutStrategy(**rule),
        account=50_000,
        start_time=prices.index[0],
        end_time=prices.index[-1],
        exchange_kwargs=costs,
    )

    assert result.report["account"].tolist() == pytest.approx(plain(prices, scores, rule, costs, 50_000), rel=1e-9)


@given(MARKETS, RULES, COSTS, st.integers(1, 20))
@settings(max_examples=60, deadline=None)
def test_books_balance_and_know_nothing_of_the_future(made, rule, costs, cut):
    prices, scores = market(**made)
    cut = min(cut, len(prices) - 1)
    if not len(long(scores.iloc[:cut])):
        return
    options = {"strategy": TopkDropoutStrategy(**rule), "account": 50_000.0, "exchange_kwargs": costs}
    options |= {"start_time": prices.index[0], "end_time": prices.index[-1]}
    whole = backtest(long(scores), prices, **options)
    report, positions, orders = whole.report, whole.positions, whole.orders
    part = backtest(long(scores.iloc[: cut + 1]), prices.iloc[: cut + 1], **options)

    pd.testing.assert_frame_equal(part.report, report.iloc[: cut + 1])
    assert (report["cash"] + report["value"]).tolist() == pytest.approx(report["account"].tolist())
    assert (report["cash"] >= -1e-6).all()
    assert positions["value"].groupby(level="datetime").sum().reindex(report.index, fill_value=0).tolist() == (
        pytest.approx(report["value"].tolist())
    )
    before = report["account"].shift(1, fill_value=50_000.0)
    assert (report["account"] - before).tolist() == pytest.approx(
        ((report["return"] - report["cost"]) * before).tolist(), abs=1e-6
    )
    assert orders["trade_value"].sum() == pytest.approx(report["total_turnover"].iloc[-1])
    assert orders["trade_cost"].sum() == pytest.approx(report["total_cost"].iloc[-1])
    held = positions.groupby(level="datetime").size()
    assert (held <= rule["topk"] + rule["n_drop"]).all()
    assert whole.indicators["count"].sum() == len(orders)
