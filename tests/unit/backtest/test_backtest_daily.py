"""Qlib's call: the strategy carries the signal."""

import pandas as pd
import pytest

from rollforward.backtest import TopkDropoutStrategy, backtest, backtest_daily
from rollforward.errors import TaskError

DATES = pd.bdate_range("2022-03-01", periods=8)
PRICES = pd.DataFrame({name: [10.0 + i * k for i in range(8)] for k, name in enumerate("ABC")}, DATES)
SIGNAL = pd.concat(
    {date: pd.Series({"A": 1.0, "B": 2.0, "C": 3.0}) for date in DATES}, names=["datetime", "instrument"]
)


def test_it_is_the_backtest_of_the_strategys_signal():
    strategy = TopkDropoutStrategy(topk=2, n_drop=1, signal=SIGNAL)
    report, positions = backtest_daily(DATES[1], DATES[-1], strategy, prices=PRICES)
    result = backtest(
        SIGNAL, PRICES, strategy=TopkDropoutStrategy(topk=2, n_drop=1), start_time=DATES[1], end_time=DATES[-1]
    )
    pd.testing.assert_frame_equal(report, result.report)
    pd.testing.assert_frame_equal(positions, result.positions)
    config = {"class": "TopkDropoutStrategy", "kwargs": {"topk": 2, "n_drop": 1, "signal": SIGNAL}}
    pd.testing.assert_frame_equal(backtest_daily(DATES[1], DATES[-1], config, prices=PRICES)[0], report)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [({}, "no prices"), ({"prices": PRICES, "executor": {}}, "executor"), ({"prices": PRICES}, "signal is None")],
)
def test_what_it_needs(kwargs, message):
    with pytest.raises(TaskError, match=message):
        backtest_daily(DATES[1], DATES[-1], TopkDropoutStrategy(topk=2, n_drop=1), **kwargs)
