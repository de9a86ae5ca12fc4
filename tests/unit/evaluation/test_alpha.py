from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest

from rollforward.errors import ColumnError, DataError
from rollforward.evaluation.alpha import (
    calc_ic,
    calc_long_short_prec,
    calc_long_short_return,
    ic_summary,
    ic_table_by_year,
    quantile_returns,
)


def rows(dates, names="ABCDE"):
    return pd.MultiIndex.from_product([pd.to_datetime(dates), list(names)], names=["datetime", "instrument"])


def column(dates, values, names="ABCDE"):
    return pd.Series(np.asarray(values, dtype=float), rows(dates, names))


def test_ic_is_one_value_per_date_and_skips_incomplete_pairs():
    pred = column(["2024-01-02", "2024-01-03"], [1, 2, 3, 4, np.nan, 5, 4, 3, 2, 1])
    label = column(["2024-01-02", "2024-01-03"], [1, 2, 3, np.nan, 9, 1, 2, 3, 4, 5])
    ic, ric = calc_ic(pred, label)
    assert list(ic.index) == list(pd.to_datetime(["2024-01-02", "2024-01-03"]))
    assert ic.tolist() == pytest.approx([1.0, -1.0])
    assert ric.tolist() == pytest.approx([1.0, -1.0])


def test_a_date_without_two_pairs_or_with_a_constant_side_has_no_ic():
    dates = ["2024-01-02", "2024-01-03", "2024-01-04"]
    pred = column(dates, [1, np.nan, 0.1, 0.1, 1, 2], "AB")
    label = column(dates, [1, 2, 3, 4, 0.3, 0.3], "AB")
    ic, ric = calc_ic(pred, label)
    assert ic.isna().all()
    assert ric.isna().all()
    assert [len(series) for series in calc_ic(pred, label, dropna=True)] == [0, 0]


def test_constant_up_to_rounding_is_still_constant():
    # The mean of 0.1 taken 7 times is not 0.1, so a variance computed from it is not zero.
    pred, label = column(["2024-01-02"], [0.1] * 7, "ABCDEFG"), column(["2024-01-02"], range(7), "ABCDEFG")
    assert calc_ic(pred, label)[0].isna().all()


def test_rows_are_matched_by_index_whatever_their_order():
    pred = column(["2024-01-02", "2024-01-03"], [3, 1, 2, 7, 5, 1, 2, 8, 3, 9])
    label = column(["2024-01-02", "2024-01-03"], [1, 2, 3, 4, 5, 9, 8, 7, 6, 5])
    expected = calc_ic(pred, label)
    shuffled = calc_ic(
        pred.sample(frac=1, random_state=3), label.swaplevel().sample(frac=1, random_state=4).swaplevel()
    )
    pd.testing.assert_series_equal(shuffled[0], expected[0])
    pd.testing.assert_series_equal(shuffled[1], expected[1])


def test_a_date_of_one_side_only_is_there_without_a_value():
    ic, _ = calc_ic(column(["2024-01-02", "2024-01-03"], range(10)), column(["2024-01-02"], range(5)))
    assert ic.isna().tolist() == [False, True]


def test_one_column_frames_are_accepted_and_wider_ones_refused():
    pred, label = column(["2024-01-02"], range(5)), column(["2024-01-02"], [0, 2, 1, 3, 4])
    assert calc_ic(pred.to_frame("score"), label.to_frame("LABEL0"))[0].equals(calc_ic(pred, label)[0])
    with pytest.raises(DataError, match="2 columns"):
        calc_ic(pd.DataFrame({"a": pred, "b": pred}), label)


def test_a_missing_date_level_and_duplicated_rows_are_named():
    pred, label = column(["2024-01-02"], range(5)), column(["2024-01-02"], range(5))
    with pytest.raises(ColumnError, match="'datetime'"):
        calc_ic(pred.rename_axis(index=["day", "instrument"]), label)
    assert (
        calc_ic(pred.rename_axis(index=["day", "i"]), label.rename_axis(index=["day", "i"]), date_col="day")[0].size
        == 1
    )
    with pytest.raises(DataError, match="more than one row"):
        calc_ic(pd.concat([pred, pred]), label)


def test_empty_input_gives_empty_results():
    empty = column([], [])
    assert calc_ic(empty, empty)[0].empty
    assert quantile_returns(empty, empty).shape == (0, 5)
    assert calc_long_short_return(empty, empty)[0].empty
    assert list(ic_table_by_year(empty, empty).index) == ["all"]


def test_summary_is_mean_and_mean_over_sample_deviation():
    ic, ric = pd.Series([0.1, 0.3, np.nan]), pd.Series([0.2, 0.2])
    summary = ic_summary(ic, ric)
    assert summary["IC"] == pytest.approx(0.2)
    assert summary["ICIR"] == pytest.approx(0.2 / np.std([0.1, 0.3], ddof=1))
    assert summary["Rank IC"] == pytest.approx(0.2)
    assert np.isnan(summary["Rank ICIR"])
    assert list(summary) == ["IC", "ICIR", "Rank IC", "Rank ICIR"]


def test_table_has_a_row_per_year_and_one_for_all():
    dates = ["2022-12-30", "2023-01-03", "2023-01-04"]
    pred = column(dates, [1, 2, 3, 1, 2, 3, 1, 1, 1], "ABC")
    label = column(dates, [1, 2, 3, 3, 2, 1, 1, 2, 3], "ABC")
    table = ic_table_by_year(pred, label)
    assert list(table.index) == [2022, 2023, "all"]
    assert list(table.columns) == ["IC", "ICIR", "Rank IC", "Rank ICIR", "n_dates", "n_obs"]
    assert table["IC"].tolist() == pytest.approx([1.0, -1.0, 0.0])
    assert table["n_dates"].tolist() == [1, 1, 2]
    assert table["n_obs"].tolist() == [3, 3, 6]


def test_quantile_groups_are_those_of_qcut():
    rng = np.random.default_rng(0)
    for n_names in (2, 5, 7, 20, 23):
        names = [chr(97 + i) for i in range(n_names)]
        pred = column(["2024-01-02"], rng.permutation(n_names), names)
        label = column(["2024-01-02"], rng.normal(size=n_names), names)
        frame = quantile_returns(pred, label, n_quantiles=4)
        expected = label.groupby(pd.qcut(pred, 4, labels=False) + 1).mean().reindex([1, 2, 3, 4])
        assert frame.iloc[0].to_numpy() == pytest.approx(expected.to_numpy(), nan_ok=True)


def test_equal_predictions_share_a_quantile():
    frame = quantile_returns(column(["2024-01-02"], [1, 1, 1, 1, 5]), column(["2024-01-02"], [1, 2, 3, 4, 9]))
    assert frame.loc["2024-01-02", 1] == pytest.approx(2.5)
    assert frame.loc["2024-01-02", 5] == pytest.approx(9)
    assert frame[[2, 3, 4]].isna().all(axis=None)
    with pytest.raises(DataError, match="at least 2"):
        quantile_returns(column([], []), column([], []), n_quantiles=1)


def test_long_short_takes_half_the_spread_of_the_extremes():
    names = "ABCDEFGHIJ"
    pred = column(["2024-01-02"], range(10), names)
    label = column(["2024-01-02"], [-3, -1, 0, 0, 0, 0, 0, 0, 2, 6], names)
    spread, average = calc_long_short_return(pred, label)
    assert spread.tolist() == pytest.approx([(4 - -2) / 2])
    assert average.tolist() == pytest.approx([0.4])


def test_too_few_rows_for_one_name_a_side_give_no_spread():
    spread, average = calc_long_short_return(
        column(["2024-01-02"], range(4), "ABCD"), column(["2024-01-02"], range(4), "ABCD")
    )
    assert spread.isna().all()
    assert average.tolist() == [1.5]


def test_precision_counts_signs_on_each_side():
    names = "ABCDEFGHIJ"
    pred = column(["2024-01-02"], range(10), names)
    label = column(["2024-01-02"], [-3, 1, 0, 0, 0, 0, 0, 0, 2, 6], names)
    long, short = calc_long_short_prec(pred, label)
    assert (long.iloc[0], short.iloc[0]) == (1.0, 0.5)
    long, short = calc_long_short_prec(pred, label + 10, is_alpha=True)
    assert (long.iloc[0], short.iloc[0]) == (1.0, 0.5)


@pytest.mark.parametrize("value", [0.1, 0.7, 1.3])
def test_equal_labels_are_neither_above_nor_below_their_mean(value):
    """Their mean may be off by a rounding error."""
    pred = column(["2024-01-02"], range(12), "ABCDEFGHIJKL")
    long, short = calc_long_short_prec(pred, pred * 0 + value, is_alpha=True)
    assert (long.tolist(), short.tolist()) == ([0.0], [0.0])


def test_precision_needs_more_than_five_instruments():
    with pytest.raises(ValueError, match="Need more instruments"):
        calc_long_short_prec(column(["2024-01-02"], range(5)), column(["2024-01-02"], range(5)))


def test_twenty_four_years_of_twenty_names_take_a_blink():
    dates = pd.bdate_range("2000-01-03", periods=6000)
    names = [f"S{i:02d}" for i in range(20)]
    rng = np.random.default_rng(0)
    pred, label = column(dates, rng.normal(size=120_000), names), column(dates, rng.normal(size=120_000), names)
    seconds = []
    for _ in range(3):
        # Of this process: what others use up of the machine is not counted.
        start = time.process_time()
        calc_ic(pred, label)
        seconds.append(time.process_time() - start)
    assert min(seconds) < 1.5, "a loop over the days takes longer"


def test_ics_that_differ_by_rounding_only_have_no_ratio():
    ic = pd.Series([1.0, 1.0 - 2**-53, 1.0])

    assert np.isnan(ic_summary(ic, ic)["ICIR"])


def test_dates_of_another_time_zone_are_refused():
    pred = column(["2024-01-02"], range(5))
    with pytest.raises(DataError, match="time zones: None, UTC"):
        calc_ic(pred, pred.tz_localize("UTC", level="datetime"))
