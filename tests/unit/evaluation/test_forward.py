from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rollforward.errors import ColumnError, DataError
from rollforward.evaluation.forward import forward_returns

DAYS = pd.to_datetime(["2024-01-02", "2024-01-03", "2024-01-05", "2024-01-08", "2024-01-09"])
PRICES = pd.DataFrame({"A": [10.0, 20.0, 10.0, 5.0, 10.0], "B": [1.0, 2.0, np.nan, 4.0, 8.0]}, DAYS)


def column(frame, horizon, name):
    return frame[horizon].xs(name, level="instrument").tolist()


def test_bought_after_the_delay_and_sold_a_horizon_later():
    returns = forward_returns(PRICES, [1, 2])

    assert column(returns, 1, "A") == pytest.approx([-0.5, -0.5, 1.0, np.nan, np.nan], nan_ok=True)
    assert column(returns, 2, "A") == pytest.approx([-0.75, 0.0, np.nan, np.nan, np.nan], nan_ok=True)
    assert column(forward_returns(PRICES, delay=0), 1, "A") == pytest.approx(
        [1.0, -0.5, -0.5, 1.0, np.nan], nan_ok=True
    )


def test_it_is_the_default_label_of_qlib():
    close = PRICES["A"]
    expected = (close.shift(-2) / close.shift(-1) - 1).tolist()

    assert column(forward_returns(PRICES), 1, "A") == pytest.approx(expected, nan_ok=True)


def test_a_missing_price_is_not_filled():
    assert column(forward_returns(PRICES), 1, "B") == pytest.approx([np.nan, np.nan, 1.0, np.nan, np.nan], nan_ok=True)
    assert column(forward_returns(PRICES, [2]), 2, "B") == pytest.approx([1.0, np.nan] + [np.nan] * 3, nan_ok=True)


def test_prices_may_be_indexed_by_date_and_instrument_in_any_order():
    long = PRICES.rename_axis(index="datetime", columns="instrument").stack().sample(frac=1, random_state=1)

    pd.testing.assert_frame_equal(forward_returns(long), forward_returns(PRICES), check_names=False)
    pd.testing.assert_frame_equal(forward_returns(long.to_frame("close")), forward_returns(long))
    pd.testing.assert_frame_equal(forward_returns(long.swaplevel()), forward_returns(long))


def test_rows_out_of_order_are_sorted_and_the_input_stays():
    mixed = PRICES.iloc[::-1].copy()
    before = mixed.copy()

    pd.testing.assert_frame_equal(forward_returns(mixed), forward_returns(PRICES))
    pd.testing.assert_frame_equal(mixed, before)


def test_a_horizon_beyond_the_prices_has_no_return():
    assert forward_returns(PRICES, [1, 50])[50].isna().all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: p.where(p != 5, 0.0), "price of A on 2024-01-08 00:00:00 is 0.0"),
        (lambda p: pd.concat([p, p]), "repeats dates"),
        (lambda p: pd.concat({"close": p}, axis=1), "several levels"),
    ],
)
def test_what_is_no_table_of_prices_is_refused(change, message):
    with pytest.raises(DataError, match=message):
        forward_returns(change(PRICES))


def test_a_row_that_is_there_twice_is_named():
    long = PRICES.rename_axis(index="datetime", columns="instrument").stack()
    with pytest.raises(DataError, match="prices has more than one row for A on 2024-01-02"):
        forward_returns(pd.concat([long, long.iloc[:1]]))
    with pytest.raises(ColumnError, match="'day'"):
        forward_returns(long, date_col="day")


@pytest.mark.parametrize("bad", [{"horizons": [0]}, {"horizons": []}, {"delay": -1}])
def test_horizons_and_delay_look_ahead(bad):
    with pytest.raises(DataError, match="horizons are"):
        forward_returns(PRICES, **bad)
