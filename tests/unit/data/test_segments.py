from __future__ import annotations

import datetime as dt

import pandas as pd
import pytest

from rollforward.data.segments import check_segments, parse_segment, segments_of, with_segments
from rollforward.data.spans import align_segment, shift_segment, truncate_segment
from rollforward.errors import EmptySegmentError, LeakageError, OutOfCalendarError, SegmentError, TaskError
from rollforward.testing.calendars import business_days

CAL = business_days("2020-01-01", "2020-02-28")
START, END = pd.Timestamp("2020-01-02"), pd.Timestamp("2020-01-10")


class LiveDataset:
    def __init__(self, segments):
        self.segments = segments


@pytest.mark.parametrize(
    "value",
    [
        ("2020-01-02", "2020-01-10"),
        ["2020-01-02", "2020-01-10"],
        slice("2020-01-02", "2020-01-10"),
        (dt.date(2020, 1, 2), dt.datetime(2020, 1, 10)),  # noqa: DTZ001  a naive time is the subject
        (START, END.to_datetime64()),
    ],
)
def test_parse(value):
    assert parse_segment(value) == (START, END)


def test_open_ends():
    assert parse_segment((None, "2020-01-10")) == (None, END)
    assert parse_segment(slice("2020-01-02", None)) == (START, None)
    assert parse_segment(("2020-01-02", -1)) == (START, None)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (("2020-01-10", "2020-01-02"), "after its end"),
        ("2020-01-02", "pair"),
        (("2020-01-02",), "pair"),
        ({"start": 1, "end": 2}, "pair"),
        (None, "pair"),
        ((20200102, 20200110), "20200102"),
        ((-1, "2020-01-10"), "-1"),
        (("then", "2020-01-10"), "'then'"),
        ((START.tz_localize("UTC"), END), "UTC"),
    ],
)
def test_what_is_no_segment_is_named(value, message):
    with pytest.raises(SegmentError, match=message):
        parse_segment(value)


def test_segments_of_a_configuration_and_of_a_live_dataset():
    segments = {"train": ["2020-01-02", "2020-01-10"]}

    for dataset in ({"kwargs": {"segments": segments}}, LiveDataset(segments)):
        assert segments_of({"dataset": dataset}) == {"train": (START, END)}


@pytest.mark.parametrize(
    "task", [{}, {"dataset": {}}, {"dataset": {"kwargs": {}}}, {"dataset": None}, {"dataset": "x"}]
)
def test_a_task_without_segments(task):
    with pytest.raises(TaskError, match="no segments"):
        segments_of(task)


def test_with_segments_leaves_the_task_alone():
    handler = object()
    task = {"model": {}, "dataset": {"class": "D", "kwargs": {"handler": handler, "segments": {"a": (None, None)}}}}

    moved = with_segments(task, {"test": (START, None)})

    assert segments_of(moved) == {"test": (START, None)}
    assert moved["dataset"]["kwargs"]["handler"] is handler
    assert segments_of(task) == {"a": (None, None)}


def test_with_segments_of_a_live_dataset_makes_another_one():
    dataset = LiveDataset({"train": (START, END)})

    moved = with_segments({"dataset": dataset}, {"test": (START, None)})

    assert moved["dataset"] is not dataset
    assert segments_of(moved) == {"test": (START, None)}
    assert dataset.segments == {"train": (START, END)}


def test_check_returns_what_it_read():
    assert check_segments({"train": ["2020-01-02", "2020-01-10"], "test": ["2020-01-13", None]}) == {
        "train": (START, END),
        "test": (pd.Timestamp("2020-01-13"), None),
    }
    assert check_segments({}) == {}


@pytest.mark.parametrize(
    "segments",
    [
        {"train": ("2020-01-02", "2020-01-13"), "test": ("2020-01-13", "2020-01-20")},
        {"train": ("2020-01-02", None), "test": ("2020-01-13", "2020-01-20")},
        {"train": ("2020-02-02", "2020-02-03"), "test": ("2020-01-13", "2020-01-20")},
        {"train": ("2020-01-02", "2020-01-03"), "test": (None, "2020-01-20")},
    ],
)
def test_check_refuses_leaks(segments):
    with pytest.raises(LeakageError, match=r"Segment 'train' .* segment 'test'"):
        check_segments(segments)


def test_check_knows_other_names_of_the_test_segment():
    segments = {"train": ("2020-01-02", "2020-01-13"), "live": ("2020-01-13", None)}

    assert check_segments(segments)
    with pytest.raises(LeakageError):
        check_segments(segments, test_key="live")


@pytest.mark.parametrize("bound", ["2019-12-31", "2020-03-02"])
def test_check_against_a_calendar(bound):
    segments = {"test": sorted([bound, "2020-01-13"])}

    assert check_segments(segments)
    with pytest.raises(OutOfCalendarError, match=rf"segment 'test' .*{bound}"):
        check_segments(segments, calendar=CAL)


def test_check_refuses_what_is_no_mapping():
    with pytest.raises(SegmentError, match="mapping"):
        check_segments([("2020-01-02", "2020-01-03")])


def test_align():
    assert align_segment(CAL, ("2020-01-04", "2020-01-12")) == (pd.Timestamp("2020-01-06"), END)
    assert align_segment(CAL, ("2019-01-01", "2021-01-01")) == (CAL.first, CAL.last)
    assert align_segment(CAL, (None, None)) == (None, None)


def test_align_a_weekend():
    with pytest.raises(EmptySegmentError, match="no session"):
        align_segment(CAL, ("2020-01-04", "2020-01-05"))


@pytest.mark.parametrize("segment", [("2019-01-01", "2019-12-31"), ("2020-03-02", None)])
def test_align_outside(segment):
    with pytest.raises(OutOfCalendarError):
        align_segment(CAL, segment)


def test_shift_refuses_an_unknown_kind_and_an_empty_result():
    with pytest.raises(SegmentError, match="'rolling'"):
        shift_segment(CAL, (START, END), 1, "rolling")
    with pytest.raises(EmptySegmentError):
        shift_segment(CAL, ("2020-01-08", "2020-01-10"), -4, "expanding")


def test_truncate_never_lengthens():
    """Qlib moves an end on a weekend to the Monday after it."""
    assert truncate_segment(CAL, ("2020-01-02", "2020-01-11"), "2020-02-03", 1)[1] == END


@pytest.mark.parametrize("days", [-1, 1.5, "3", True])
def test_truncate_by_what_is_no_number_of_sessions(days):
    with pytest.raises(SegmentError, match="days="):
        truncate_segment(CAL, (START, END), "2020-01-13", days)
