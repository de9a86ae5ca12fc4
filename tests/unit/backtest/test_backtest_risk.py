from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rollforward.backtest import indicator_analysis, risk_analysis
from rollforward.backtest.risk import excess_risk, freq_name
from rollforward.errors import ColumnError, DataError, TaskError

RETURNS = pd.Series([0.02, -0.01, -0.03, 0.04, 0.01])


def test_sum_by_hand():
    risk = risk_analysis(RETURNS)["risk"]

    assert list(risk.index) == ["mean", "std", "annualized_return", "information_ratio", "max_drawdown"]
    assert risk["mean"] == pytest.approx(0.006)
    assert risk["std"] == pytest.approx(np.std(RETURNS, ddof=1))
    assert risk["annualized_return"] == pytest.approx(0.006 * 238)
    assert risk["information_ratio"] == pytest.approx(0.006 / np.std(RETURNS, ddof=1) * 238**0.5)
    assert risk["max_drawdown"] == pytest.approx(-0.04)


def test_product_by_hand():
    risk = risk_analysis(RETURNS, mode="product")["risk"]
    end = 1.02 * 0.99 * 0.97 * 1.04 * 1.01

    assert risk["mean"] == pytest.approx(end**0.2 - 1)
    assert risk["annualized_return"] == pytest.approx(end ** (238 / 5) - 1)
    assert risk["max_drawdown"] == pytest.approx(0.99 * 0.97 - 1)


@pytest.mark.parametrize(
    ("freq", "periods"), [("day", 238), ("1day", 238), ("5min", 240 * 238 / 5), ("week", 50), ("2month", 6)]
)
def test_a_year_is_as_long_as_in_qlib(freq, periods):
    assert risk_analysis(RETURNS, freq=freq)["risk"]["annualized_return"] == pytest.approx(0.006 * periods)
    assert risk_analysis(RETURNS, N=10, freq=freq)["risk"]["annualized_return"] == pytest.approx(0.06)


def test_returns_that_do_not_vary_have_no_ratio():
    assert np.isnan(risk_analysis(pd.Series([0.01]))["risk"]["information_ratio"])
    assert np.isnan(risk_analysis(pd.Series([0.0, 0.0]))["risk"]["information_ratio"])


def test_refused():
    with pytest.raises(DataError, match="no return"):
        risk_analysis(RETURNS.iloc[:0])
    with pytest.raises(TaskError, match="mode"):
        risk_analysis(RETURNS, mode="mean")
    with pytest.raises(TaskError, match="no frequency"):
        risk_analysis(RETURNS, freq="year")
    with pytest.raises(TaskError, match="method"):
        indicator_analysis(pd.DataFrame(), method="median")
    with pytest.raises(ColumnError, match="'ffr'"):
        indicator_analysis(pd.DataFrame({"count": [1.0]}))


def test_names_of_frequencies():
    assert [freq_name(name) for name in ("day", "1d", "5min", "week", "mon")] == [
        *("1day", "1day", "5min", "1week", "1month"),
    ]


def test_excess_is_beyond_the_benchmark_and_after_cost():
    report = pd.DataFrame({"return": [0.02, 0.01], "bench": [0.01, 0.02], "cost": [0.001, 0.003]})
    risk = excess_risk(report)["risk"]

    assert risk["excess_return_without_cost", "mean"] == pytest.approx(0)
    assert risk["excess_return_with_cost", "mean"] == pytest.approx(-0.002)


def test_indicators_are_weighted():
    days = pd.DataFrame(
        {
            "ffr": [1.0, 0.5, np.nan],
            "pa": [0.1, 0.2, np.nan],
            "pos": [1.0, 0.0, np.nan],
            "deal_amount": [1.0, 4.0, 0.0],
            "value": [30.0, 10.0, 0.0],
            "count": [1.0, 3.0, 0.0],
        }
    )

    assert indicator_analysis(days)["value"].to_dict() == pytest.approx({"ffr": 2.5 / 4, "pa": 0.7 / 4, "pos": 0.25})
    assert indicator_analysis(days, "amount_weighted")["value"]["ffr"] == pytest.approx(3 / 5)
    assert indicator_analysis(days, "value_weighted")["value"]["pa"] == pytest.approx(5 / 40)
    assert indicator_analysis(days, "value_weighted")["value"]["pos"] == pytest.approx(0.25)
