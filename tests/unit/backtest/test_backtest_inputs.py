from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rollforward.backtest import Exchange, TopkDropoutStrategy, backtest
from rollforward.errors import ColumnError, DataError, EmptySegmentError, InstantiationError, TaskError

DAYS = pd.bdate_range("2024-01-01", periods=30, name="datetime")
NAMES = list("ABCDEF")
RANDOM = np.random.default_rng(5)
PRICES = pd.DataFrame(np.exp(RANDOM.normal(0, 0.02, (30, 6)).cumsum(axis=0)), DAYS, NAMES)
SCORES = (
    pd.DataFrame(RANDOM.normal(size=(30, 6)), DAYS, NAMES).rename_axis(columns="instrument").stack().rename("score")
)
RULE = TopkDropoutStrategy(topk=2, n_drop=1)


def run(signal=SCORES, prices=PRICES, **options):
    return backtest(signal, prices, **{"strategy": RULE, **options})


def test_the_same_from_any_layout_and_order(tmp_path):
    long = PRICES.rename_axis(columns="instrument").stack().rename("close")
    PRICES.to_csv(tmp_path / "wide.csv")
    expected = run().report

    for prices in (long.to_frame(), long.to_frame().sample(frac=1, random_state=0), long.rename("$close").to_frame()):
        pd.testing.assert_frame_equal(run(prices=prices).report, expected)
    pd.testing.assert_frame_equal(run(prices=str(tmp_path / "wide.csv")).report, expected)
    pd.testing.assert_frame_equal(run(SCORES.sample(frac=1, random_state=0)).report, expected)
    pd.testing.assert_frame_equal(run(SCORES.swaplevel().to_frame().assign(other=0)).report, expected)


def test_configuration_in_the_words_of_qlib():
    config = {
        "class": "TopkDropoutStrategy",
        "module_path": "qlib.contrib.strategy.signal_strategy",
        "kwargs": {"topk": 2, "n_drop": 1, "signal": "anything"},
    }
    rules = {"freq": "day", "deal_price": None, "limit_threshold": None, "open_cost": 0.0005, "close_cost": 0.0015}

    pd.testing.assert_frame_equal(run(strategy=config, exchange_kwargs=rules).report, run().report)


def test_range_is_inclusive_and_ends_after_the_last_score():
    early = SCORES.loc[DAYS[3] : DAYS[9]]

    assert list(run(early).report.index) == list(DAYS[3:11])
    assert list(run(start_time="2024-01-10", end_time=DAYS[20]).report.index) == list(DAYS[7:21])
    # The score of the session before the first one is used, wherever the backtest begins.
    assert not run(start_time=DAYS[5]).orders.query("datetime == @DAYS[5]").empty


def test_benchmarks():
    changes = PRICES.pct_change()
    own = pd.Series(0.01, DAYS[:-2])

    np.testing.assert_allclose(run(benchmark="B").report["bench"], changes["B"].fillna(0))
    np.testing.assert_allclose(run(benchmark=["A", "C"]).report["bench"], changes[["A", "C"]].mean(axis=1).fillna(0))
    np.testing.assert_allclose(run().report["bench"], changes.mean(axis=1).fillna(0))
    assert run(benchmark=None).report["bench"].eq(0).all()
    assert run(benchmark=own).report["bench"].tolist() == pytest.approx([0.01] * 28 + [0, 0])


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"benchmark": "SH000300"}, DataError, "no instrument 'SH000300'"),
        ({"benchmark": pd.Series([0.1])}, DataError, "without times"),
        ({"account": 0}, TaskError, "account is 0"),
        ({"account": {"cash": 1}}, TaskError, "positive number"),
        ({"exchange_kwargs": {"opne_cost": 1}}, TaskError, "open_cost"),
        ({"exchange_kwargs": {"open_cost": -1}}, TaskError, "not negative"),
        ({"exchange_kwargs": {"impact_cost": 0.1}}, TaskError, "volumes"),
        ({"exchange_kwargs": {"trade_unit": 0}}, TaskError, "trade_unit"),
        ({"exchange_kwargs": {"deal_price": "open"}}, ColumnError, "'open'"),
        ({"start_time": "2030-01-01"}, EmptySegmentError, "no session"),
        ({"strategy": {"class": "TopkDropoutStrategy", "kwargs": {"topk": 2}}}, InstantiationError, "n_drop"),
        ({"strategy": {"class": "Exchange", "module_path": "rollforward.backtest.exchange"}}, TaskError, "decide"),
        ({"prices": PRICES.rename_axis(columns="instrument").stack().rename("x").to_frame()}, ColumnError, "'close'"),
        ({"signal": "<PRED>"}, DataError, "type str"),
        ({"signal": SCORES.droplevel("instrument")}, DataError, "datetime"),
        ({"signal": SCORES.iloc[:0]}, DataError, "empty"),
        ({"signal": pd.concat([SCORES, SCORES])}, DataError, "twice"),
        ({"signal": SCORES.rename(lambda day: day + pd.Timedelta("1h"), level=0)}, DataError, "No date of the signal"),
        ({"signal": SCORES.rename(str, level=0)}, DataError, "timestamps"),
    ],
)
def test_refused(options, error, match):
    with pytest.raises(error, match=match):
        run(**options)


@pytest.mark.parametrize(
    "wrong",
    [
        {"topk": 0, "n_drop": 1},
        {"topk": 2, "n_drop": -1},
        {"topk": 2, "n_drop": 1, "method_sell": "top"},
        {"topk": 2, "n_drop": 1, "method_buy": "bottom"},
        {"topk": 2, "n_drop": 1, "risk_degree": 1.5},
    ],
)
def test_refused_strategies(wrong):
    with pytest.raises(TaskError, match="TopkDropoutStrategy"):
        TopkDropoutStrategy(**wrong)


def test_dates_without_prices_are_named(caplog):
    run(prices=PRICES.drop(DAYS[4]))

    assert "1 of 30 dates of the signal have no prices" in caplog.text


def test_names_that_have_no_prices(caplog):
    def named(function):
        levels = SCORES.index.set_levels([function(name) for name in NAMES], level="instrument")
        return pd.Series(SCORES.to_numpy(), index=levels)

    with pytest.raises(DataError, match=r"None of the 6 instruments .* 'a'(.|\n)*Did you mean 'A'"):
        run(named(str.lower))
    run(named(lambda name: name if name < "E" else f"{name}.US"))
    assert "2 of 6 instruments of the signal have no prices and are never traded, the first is 'E.US'" in caplog.text


def test_more_places_than_instruments_is_a_warning_once(caplog):
    run(strategy=TopkDropoutStrategy(topk=6, n_drop=1))
    assert not caplog.records
    run(strategy=TopkDropoutStrategy(topk=7, n_drop=1))
    assert [record.message for record in caplog.records] == [
        "topk is 7, and there are 6 instruments to buy: the signal chooses nothing"
    ]


def test_shows_itself():
    result = run()

    assert repr(result) == "BacktestResult(30 sessions, 2024-01-01 to 2024-02-09)"
    assert "information_ratio" in result._repr_html_()
    assert repr(RULE) == "TopkDropoutStrategy(topk=2, n_drop=1)"
    assert Exchange.of(None) == Exchange()
