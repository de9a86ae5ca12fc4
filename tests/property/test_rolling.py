"""What holds for every rolled task, whatever the calendar, the step and the segments."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from itertools import pairwise

import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rollforward.data.calendar import Calendar
from rollforward.data.segments import segments_of
from rollforward.data.spans import shift_segment
from rollforward.errors import EmptySegmentError
from rollforward.workflow.task.gen import RollingGen

STEPS = {"day": pd.Timedelta(days=1), "minute": pd.Timedelta(minutes=1)}

TRUNC_DAYS = st.none() | st.integers(0, 4)


@dataclass
class Case:
    calendar: Calendar
    task: dict
    kwargs: dict
    n_current: int

    @property
    def generator(self):
        return RollingGen(calendar=self.calendar, **self.kwargs)

    def positions(self, task, name):
        start, end = segments_of(task)[name]
        return self.calendar.index_of(start), len(self.calendar) if end is None else self.calendar.index_of(end)


@st.composite
def calendars(draw, freq=None):
    gaps = draw(st.lists(st.integers(1, 4), min_size=12, max_size=90))
    unit = STEPS[freq or draw(st.sampled_from(list(STEPS)))]
    return Calendar([pd.Timestamp("2020-01-01") + unit * sum(gaps[: i + 1]) for i in range(len(gaps))])


@st.composite
def cases(draw, trunc_days=TRUNC_DAYS):
    calendar = draw(calendars())
    n_current = draw(st.integers(len(calendar) // 2, len(calendar)))
    calendar = Calendar(calendar.sessions(future=True), calendar[n_current - 1])
    cuts = sorted(draw(st.sets(st.integers(0, n_current - 1), min_size=4, max_size=4)))
    test_end = draw(st.none() | st.integers(cuts[3], len(calendar) - 1))
    shape = draw(st.sampled_from([tuple, list]))
    segments = {
        "train": shape([calendar[cuts[0]], calendar[cuts[1] - 1 if cuts[1] > cuts[0] + 1 else cuts[0]]]),
        "valid": shape([calendar[cuts[1]], calendar[cuts[2]]]),
        "test": shape([calendar[cuts[3]], None if test_end is None else calendar[test_end]]),
    }
    kwargs = {
        "step": draw(st.integers(1, 30)),
        "rtype": draw(st.sampled_from(["sliding", "expanding"])),
        "trunc_days": draw(trunc_days),
    }
    handler = {"class": "H", "kwargs": {"end_time": calendar[cuts[3]]}}
    task = {"model": [1, {"x": (2, 3)}], "dataset": {"kwargs": {"handler": handler, "segments": segments}}}
    return Case(calendar, task, kwargs, n_current)


def generated(case):
    """Roll, or give the case up where truncation leaves nothing, which is refused."""
    try:
        return case.generator.generate(case.task)
    except EmptySegmentError:
        assert case.kwargs["trunc_days"]
        assume(False)


@given(cases())
def test_no_segment_reaches_the_test_segment(case):
    distance = case.kwargs["trunc_days"] or 1
    for task in generated(case):
        test_start, _ = case.positions(task, "test")
        for name in ("train", "valid"):
            start, end = case.positions(task, name)
            assert start <= end <= test_start - distance


@given(cases())
def test_test_segments_tile_the_range(case):
    tasks = generated(case)
    step = case.kwargs["step"]
    asked_start, asked_end = case.task["dataset"]["kwargs"]["segments"]["test"]
    last = case.n_current - 1 if asked_end is None else min(case.calendar.index_of(asked_end), case.n_current - 1)
    spans = [case.positions(task, "test") for task in tasks]

    assert spans[0][0] == case.calendar.index_of(asked_start)
    assert all(later[0] == earlier[1] + 1 for earlier, later in pairwise(spans))
    assert all(end - start + 1 == step for start, end in spans[:-1])
    assert spans[-1][0] <= max(last, spans[0][0])
    assert spans[-1][0] + step > last


@given(cases())
def test_every_bound_is_a_session(case):
    for task in generated(case):
        for start, end in segments_of(task).values():
            assert start in case.calendar
            assert end is None or end in case.calendar


@given(cases())
def test_the_input_is_unchanged_and_folds_share_no_container(case):
    before = copy.deepcopy(case.task)

    tasks = generated(case)
    for task in tasks:
        task["model"][1]["x"] = "changed"
        task["dataset"]["kwargs"]["handler"]["kwargs"]["end_time"] = "changed"

    assert case.task == before


@given(cases())
def test_one_go_is_generating_and_following(case):
    tasks = generated(case)
    end = case.task["dataset"]["kwargs"]["segments"]["test"][1]

    for i, task in enumerate(tasks):
        limit = case.calendar.current_end if end is None else min(end, case.calendar.current_end)
        assert list(case.generator.gen_following_tasks(task, limit)) == tasks[i + 1 :]


@given(cases(), st.integers(0, 40))
def test_stopping_early_and_following_later_is_one_go(case, n_known):
    """The calendar grows from day to day; the folds must not depend on when they were made."""
    segments = case.task["dataset"]["kwargs"]["segments"]
    case.task["dataset"]["kwargs"]["segments"] = {**segments, "test": (segments["test"][0], None)}
    whole = generated(case)
    n_sessions = min(case.calendar.index_of(segments["test"][0]) + 1 + n_known, case.n_current)
    earlier = Calendar(case.calendar.sessions(future=True)[:n_sessions])

    first = RollingGen(calendar=earlier, **case.kwargs).generate(case.task)
    later = list(case.generator.gen_following_tasks(first[-1], case.calendar.current_end))

    tests = [segments_of(task)["test"] for task in [*first[:-1], *later]]
    expected = [segments_of(task)["test"] for task in whole]
    assert tests == expected[: len(first) - 1] + expected[len(first) :]


@given(calendars(), st.data())
def test_shift_there_and_back(calendar, data):
    start = data.draw(st.integers(0, len(calendar) - 1))
    end = data.draw(st.integers(start, len(calendar) - 1))
    n = data.draw(st.integers(-start, len(calendar) - 1 - end))
    segment = calendar[start], calendar[end]

    there = shift_segment(calendar, segment, n)

    assert [calendar.index_of(time) for time in there] == [start + n, end + n]
    assert shift_segment(calendar, there, -n) == segment


@given(cases(trunc_days=st.none()), st.integers(0, 60))
def test_a_train_segment_that_reaches_the_test_segment_is_refused(case, n):
    segments = case.task["dataset"]["kwargs"]["segments"]
    start = case.calendar.index_of(segments["test"][0])
    segments["train"] = segments["train"][0], case.calendar[min(start + n, len(case.calendar) - 1)]

    with pytest.raises(ValueError, match="'train'"):
        case.generator.generate(case.task)
