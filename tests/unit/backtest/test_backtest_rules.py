"""Small markets whose books can be kept by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rollforward.backtest import Exchange, TopkDropoutStrategy, backtest

DAYS = pd.bdate_range("2024-01-01", periods=5, name="datetime")
FREE = {"open_cost": 0, "close_cost": 0, "min_cost": 0}


def wide(**columns):
    return pd.DataFrame(columns, DAYS[: len(next(iter(columns.values())))])


def scores_of(table):
    return table.rename_axis(columns="instrument").stack().rename("score").dropna()


def run(prices, scores, exchange=FREE, cash=1000.0, **strategy):
    rule = {"topk": 1, "n_drop": 1, "risk_degree": 1.0, **strategy}
    return backtest(
        scores_of(scores), prices, strategy=TopkDropoutStrategy(**rule), account=cash, exchange_kwargs=exchange
    )


def held(result, day):
    rows = result.positions[result.positions.index.get_level_values("datetime") == DAYS[day]]
    return dict(zip(rows.index.get_level_values("instrument"), rows["amount"], strict=True))


PRICES = wide(A=[10, 10, 11, 12, 12], B=[20, 20, 20, 25, 30], C=[5, 5, 5, 5, 5])
# A is best on the first day, then B; C never.
SCORES = wide(A=[3, 1, 1, 1, 1], B=[2, 3, 3, 3, 3], C=[1, 0, 0, 0, 0]).astype(float)


def test_the_score_of_a_day_is_traded_the_day_after():
    result = run(PRICES, SCORES)

    assert [held(result, day) for day in range(5)] == [{}, {"A": 100}, {"B": 55}, {"B": 55}, {"B": 55}]
    assert result.report["account"].tolist() == [1000, 1000, 1100, 55 * 25, 55 * 30]
    assert result.report["return"].tolist() == pytest.approx([0, 0, 0.1, 0.25, 0.2])
    assert result.report["turnover"].tolist() == pytest.approx([0, 1, 2200 / 1000, 0, 0])
    assert result.report["total_turnover"].tolist() == [0, 1000, 3200, 3200, 3200]
    assert result.positions["count_day"].tolist() == [1, 1, 2, 3]
    mean_change = [0, 0, 0.1 / 3, (1 / 11 + 0.25) / 3, 0.2 / 3]
    assert result.report["bench"].tolist() == pytest.approx(mean_change)


def test_costs_of_buying_and_of_selling():
    result = run(PRICES, SCORES, {"open_cost": 0.01, "close_cost": 0.02, "min_cost": 0})

    # What can be bought with 1000 at 1 % is 1000 / 1.01; it is sold a tenth dearer, at 2 %.
    bought = 1000 / 1.01
    left = bought * 1.1 * 0.98
    again = left / 1.01
    cost = [0, bought * 0.01, bought * 1.1 * 0.02 + again * 0.01, 0, 0]
    assert result.report["account"].tolist() == pytest.approx([1000, bought, again, again * 1.25, again * 1.5])
    assert result.report["total_cost"].tolist() == pytest.approx(np.cumsum(cost))
    assert result.report["return"].iloc[2] == pytest.approx((again - bought + cost[2]) / bought)
    assert result.report["cost"].iloc[2] == pytest.approx(cost[2] / bought)
    assert result.indicators["ffr"].tolist()[1] == pytest.approx(1 / 1.01)


def test_least_cost_is_paid_per_order():
    result = run(PRICES, SCORES, {"open_cost": 0.01, "close_cost": 0.01, "min_cost": 100}, risk_degree=0.5)

    assert result.orders["trade_cost"].tolist() == [100, 100, 100]
    assert result.report["cash"].tolist()[1] == pytest.approx(1000 - 500 - 100)


def test_money_that_does_not_cover_the_cost_buys_nothing():
    result = run(PRICES, SCORES, {"open_cost": 0.01, "close_cost": 0.01, "min_cost": 2000})

    assert result.positions.empty
    assert result.report["account"].tolist() == [1000] * 5
    assert result.report["cost"].tolist() == [0] * 5
    assert len(result.orders) == 4
    assert result.indicators["ffr"].tolist()[1:] == [0] * 4


def test_nothing_is_exchanged_for_something_worse():
    worse = wide(A=[3, 3, 3], B=[2, 2, 2], C=[1, 1, 1]).astype(float)

    assert len(run(PRICES.iloc[:4], worse).orders) == 1


def test_only_the_worst_go_and_the_best_come():
    prices = wide(A=[1, 1, 1], B=[1, 1, 1], C=[1, 1, 1], D=[1, 1, 1], E=[1, 1, 1], F=[1, 1, 1])
    scores = wide(A=[6, 1, 1], B=[5, 2, 2], C=[4, 3, 3], D=[3, 6, 6], E=[2, 5, 5], F=[1, 4, 4]).astype(float)

    one = run(prices, scores, topk=3, n_drop=1)
    two = run(prices, scores, topk=3, n_drop=2)
    none = run(prices, scores, topk=3, n_drop=0)
    assert sorted(held(one, 2)) == ["B", "C", "D"]
    assert sorted(held(two, 2)) == ["C", "D", "E"]
    assert sorted(held(none, 2)) == ["A", "B", "C"]


def test_what_has_no_score_goes_first_and_never_comes():
    scores = wide(A=[3, np.nan, np.nan], B=[2, 2, 2], C=[1, 3, 3]).astype(float)
    result = run(PRICES.iloc[:3], scores, topk=2)

    assert sorted(held(result, 1)) == ["A", "B"]
    assert sorted(held(result, 2)) == ["B", "C"]
    assert sorted(held(run(PRICES.iloc[:3], scores.drop(columns="C"), topk=3), 2)) == ["B"]


def test_a_day_without_scores_changes_nothing():
    result = run(PRICES, SCORES.drop(DAYS[1]))

    assert [sorted(held(result, day)) for day in range(5)] == [[], ["A"], ["A"], ["B"], ["B"]]


def test_hold_thresh_keeps_what_was_bought_lately():
    result = run(PRICES, SCORES, hold_thresh=2)

    # Bought on day 1, held for one session at the end of it: on day 2 it is too early.
    assert [sorted(held(result, day)) for day in range(5)] == [[], ["A"], ["A"], ["B"], ["B"]]


def test_what_has_no_price_keeps_its_value_and_stays():
    prices = PRICES.astype(float)
    prices.loc[DAYS[2:4], "A"] = np.nan
    result = run(prices, SCORES)

    assert [sorted(held(result, day)) for day in range(5)] == [[], ["A"], ["A"], ["A"], ["B"]]
    assert result.report["account"].tolist()[:4] == [1000] * 4
    assert result.report["account"].iloc[4] == pytest.approx(1200)


def test_price_limits_forbid_both_directions_or_one():
    limit = {**FREE, "limit_threshold": 0.1}
    both = run(PRICES, SCORES, limit)
    one = run(PRICES, SCORES, limit, forbid_all_trade_at_limit=False)

    # On day 2 A is at its upper limit; B is so on days 3 and 4, and then not to be had.
    assert sorted(held(both, 2)) == ["A"]
    assert sorted(held(one, 2)) == ["B"]
    assert [sorted(held(both, day)) for day in (3, 4)] == [[], []]


def test_limits_in_columns():
    prices = PRICES.rename_axis(columns="instrument").stack().rename("close").to_frame()
    prices["no_buy"] = (prices.index.get_level_values("instrument") == "A").astype(float)
    prices["no_sell"] = 0.0
    result = run(prices, SCORES, {**FREE, "limit_threshold": ["$no_buy", "no_sell"]})

    assert [sorted(held(result, day)) for day in (1, 2)] == [[], ["B"]]


def test_only_tradable_takes_the_next_instead():
    prices = PRICES.astype(float)
    prices.loc[DAYS[1], "A"] = np.nan

    assert held(run(prices, SCORES), 1) == {}
    assert held(run(prices, SCORES, only_tradable=True), 1) == {"B": 50}


def test_named_prices_to_buy_and_to_sell_at():
    close = PRICES.rename_axis(columns="instrument").stack().rename("$close")
    prices = pd.DataFrame({"$close": close, "$open": close * 0.5, "bid": close * 0.8})
    result = run(prices, SCORES, {**FREE, "deal_price": ("$open", "$bid")})

    assert held(result, 1) == {"A": 200}
    assert result.report["account"].iloc[1] == 2000
    assert result.orders["trade_price"].tolist()[:3] == pytest.approx([5, 11 * 0.8, 10])


def test_shares_are_bought_in_lots():
    result = run(PRICES, SCORES, {**FREE, "trade_unit": 30})

    assert held(result, 1) == {"A": 90}
    assert held(result, 2) == {"B": 30}


def test_an_instrument_without_prices_takes_a_place_and_is_not_bought():
    scores = SCORES.assign(Z=9.0)

    assert run(PRICES, scores).positions.empty
    assert sorted(held(run(PRICES, scores, only_tradable=True), 1)) == ["A"]


def test_random_methods_are_repeatable_and_stay_in_the_pool():
    random = np.random.default_rng(0)
    days = pd.bdate_range("2024-01-01", periods=60, name="datetime")
    names = [f"S{number:02}" for number in range(12)]
    prices = pd.DataFrame(np.exp(random.normal(0, 0.02, (60, 12)).cumsum(axis=0)), days, names)
    scores = scores_of(pd.DataFrame(random.normal(size=(60, 12)), days, names))
    rule = TopkDropoutStrategy(topk=4, n_drop=2, method_buy="random", method_sell="random", seed=3)
    first, again = (backtest(scores, prices, strategy=rule) for _ in range(2))
    other = backtest(
        scores, prices, strategy=TopkDropoutStrategy(topk=4, n_drop=2, method_buy="random", method_sell="random")
    )

    pd.testing.assert_frame_equal(first.report, again.report)
    assert not first.report.equals(other.report)
    ranks = scores.groupby(level="datetime").rank(ascending=False)
    bought = first.orders[first.orders["direction"] == 1]
    before = days[days.get_indexer(bought["datetime"]) - 1]
    assert (ranks.loc[list(zip(before, bought["instrument"], strict=True))] <= 4).all()


def test_own_strategy():
    class Everything:
        risk_degree = 0.5

        def start(self):
            self.days = 0

        def decide(self, day):
            from rollforward.backtest.strategy import Decision

            self.days += 1
            new = np.setdiff1d(day.ranked, day.held)
            return Decision(day.held[:0], new, len(new))

    result = backtest(scores_of(SCORES), PRICES, strategy=Everything(), account=1000, exchange_kwargs=Exchange(**FREE))

    assert held(result, 4) == pytest.approx({"A": 500 / 3 / 10, "B": 500 / 3 / 20, "C": 500 / 3 / 5})
