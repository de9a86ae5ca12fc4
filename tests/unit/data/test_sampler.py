"""The window sampler: what each way to index gives."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rollforward.data.sampler import TSDataSampler
from rollforward.errors import DataError

DAYS = pd.date_range("2020-01-01", periods=5, unit="ns")
NAN = np.nan


@pytest.fixture
def data():
    """A has every day, B misses the second and the third."""
    rows = [(day, "A", number) for number, day in enumerate(DAYS)]
    rows += [(DAYS[0], "B", 10), (DAYS[3], "B", 13), (DAYS[4], "B", 14)]
    frame = pd.DataFrame(rows, columns=["datetime", "instrument", "x"]).astype({"x": float})
    return frame.set_index(["datetime", "instrument"]).sort_index()


@pytest.mark.parametrize(
    ("fillna_type", "first", "fourth"),
    [
        ("none", [NAN, NAN, 10], [NAN, NAN, 13]),
        ("ffill", [NAN, NAN, 10], [NAN, NAN, 13]),
        ("ffill+bfill", [10, 10, 10], [13, 13, 13]),
    ],
)
def test_missing_rows_are_filled_within_the_window(data, fillna_type, first, fourth):
    sampler = TSDataSampler(data, None, None, 3, fillna_type=fillna_type)
    np.testing.assert_array_equal(sampler["2020-01-01", "B"][:, 0], first)
    np.testing.assert_array_equal(sampler["2020-01-04", "B"][:, 0], fourth)


def test_forward_fill_reaches_over_a_gap(data):
    sampler = TSDataSampler(data, None, None, 4)
    np.testing.assert_array_equal(sampler[DAYS[3], "B"][:, 0], [10, NAN, NAN, 13])
    sampler.config(fillna_type="ffill")
    np.testing.assert_array_equal(sampler[DAYS[3], "B"][:, 0], [10, 10, 10, 13])
    np.testing.assert_array_equal(sampler[DAYS[2], "B"][:, 0], [NAN, 10, 10, 10])


def test_missing_values_in_a_row_stay(data):
    data.iloc[2, 0] = NAN
    sampler = TSDataSampler(data, None, None, 3, fillna_type="ffill+bfill")
    np.testing.assert_array_equal(sampler[DAYS[2], "A"][:, 0], [0, NAN, 2])


def test_ways_to_index(data):
    sampler = TSDataSampler(data, DAYS[1], DAYS[3], 2)
    assert list(sampler.get_index()) == [(DAYS[1], "A"), (DAYS[2], "A"), (DAYS[3], "A"), (DAYS[3], "B")]
    assert len(sampler) == 4
    windows = np.stack([sampler[k] for k in range(4)])
    assert windows.shape == (4, 2, 1)
    np.testing.assert_array_equal(windows[:, -1, 0], [1, 2, 3, 13])
    np.testing.assert_array_equal(sampler[[3, 0]], windows[[3, 0]])
    np.testing.assert_array_equal(sampler[np.array([1, 2])], windows[[1, 2]])
    np.testing.assert_array_equal(sampler[1:], windows[1:])
    np.testing.assert_array_equal(sampler[-1], windows[-1])
    np.testing.assert_array_equal(sampler[[(DAYS[3], "B"), 0]], windows[[3, 0]])
    np.testing.assert_array_equal(sampler[sampler.get_index()], windows)
    np.testing.assert_array_equal(np.stack(list(sampler)), windows)
    assert sampler[[]].shape == (0, 2, 1)


def test_a_day_that_is_no_session_is_the_one_before(data):
    data = data.drop(DAYS[2], level=0)
    sampler = TSDataSampler(data, None, None, 2)
    np.testing.assert_array_equal(sampler["2020-01-03", "A"], sampler["2020-01-02", "A"])


def test_what_is_not_there(data):
    sampler = TSDataSampler(data, None, None, 2)
    for index in (8, -9, [0, 8]):
        with pytest.raises(IndexError):
            sampler[index]
    with pytest.raises(DataError, match="'C'"):
        sampler["2020-01-03", "C"]
    with pytest.raises(DataError, match="2020-01-01"):
        sampler["2019-01-03", "A"]
    with pytest.raises(DataError, match="no sample"):
        sampler["A"]
    with pytest.raises(DataError, match="Did you mean 'ffill'"):
        sampler.config(fillna_type="fill")
    with pytest.raises(DataError, match="0 sessions"):
        TSDataSampler(data, None, None, 0)
    with pytest.raises(DataError, match="2 columns"):
        TSDataSampler(data, None, None, 1, flt_data=pd.concat([data, data], axis=1))


def test_filter_chooses_samples_not_window_rows(data):
    keep = (data["x"] % 2 == 1).drop((DAYS[1], "A"))
    sampler = TSDataSampler(data, None, None, 2, flt_data=keep)
    assert list(sampler.get_index()) == [(DAYS[3], "A"), (DAYS[3], "B")]
    np.testing.assert_array_equal(sampler[0][:, 0], [2, 3])
    with_missing = keep.astype(object).where(keep, None)
    assert TSDataSampler(data, None, None, 2, flt_data=with_missing).get_index().equals(sampler.get_index())


def test_windows_are_copies_and_types_are_kept(data):
    sampler = TSDataSampler(data.astype("float32"), None, None, 2)
    assert sampler[0].dtype == np.float32
    assert TSDataSampler(data, None, None, 2, dtype="float32")[0].dtype == np.float32
    assert TSDataSampler(data.astype(int), None, None, 2)[0].dtype == np.float64
    sampler[0][:] = -1
    assert sampler[0][-1, 0] == 0
    sampler[[0, 1]][:] = -1
    assert sampler[0][-1, 0] == 0


def test_unsorted_data_are_sorted(data):
    shuffled = data.sample(frac=1, random_state=0)
    np.testing.assert_array_equal(TSDataSampler(shuffled, None, None, 3)[:], TSDataSampler(data, None, None, 3)[:])
