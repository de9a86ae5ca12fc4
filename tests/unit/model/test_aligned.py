"""Columns side by side, against pandas' own way."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rollforward.errors import DataError
from rollforward.model.ens.aligned import side_by_side

DATES = pd.bdate_range("2020-01-01", periods=5)
LEVELS = ["datetime", "instrument"]


def scores(dates, names, seed=0, levels=LEVELS):
    index = pd.MultiIndex.from_product([dates, list(names)], names=levels)
    return pd.Series(np.random.default_rng(seed).normal(size=len(index)), index=index, name="score")


def check(*frames):
    table = side_by_side(frames)

    expected = pd.concat(frames, axis=1).sort_index()
    assert table.index.tolist() == expected.index.tolist() or table.index.hasnans or table.index.equals(expected.index)
    assert table.index.names == expected.index.names
    np.testing.assert_array_equal(np.column_stack(table.columns), expected.to_numpy(dtype=float))
    known = table.day >= 0
    times = table.index.get_level_values("datetime")
    assert table.days.take(table.day[known]).equals(times[known])
    assert times[~known].isna().all()
    return table


def test_the_same_rows():
    first = scores(DATES, "AB")

    assert check(first, first.rename("again")).owner == [0, 1]


def test_equal_rows_of_indexes_that_are_stored_differently():
    first = scores(DATES, "AB")
    levels = [DATES[::-1], ["B", "unused", "A"]]
    codes = [np.repeat(np.arange(5)[::-1], 2), [2, 0] * 5]

    check(first, pd.Series(1.0, pd.MultiIndex(levels=levels, codes=codes, names=LEVELS)))


def test_other_dates_other_names_and_another_order():
    check(scores(DATES[:3], "CA"), scores(DATES[2:], "BCA", 1).sample(frac=0.7, random_state=0), scores(DATES, "D", 2))


def test_frames_of_several_columns():
    wide = pd.DataFrame({"x": scores(DATES, "AB"), "y": scores(DATES, "AB", 1)})

    assert check(scores(DATES[1:], "BC"), wide, scores(DATES, "A")).owner == [0, 1, 1, 2]


def test_instruments_first():
    levels = [["A", "B"], DATES]
    index = pd.MultiIndex.from_product(levels, names=LEVELS[::-1])

    check(pd.Series(np.arange(10.0), index), pd.Series(np.arange(6.0), index[[0, 3, 5, 6, 9, 8]]))


def test_rows_far_apart():
    """So many possible rows that a table of them would be larger than sorting."""
    names = [f"S{number:03d}" for number in range(200)]
    dates = pd.bdate_range("2000-01-01", periods=200)
    index = pd.MultiIndex.from_arrays([dates, names], names=LEVELS)

    check(pd.Series(np.arange(120.0), index[:120]), pd.Series(np.arange(150.0), index[50:]).sample(frac=1))


def test_dates_of_another_unit():
    check(scores(DATES.as_unit("s"), "AB"), scores(DATES[1:].as_unit("ns"), "AB", 1))


def test_time_alone():
    early = pd.Series([1.0, 2], DATES[:2].rename("datetime"))

    check(early, pd.Series([1.0, 2, 3], DATES[1:4].rename("datetime")))


def test_a_missing_date():
    check(scores([DATES[0], pd.NaT, DATES[1]], "A"), scores(DATES[:3], "A", 1))


def test_names_of_mixed_types():
    index = pd.MultiIndex(levels=[DATES[:1], ["A", 1]], codes=[[0, 0], [0, 1]], names=LEVELS)
    frames = [pd.Series([1.0, 2], index), pd.Series([3.0, 4], index)]

    columns = side_by_side(frames).columns

    assert sorted(map(tuple, np.column_stack(columns))) == [(1, 3), (2, 4)]


def test_integers_and_missing_values_of_pandas_become_floats():
    integers = scores(DATES[:2], "AB").round().astype("Int64")
    integers.iloc[0] = pd.NA

    assert np.isnan(side_by_side([integers]).columns[0][0])


@pytest.mark.parametrize("others", [[], [scores(DATES, "AB", 1)]])
def test_a_row_that_is_there_twice(others):
    twice = pd.concat([scores(DATES[:1], "AB"), scores(DATES[:1], "B")])

    with pytest.raises(DataError, match=r"'B'\) is there twice"):
        side_by_side([*others, twice])
