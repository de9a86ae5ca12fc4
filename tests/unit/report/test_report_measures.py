"""Dates against windows."""

from __future__ import annotations

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from rollforward.report.inputs import close_segments, tidy_folds
from rollforward.report.measures import times_covered

DAYS = pd.date_range("2024-01-01", periods=30)
day = st.integers(0, 29)


@given(st.lists(st.tuples(day, day).map(sorted), min_size=1, max_size=8))
def test_a_date_is_covered_by_the_windows_that_hold_it(windows):
    frame = pd.DataFrame({"test_start": [DAYS[a] for a, _ in windows], "test_end": [DAYS[b] for _, b in windows]})
    expected = [sum(DAYS[a] <= date <= DAYS[b] for a, b in windows) for date in DAYS]
    assert times_covered(DAYS, frame).tolist() == expected


def test_open_ends_take_the_ends_of_data_and_segments():
    folds = tidy_folds(
        pd.DataFrame(
            {
                "train_start": [None, "2019-01-01"],
                "train_end": ["2019-06-30", "2019-12-31"],
                "valid_start": [None, None],
                "valid_end": [None, None],
                "test_start": ["2020-01-01", "2020-07-01"],
                "test_end": ["2020-06-30", None],
            }
        )
    )
    closed = close_segments(folds, pd.Timestamp("2020-01-02"), pd.Timestamp("2020-12-30"))
    assert closed["train_start"].tolist() == [pd.Timestamp("2019-01-01")] * 2
    assert closed["test_end"].tolist() == [pd.Timestamp("2020-06-30"), pd.Timestamp("2020-12-30")]
    assert closed["valid_start"].isna().all()


def test_names_come_from_the_column_or_the_index():
    windows = {"test_start": ["2020-01-01"], "test_end": ["2020-01-31"]}
    assert tidy_folds(pd.DataFrame(windows, index=["first"]))["name"].tolist() == ["first"]
    assert tidy_folds(pd.DataFrame(windows | {"name": ["given"]}))["name"].tolist() == ["given"]
