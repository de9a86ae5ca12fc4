"""Purge and embargo as a task declares them, and the check of its segments that the declaration asks for."""

from __future__ import annotations

import pandas as pd
import pytest

from rollforward import settings
from rollforward.data.calendar import Calendar
from rollforward.data.scheme import Scheme, check_task_segments, closed_spans, scheme_of
from rollforward.errors import CalendarError, LeakageError, SegmentError, TaskError

DAYS = pd.bdate_range("2020-01-01", periods=20)
TESTED = (8, 11)


def day(position):
    return DAYS[position].date().isoformat()


def pair(span):
    return day(span[0]), day(span[1])


def a_task(train, scheme=None, test=TESTED):
    trained = pair(train) if isinstance(train, tuple) else [pair(span) for span in train]
    task = {"dataset": {"kwargs": {"segments": {"train": trained, "test": pair(test)}}}}
    return task if scheme is None else {**task, "scheme": scheme}


@pytest.fixture
def calendar():
    with settings.override(calendar=Calendar(DAYS)):
        yield


def test_purge_on_both_sides_and_embargo_behind():
    # Two sessions of distance leave one free on each side; the embargo is on top, behind.
    assert closed_spans([(8, 11)], purge=2, embargo=0) == [(7, 12)]
    assert closed_spans([(8, 11)], purge=2, embargo=3) == [(7, 15)]
    assert closed_spans([(8, 11)], purge=0, embargo=3) == closed_spans([(8, 11)], purge=1, embargo=3) == [(8, 14)]
    assert closed_spans([(0, 1), (5, 6), (12, 13)], purge=3, embargo=0) == [(-2, 8), (10, 15)]
    assert closed_spans([(0, 1), (4, 5)], purge=2, embargo=0) == [(-1, 6)]


@pytest.mark.parametrize(
    ("train", "is_allowed"),
    [
        ([(0, 5)], True),
        ([(0, 6)], False),
        ([(15, 19)], True),
        ([(14, 19)], False),
        ([(0, 5), (15, 19)], True),
        ([(0, 5), (14, 19)], False),
        ([(0, 6), (15, 19)], False),
        ([(0, 5), (9, 10), (15, 19)], False),
    ],
)
def test_training_must_keep_its_distance(calendar, train, is_allowed):
    # Purge 3: train up to 8 - 3, from 11 + 3 on; embargo 1: from 15 on.
    task = a_task(train, {"purge": 3, "embargo": 1, "fold": "middle"})
    if is_allowed:
        assert len(check_task_segments(task, lookahead=2)["train"]) == len(train)
    else:
        with pytest.raises(LeakageError, match="Fold middle: segment 'train' has the range"):
            check_task_segments(task, lookahead=2)


@pytest.mark.parametrize(("train", "is_allowed"), [([(0, 5), (15, 19)], True), ([(0, 6)], False), ([(14, 19)], False)])
def test_closed_ranges_need_no_calendar(train, is_allowed):
    task = a_task(train, {"purge": 3, "embargo": 1, "closed": [pair((6, 14))]})
    if is_allowed:
        assert check_task_segments(task)
    else:
        with pytest.raises(LeakageError, match="nothing may be trained on"):
            check_task_segments(task)


def test_closed_ranges_that_do_not_cover_the_test_segment_are_refused():
    with pytest.raises(SegmentError, match="does not lie in a closed range"):
        check_task_segments(a_task((0, 5), {"purge": 3, "closed": [pair((6, 10))]}))


def test_without_closed_ranges_a_calendar_is_asked_for():
    with pytest.raises(CalendarError, match="no calendar"):
        check_task_segments(a_task((0, 5), {"purge": 3}))


def test_a_purge_shorter_than_the_label_is_refused(calendar):
    with pytest.raises(LeakageError, match="purge is 3 sessions, but the label looks 3 sessions ahead"):
        check_task_segments(a_task((0, 2), {"purge": 3}), lookahead=3)


def test_without_a_scheme_training_behind_the_test_is_refused():
    with pytest.raises(LeakageError, match="Segment 'train' ends on"):
        check_task_segments(a_task([(0, 5), (15, 19)]))
    with pytest.raises(LeakageError):
        check_task_segments(a_task((15, 19)))


def test_without_a_scheme_a_train_segment_may_have_holes_before_the_test():
    assert len(check_task_segments(a_task([(0, 2), (4, 7)]))["train"]) == 2


def test_valid_is_training_too(calendar):
    task = a_task([(0, 5)], {"purge": 1})
    task["dataset"]["kwargs"]["segments"]["valid"] = pair((11, 13))
    with pytest.raises(LeakageError, match="'valid'"):
        check_task_segments(task)


def test_a_date_as_an_end_means_the_whole_day():
    bars = pd.DatetimeIndex([day + pd.Timedelta(hours=h) for day in DAYS for h in (10, 11, 12)])
    task = a_task((0, 7), {"purge": 2})  # the last bar of day 7 is next to the first of day 8
    with settings.override(calendar=Calendar(bars)), pytest.raises(LeakageError):
        check_task_segments(task)
    with settings.override(calendar=Calendar(bars)):
        assert check_task_segments(a_task((0, 7), {"purge": 1}))


@pytest.mark.parametrize(
    ("entry", "match"),
    [
        ({"embargo": 1}, "such as"),
        (3, "such as"),
        ({"purge": 1, "embarg": 2}, "embargo"),
    ],
)
def test_a_scheme_that_is_none(entry, match):
    with pytest.raises(TaskError, match=match):
        scheme_of({"scheme": entry})


@pytest.mark.parametrize("entry", [{"purge": -1}, {"purge": 1, "embargo": 1.5}, {"purge": True}])
def test_a_scheme_with_numbers_that_are_none(entry):
    with pytest.raises(SegmentError):
        scheme_of({"scheme": entry})


def test_a_scheme_survives_being_written():
    scheme = Scheme(3, 1, "middle", ((DAYS[6], DAYS[14]),))
    assert scheme_of({"scheme": scheme.entry()}) == scheme
    assert scheme_of({}) is None


def test_a_task_without_segments_has_nothing_to_check():
    assert check_task_segments({"dataset": {"kwargs": {}}}) == {}
