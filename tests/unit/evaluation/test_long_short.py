from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rollforward.errors import DataError
from rollforward.evaluation.alpha import calc_long_short_return
from rollforward.evaluation.long_short import long_short_returns

NAMES = list("ABCDE")


def signal(values, names=NAMES):
    """One row of values per date."""
    index = pd.MultiIndex.from_product(
        [pd.bdate_range("2024-01-02", periods=len(values)), names], names=["datetime", "instrument"]
    )
    return pd.Series(np.asarray(values, dtype=float).ravel(), index)


PRED = signal([[1, 2, 3, 4, 5], [1, 2, 3, 4, 5], [5, 2, 3, 4, 1]])
RETURNS = signal([[0.0, 9, 9, 9, 0.1], [0.02, 9, 9, 9, 0.04], [0.06, 9, 9, 9, 0.02]])


def test_half_of_the_capital_earns_on_each_side_and_trading_is_paid():
    table = long_short_returns(PRED, RETURNS, cost=0.01)

    assert list(table.columns) == ["gross", "turnover", "cost", "net"]
    assert table["gross"].tolist() == pytest.approx([0.05, 0.01, 0.02])
    assert table["turnover"].tolist() == pytest.approx([1.0, 0.0, 2.0])
    assert table["cost"].tolist() == pytest.approx([0.01, 0.0, 0.02])
    assert table["net"].tolist() == pytest.approx([0.04, 0.01, 0.0])


def test_without_costs_it_is_the_long_short_return():
    rng = np.random.default_rng(0)
    names = [f"S{i}" for i in range(23)]
    pred, returns = signal(rng.normal(size=(30, 23)), names), signal(rng.normal(size=(30, 23)), names)
    expected = calc_long_short_return(pred, returns, quantile=0.3)[0]

    assert long_short_returns(pred, returns, 0.3)["net"].tolist() == pytest.approx(expected.tolist())


def test_a_missing_return_counts_as_the_rest_of_its_side_and_chooses_nobody():
    pred, returns = signal([[1, 2, 3, 4, 5]]), signal([[0.1, np.nan, 0, np.nan, 0.3]])

    assert long_short_returns(pred, returns, 0.4)["gross"].tolist() == pytest.approx([0.1])
    unknown = long_short_returns(pred, returns.where(returns != 0.3), 0.4)
    assert unknown["gross"].isna().all()
    assert unknown["turnover"].tolist() == pytest.approx([1.0])


def test_a_missing_prediction_is_not_traded_and_does_not_fill_the_sides():
    pred = signal([[1, 2, np.nan, np.nan, 3], [1, 2, 3, 4, 5]])
    table = long_short_returns(pred, signal([[1] * 5] * 2), 0.25)

    assert table["turnover"].tolist() == pytest.approx([0.0, 1.0])
    assert table["gross"].tolist() == pytest.approx([0.0, 0.0])


def test_who_disappears_is_sold():
    pred = PRED.drop((pd.Timestamp("2024-01-03"), "E"))

    assert long_short_returns(pred, RETURNS, 0.25)["turnover"].tolist() == pytest.approx([1.0, 1.0, 2.0])


def test_overlapping_choices_are_averaged():
    table = long_short_returns(PRED, RETURNS, holding=2)

    # Day 3 holds half of day 2's choice (E long, A short) and half of its own, the reverse: nothing is left.
    assert table["turnover"].tolist() == pytest.approx([0.5, 0.5, 1.0])
    assert table["gross"].tolist() == pytest.approx([0.025, 0.01, 0.0])
    assert long_short_returns(PRED, RETURNS, holding=50)["turnover"].tolist() == pytest.approx([0.02] * 3)


def test_returns_may_be_a_table_of_dates_and_instruments():
    wide = pd.DataFrame(RETURNS.to_numpy().reshape(3, 5), RETURNS.index.levels[0], NAMES)
    wide = wide[NAMES[::-1]].assign(Z=1.0).iloc[::-1]

    pd.testing.assert_frame_equal(long_short_returns(PRED, wide), long_short_returns(PRED, RETURNS))


def test_dates_without_predictions_are_not_there():
    table = long_short_returns(PRED.drop(pd.Timestamp("2024-01-03"), level=0), RETURNS)

    assert table.index.tolist() == [pd.Timestamp("2024-01-02"), pd.Timestamp("2024-01-04")]


@pytest.mark.parametrize("bad", [{"quantile": 0}, {"quantile": 0.6}, {"cost": -0.1}, {"holding": 0}])
def test_numbers_out_of_range_are_refused(bad):
    with pytest.raises(DataError, match="quantile is"):
        long_short_returns(PRED, RETURNS, **bad)


def test_inputs_that_do_not_meet_or_repeat_are_refused():
    with pytest.raises(DataError, match="No row of pred is in returns"):
        long_short_returns(PRED, RETURNS.rename(index={name: name.lower() for name in NAMES}))
    with pytest.raises(DataError, match="pred has more than one row for A"):
        long_short_returns(pd.concat([PRED, PRED.iloc[:1]]), RETURNS)
    with pytest.raises(DataError, match="returns has more than one row for A"):
        long_short_returns(PRED, pd.concat([RETURNS, RETURNS.iloc[:1]]))
