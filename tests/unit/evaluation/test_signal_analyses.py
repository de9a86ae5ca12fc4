"""Horizons, groups, months, turnover and ranks: worked by hand, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rollforward.errors import ColumnError, DataError
from rollforward.evaluation.alpha import calc_ic, ic_table_by_year, quantile_returns
from rollforward.evaluation.groups import ic_by_group
from rollforward.evaluation.horizon import ic_by_horizon
from rollforward.evaluation.monthly import monthly_ic
from rollforward.evaluation.quantiles import quantile_spread
from rollforward.evaluation.turnover import quantile_turnover, rank_autocorrelation

NAMES = list("ABCDEF")
TABLE = ["IC", "ICIR", "Rank IC", "Rank ICIR", "n_dates", "n_obs"]


def signal(values, names=NAMES, start="2024-01-02"):
    """One row of values per date."""
    days = pd.bdate_range(start, periods=len(values))
    index = pd.MultiIndex.from_product([days, names], names=["datetime", "instrument"])
    return pd.Series(np.asarray(values, dtype=float).ravel(), index)


def test_a_signal_that_knows_the_third_session_shows_it_at_horizon_three():
    rng = np.random.default_rng(0)
    prices = pd.DataFrame(
        np.exp(np.cumsum(rng.normal(0, 0.1, (80, 6)), axis=0)), pd.bdate_range("2024-01-02", periods=80), NAMES
    )
    future = (prices.shift(-4) / prices.shift(-1) - 1).rename_axis(index="datetime", columns="instrument").stack()
    table = ic_by_horizon(future.rename("score"), prices, [1, 3, 10])

    assert list(table.columns) == TABLE
    assert table.index.tolist() == [1, 3, 10]
    assert table.index.name == "horizon"
    assert table.loc[3, ["IC", "Rank IC"]].tolist() == pytest.approx([1.0, 1.0])
    assert (table["Rank IC"].drop(3) < 0.9).all()
    assert table["n_dates"].tolist() == [76, 76, 69]
    assert table["n_obs"].tolist() == [456, 456, 414]


def test_a_signal_without_any_price_or_with_repeated_rows_is_refused():
    prices = pd.DataFrame({"X": [1.0, 2.0]}, pd.bdate_range("2024-01-02", periods=2))
    pred = signal([[1, 2, 3, 4, 5, 6]])
    with pytest.raises(DataError, match="No row of pred is in prices"):
        ic_by_horizon(pred, prices)
    with pytest.raises(DataError, match="pred has more than one row for A"):
        ic_by_horizon(pd.concat([pred, pred]), prices)


def test_each_group_is_judged_by_itself():
    pred = signal([[1, 2, 3, 1, 2, 3], [1, 2, 3, 1, 2, 3]])
    label = signal([[1, 2, 3, 30, 20, 10], [1, 2, 3, 30, 20, 10]])
    groups = dict(zip(NAMES, ["up"] * 3 + ["down"] * 3, strict=True))
    table = ic_by_group(pred, label, groups)

    assert list(table.columns) == TABLE
    assert table.index.tolist() == ["down", "up"]
    assert table["Rank IC"].tolist() == pytest.approx([-1.0, 1.0])
    assert table["n_obs"].tolist() == [6, 6]
    pd.testing.assert_frame_equal(ic_by_group(pred, label, pd.Series(groups)), table)


def test_groups_may_change_and_may_be_missing():
    pred = signal([[1, 2, 3, 1, 2, 3], [1, 2, 3, 1, 2, 3]])
    label = signal([[1, 2, 3, 3, 2, 1], [3, 2, 1, 1, 2, 3]])
    groups = pred.astype(object)
    groups.iloc[:] = ["u", "u", "u", "d", "d", "d", "d", "d", "d", "u", "u", None]
    table = ic_by_group(pred, label, groups.sample(frac=1, random_state=1))

    assert table["IC"].tolist() == pytest.approx([-1.0, 1.0])
    assert table["n_obs"].tolist() == [6, 5]
    assert ic_by_group(pred, label, {"A": 1, "B": 1})["n_obs"].tolist() == [4]


def test_a_group_that_is_too_small_is_there_without_figures():
    table = ic_by_group(
        signal([[1, 2, 3, 4, 5, 6]]), signal([[1, 2, 3, 4, 5, 7]]), {"A": "one", "B": "two", "C": "two"}
    )

    assert table["IC"].isna().tolist() == [True, False]
    assert table["n_dates"].tolist() == [0, 1]


def test_groups_of_other_instruments_are_refused():
    pred = signal([[1, 2, 3, 4, 5, 6]])
    with pytest.raises(DataError, match="has a group"):
        ic_by_group(pred, pred, {"X": 1})
    with pytest.raises(DataError, match="twice"):
        ic_by_group(pred, pred, pd.Series(["u", "v"], ["A", "A"]))
    with pytest.raises(ColumnError, match="'datetime'"):
        ic_by_group(pred, pred, pred.rename_axis(["day", "instrument"]))


def test_a_calendar_of_months_has_a_row_per_year_and_a_gap_where_nothing_is_known():
    days = pd.to_datetime(["2021-01-04", "2021-01-05", "2021-03-01", "2023-12-29", "2023-12-28"])
    table = monthly_ic(pd.Series([0.1, 0.3, -0.2, 0.5, np.nan], days))

    assert table.index.tolist() == [2021, 2022, 2023]
    assert table.columns.tolist() == list(range(1, 13))
    assert table.loc[2021, 1] == pytest.approx(0.2)
    assert table.loc[2021, 3] == pytest.approx(-0.2)
    assert table.loc[2023, 12] == 0.5
    assert int(table.notna().sum().sum()) == 3
    assert monthly_ic(pd.Series([], pd.DatetimeIndex([]), dtype=float)).shape == (0, 12)


def test_the_spread_is_top_minus_bottom():
    pred, label = signal([[1, 2, 3, 4, 5, 6]]), signal([[10, 20, 0, 0, 70, 90]])

    assert quantile_spread(quantile_returns(pred, label, 3)).tolist() == [80 - 15]


def test_turnover_is_the_share_of_newcomers():
    pred = signal([[1, 2, 3, 4, 5, 6], [1, 3, 2, 4, 5, 6], [6, 5, 4, 3, 2, 1]])
    table = quantile_turnover(pred, 3)

    assert table.columns.tolist() == [1, 2, 3]
    assert table.iloc[0].isna().all()
    assert table.iloc[1].tolist() == [0.5, 0.5, 0.0]
    assert table.iloc[2].tolist() == [1.0, 0.5, 1.0]
    assert quantile_turnover(pred, 3, lag=2).iloc[2].tolist() == [1.0, 0.0, 1.0]
    assert quantile_turnover(pred, 3, lag=9).isna().all().all()


def test_an_instrument_that_was_away_is_new():
    pred = signal([[1, 2, 3, 4, 5, 6]] * 2).drop((pd.Timestamp("2024-01-02"), "F"))

    assert quantile_turnover(pred, 2).iloc[1].tolist() == [0.0, pytest.approx(1 / 3)]


def test_a_date_that_is_all_missing_counts_and_has_no_turnover():
    pred = signal([[1, 2, 3, 4, 5, 6], [np.nan] * 6, [1, 2, 3, 4, 5, 6]])

    assert quantile_turnover(pred, 2).isna().all().all()
    assert quantile_turnover(pred, 2, lag=2).iloc[2].tolist() == [0.0, 0.0]


def test_ranks_are_compared_among_the_instruments_of_both_dates():
    pred = signal([[1, 2, 3, 4, 5, 6], [10, 20, 30, 40, 50, 60], [6, 5, 4, 3, 2, 1]])
    values = rank_autocorrelation(pred.drop((pd.Timestamp("2024-01-03"), "C")))

    assert values.name == "rank_autocorrelation"
    assert values.tolist() == pytest.approx([np.nan, 1.0, -1.0], nan_ok=True)
    assert rank_autocorrelation(pred, 2).tolist() == pytest.approx([np.nan, np.nan, -1.0], nan_ok=True)


@pytest.mark.parametrize("figure", [quantile_turnover, rank_autocorrelation])
def test_a_lag_or_a_row_that_makes_no_sense_is_refused(figure):
    pred = signal([[1, 2, 3, 4, 5, 6]] * 2)
    with pytest.raises(DataError, match="lag is 0"):
        figure(pred, lag=0)
    with pytest.raises(DataError, match="more than one row for A on 2024-01-02"):
        figure(pd.concat([pred, pred.iloc[:1]]))
    with pytest.raises(ColumnError, match="'datetime'"):
        figure(pred.rename_axis(index=["day", "instrument"]))


def test_one_group_has_no_turnover():
    with pytest.raises(DataError, match="at least 2"):
        quantile_turnover(signal([[1, 2, 3, 4, 5, 6]]), 1)


def test_what_stands_beside_the_score_is_left_aside():
    pred = signal([[1, 2, 3, 4, 5, 6], [3, 1, 2, 6, 5, 4]])
    merged = pred.to_frame("score").assign(cutoff=pd.Timestamp("2023-12-29"), recorder_id="x", fold=1)

    pd.testing.assert_series_equal(calc_ic(merged, pred)[0], calc_ic(pred, pred)[0])
    pd.testing.assert_series_equal(rank_autocorrelation(merged), rank_autocorrelation(pred))


def test_an_empty_signal_gives_empty_tables():
    nothing = signal([[1, 2, 3, 4, 5, 6]]).iloc[:0]

    assert quantile_turnover(nothing).shape == (0, 5)
    assert rank_autocorrelation(nothing).shape == (0,)
    assert ic_by_group(nothing, nothing, {"A": 1})["n_dates"].tolist() == [0]
    assert ic_table_by_year(nothing, nothing).index.tolist() == ["all"]
