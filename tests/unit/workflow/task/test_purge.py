from __future__ import annotations

import logging

import pytest

from rollforward.data.segments import segments_of
from rollforward.errors import EmptySegmentError, LeakageError, SegmentError
from rollforward.testing.calendars import business_days
from rollforward.workflow.task.gen import RollingGen

CAL = business_days("2020-01-01", "2020-02-28")


def a_task(train=(1, 9), valid=(10, 14), test=(15, 30), **kwargs):
    segments = {
        name: (CAL[pair[0]], CAL[pair[1]])
        for name, pair in {"train": train, "valid": valid, "test": test}.items()
        if pair is not None
    }
    return {"dataset": {"kwargs": {"segments": segments}}, **kwargs}


def first(task, **kwargs):
    fold = RollingGen(step=5, calendar=CAL, **kwargs).generate(task)[0]
    return {name: tuple(CAL.index_of(time) for time in pair) for name, pair in segments_of(fold).items()}


@pytest.mark.parametrize(
    ("lookahead", "kwargs", "valid_end"),
    [
        (0, {}, 14),
        (1, {}, 13),
        (3, {}, 11),
        (3, {"gap": 1}, 10),
        (3, {"purge": 2}, 13),
        (3, {"purge": 2, "gap": 2}, 11),
        (3, {"purge": 0}, 14),
        (3, {"purge": None}, 14),
        (3, {"purge": 0, "gap": 2}, 12),
        (3, {"trunc_days": 1}, 14),
        (3, {"trunc_days": 2, "purge": 4}, 13),
        (3, {"trunc_days": 2, "gap": 1}, 12),
        (None, {}, 14),
        (None, {"gap": 2}, 12),
        (None, {"purge": 3}, 12),
    ],
)
def test_how_far_training_stays_away(lookahead, kwargs, valid_end):
    task = a_task() if lookahead is None else a_task(label_lookahead=lookahead)

    assert first(task, **kwargs) == {"train": (1, 9), "valid": (10, valid_end), "test": (15, 19)}


def test_a_label_that_nobody_knows_is_said_once(caplog):
    generator = RollingGen(step=5, calendar=CAL)

    with caplog.at_level(logging.WARNING):
        generator.generate(a_task())
        generator.generate(a_task())

    assert caplog.text.count("Nothing is purged") == 1


@pytest.mark.parametrize("kwargs", [{"purge": 0}, {"purge": None}, {"trunc_days": 1}, {"purge": 3}])
def test_who_says_how_much_to_purge_is_not_warned(caplog, kwargs):
    RollingGen(step=5, calendar=CAL, **kwargs).generate(a_task())

    assert caplog.text == ""


def test_a_purge_shorter_than_the_label_is_said(caplog):
    RollingGen(step=5, calendar=CAL, purge=2).generate(a_task(label_lookahead=6))

    assert "purge=2" in caplog.text
    assert "7 sessions" in caplog.text


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"label_lookahead": 6}, r"segment 'valid' \(purge='auto'\) of fold 0, tested from 2020-01-22"),
        ({"label_lookahead": 1, "gap": 4}, r"segment 'valid' \(purge='auto', gap=4\) of fold 0"),
    ],
)
def test_what_empties_a_segment_names_it_and_the_fold(kwargs, message):
    gap = kwargs.pop("gap", 0)

    with pytest.raises(EmptySegmentError, match=message):
        first(a_task(**kwargs), gap=gap)


def test_a_leak_is_not_purged_away():
    with pytest.raises(LeakageError, match=r"Fold 0, tested from 2020-01-22.*'valid' ends on 2020-01-23"):
        first(a_task(valid=(10, 16), label_lookahead=2))


@pytest.mark.parametrize(
    ("segments", "message"),
    [
        ({"valid": (9, 14)}, r"'train' ends on 2020-01-14.*'valid' starts on 2020-01-14"),
        ({"train": (1, 14), "valid": (5, 8)}, "'train'"),
        ({"train": (8, 14), "valid": (1, 6)}, r"'valid' ends on 2020-01-09.*'train' starts"),
    ],
)
def test_segments_out_of_order_are_refused(segments, message):
    with pytest.raises(SegmentError, match=message):
        first(a_task(label_lookahead=1, **segments))


@pytest.mark.parametrize("kwargs", [{"trunc_days": 2}, {"purge": 0}])
def test_in_qlib_s_way_an_overlap_is_only_a_warning(caplog, kwargs):
    assert first(a_task(valid=(9, 13), label_lookahead=1), **kwargs)["valid"] == (9, 13)
    assert "overlap" in caplog.text


def test_what_follows_an_unpurged_fold_is_purged():
    (task, *_) = RollingGen(step=5, calendar=CAL, purge=0).generate(a_task(label_lookahead=3))

    (following, *_) = RollingGen(step=5, calendar=CAL).gen_following_tasks(task, CAL[30])

    assert segments_of(following)["valid"] == (CAL[15], CAL[16])


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [({"purge": "all"}, "purge='all'"), ({"purge": -1}, "purge=-1"), ({"gap": -1}, "gap=-1"), ({"gap": None}, "gap")],
)
def test_options_that_cannot_be(kwargs, message):
    with pytest.raises(SegmentError, match=message):
        RollingGen(**kwargs)
