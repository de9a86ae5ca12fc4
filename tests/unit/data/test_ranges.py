"""Segments with holes: how they are written, what is refused, and what a dataset makes of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rollforward.data.dataset import DatasetH, TSDatasetH
from rollforward.data.handler import DataHandlerLP
from rollforward.data.ranges import as_written, hull, is_ranges, parse_ranges, ranges_of
from rollforward.errors import EmptySegmentError, SegmentError

DAYS = pd.bdate_range("2020-01-01", periods=20, unit="ns")
FIRST, SECOND = ("2020-01-01", "2020-01-03"), ("2020-01-13", "2020-01-15")
HOLEY = [FIRST, SECOND]


def stamps(*texts):
    return tuple(pd.Timestamp(text) for text in texts)


@pytest.fixture
def frame():
    index = pd.MultiIndex.from_product([DAYS, ["A", "B"]], names=["datetime", "instrument"])
    columns = pd.MultiIndex.from_tuples([("feature", "x"), ("label", "LABEL0"), ("flag", "use")])
    frame = pd.DataFrame(np.arange(120.0).reshape(40, 3), index=index, columns=columns)
    frame[("flag", "use")] = (np.arange(40) % 3 == 0).astype(float)
    return frame


@pytest.fixture
def handler(frame):
    return DataHandlerLP(data_loader=frame)


def test_two_texts_are_one_range():
    assert parse_ranges(["2020-01-01", "2020-02-01"]) == (stamps("2020-01-01", "2020-02-01"),)
    assert not is_ranges(["2020-01-01", "2020-02-01"])
    assert not is_ranges([None, "2020-02-01"])


@pytest.mark.parametrize("value", [HOLEY, tuple(HOLEY), [list(FIRST), list(SECOND)], [slice(*FIRST), slice(*SECOND)]])
def test_a_list_of_pairs_is_several_ranges(value):
    ranges = parse_ranges(value)
    assert ranges == (stamps(*FIRST), stamps(*SECOND))
    assert hull(ranges) == stamps("2020-01-01", "2020-01-15")
    assert parse_ranges(as_written(ranges)) == ranges


def test_a_list_of_one_pair_is_one_range():
    assert parse_ranges([FIRST]) == (stamps(*FIRST),)
    assert as_written(parse_ranges([FIRST])) == stamps(*FIRST)


def test_the_outer_bounds_may_be_open():
    assert hull(parse_ranges([(None, "2020-01-03"), ("2020-01-06", None)])) == (None, None)


@pytest.mark.parametrize(
    "value",
    [
        [SECOND, FIRST],
        [FIRST, ("2020-01-03", "2020-01-07")],
        [("2020-01-01", None), SECOND],
        [FIRST, (None, "2020-01-15")],
    ],
)
def test_ranges_out_of_order_or_overlapping_are_refused(value):
    with pytest.raises(SegmentError, match="Range 0 of segment 'train' ends"):
        ranges_of({"dataset": {"kwargs": {"segments": {"train": value}}}})


def test_a_range_that_is_no_pair_is_named():
    with pytest.raises(SegmentError, match="range 1 of segment"):
        parse_ranges([FIRST, ("2020-01-07",)])


def test_a_dataset_prepares_the_rows_of_all_ranges(handler, frame):
    dataset = DatasetH(handler, {"train": HOLEY, "test": ("2020-01-06", "2020-01-10")})
    expected = pd.concat([frame.loc[slice(*FIRST)], frame.loc[slice(*SECOND)]])
    pd.testing.assert_frame_equal(dataset.prepare("train", col_set="__raw"), expected)
    pd.testing.assert_frame_equal(dataset.prepare(HOLEY, col_set="__raw"), expected)
    train, test = dataset.prepare(["train", "test"])
    assert (len(train), len(test)) == (12, 10)
    assert isinstance(dataset.prepare("train", col_set="label", squeeze=True), pd.Series)


def test_a_range_without_rows_does_no_harm_but_all_of_them_do(handler):
    dataset = DatasetH(
        handler, {"some": [FIRST, ("2021-01-01", "2021-01-05")], "none": [("2018", "2018"), ("2021", -1)]}
    )
    assert len(dataset.prepare("some")) == 6
    with pytest.raises(EmptySegmentError, match="2018 to 2018, 2021 to None"):
        dataset.prepare("none")


def test_the_bounds_of_all_segments_count_every_range():
    segments = {"train": HOLEY, "test": ("2020-01-06", "2020-01-10")}
    assert DatasetH.get_min_time(segments) == "2020-01-01"
    assert DatasetH.get_max_time(segments) == "2020-01-15"


def test_a_dataset_refuses_overlapping_ranges(handler):
    with pytest.raises(SegmentError, match="Range 0"):
        DatasetH(handler, {"train": [FIRST, FIRST]})
    with pytest.raises(SegmentError, match="Range 0"):
        DatasetH(handler, {"train": FIRST}).config(segments={"train": [FIRST, FIRST]})


def test_windows_are_samples_of_the_ranges_only_and_reach_into_the_hole(handler, frame):
    dataset = TSDatasetH(step_len=3, handler=handler, segments={"train": HOLEY})
    sampler = dataset.prepare("train", col_set="feature")
    expected = pd.concat([frame.loc[slice(*FIRST)], frame.loc[slice(*SECOND)]])
    assert list(sampler.get_index()) == list(expected.index)
    window = sampler["2020-01-13", "A"][:, 0]
    assert window.tolist() == frame.xs("A", level=1)[("feature", "x")].loc["2020-01-09":"2020-01-13"].tolist()


def test_windows_of_ranges_keep_the_filter(handler, frame):
    dataset = TSDatasetH(step_len=2, flt_col=("flag", "use"), handler=handler, segments={"train": HOLEY})
    rows = pd.concat([frame.loc[slice(*FIRST)], frame.loc[slice(*SECOND)]])
    assert list(dataset.prepare("train").get_index()) == list(rows.index[rows[("flag", "use")] == 1])


def test_processors_learn_from_a_window_with_holes(frame):
    window = {"fit_start_time": [FIRST[0], SECOND[0]], "fit_end_time": [FIRST[1], SECOND[1]]}
    handler = DataHandlerLP(
        data_loader=frame, infer_processors=[{"class": "ZScoreNorm", "kwargs": {"fields_group": "feature"}}], **window
    )
    values = frame[("feature", "x")]
    known = pd.concat([values.loc[slice(*FIRST)], values.loc[slice(*SECOND)]])
    scaled = handler.fetch(col_set="feature")["x"]
    np.testing.assert_allclose(scaled, (values - known.mean()) / known.std(ddof=0))


def test_a_fit_window_of_lists_that_do_not_fit_is_refused(frame):
    window = {"fit_start_time": ["2020-01-01"], "fit_end_time": "2020-01-10"}
    with pytest.raises(SegmentError, match="two lists of as many times"):
        DataHandlerLP(data_loader=frame, infer_processors=["ZScoreNorm"], **window)
