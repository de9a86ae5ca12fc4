"""Ways to cut the test range: periods, dates, the last fold, refits."""

from __future__ import annotations

import datetime as dt
import logging
from itertools import pairwise

import pandas as pd
import pytest

from rollforward.data.calendar import Calendar
from rollforward.data.segments import segments_of
from rollforward.errors import SegmentError
from rollforward.testing.calendars import business_days
from rollforward.workflow.task.gen import RollingGen

CAL = business_days("2020-01-01", "2020-12-31")
BARS = Calendar([day + pd.Timedelta(hours=h) for day in pd.bdate_range("2020-01-06", periods=20) for h in range(9, 16)])


def a_task(train=("2020-01-01", "2020-02-28"), test=("2020-03-10", "2020-09-10"), **kwargs):
    return {"dataset": {"kwargs": {"segments": {"train": train, "test": test}}}, "label_lookahead": 1, **kwargs}


def folds(calendar=CAL, task=None, **kwargs):
    return RollingGen(calendar=calendar, **kwargs).generate(task or a_task())


def windows_of(tasks):
    return [segments_of(task)["test"] for task in tasks]


def starts(tasks):
    return [str(start.date()) for start, _ in windows_of(tasks)]


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ("ME", ["2020-03-10", "2020-04-01", "2020-05-01", "2020-06-01", "2020-07-01", "2020-08-03", "2020-09-01"]),
        ("MS", ["2020-03-10", "2020-04-01", "2020-05-01", "2020-06-01", "2020-07-01", "2020-08-03", "2020-09-01"]),
        ("QE", ["2020-03-10", "2020-04-01", "2020-07-01"]),
        ("2ME", ["2020-03-10", "2020-05-01", "2020-07-01", "2020-09-01"]),
        (
            "WOM-3FRI",
            ["2020-03-10", "2020-03-23", "2020-04-20", "2020-05-18", "2020-06-22", "2020-07-20", "2020-08-24"],
        ),
        ("YE", ["2020-03-10"]),
    ],
)
def test_periods_of_a_calendar(step, expected):
    tasks = folds(step=step)

    assert starts(tasks) == expected
    assert all(CAL.index_of(later[0]) == CAL.index_of(earlier[1]) + 1 for earlier, later in pairwise(windows_of(tasks)))


def test_a_month_that_ends_the_calendar_on_its_last_day_is_whole():
    short = business_days("2020-01-01", "2020-07-31")

    assert windows_of(folds(short, step="ME"))[-1] == (pd.Timestamp("2020-07-01"), pd.Timestamp("2020-07-31"))


def test_a_month_that_the_calendar_does_not_reach_is_open():
    short = business_days("2020-01-01", "2020-07-30")

    assert windows_of(folds(short, step="ME"))[-1] == (pd.Timestamp("2020-07-01"), None)


def test_given_dates():
    step = ["2019-01-01", "2020-03-10", dt.date(2020, 5, 2), pd.Timestamp("2020-08-03"), "2020-12-01"]

    tasks = folds(step=step)

    assert starts(tasks) == ["2020-03-10", "2020-05-04", "2020-08-03"]
    assert str(windows_of(tasks)[-1][1].date()) == "2020-11-30"


def test_the_last_of_the_given_dates_ends_with_the_range():
    tasks = folds(step=["2020-05-04"])

    assert windows_of(tasks)[-1] == (pd.Timestamp("2020-05-04"), pd.Timestamp("2020-09-10"))


@pytest.mark.parametrize("step", [40, "ME", ["2020-06-01", "2020-12-01"]])
@pytest.mark.parametrize(
    ("last", "end"), [("clip", pd.Timestamp("2020-09-10")), ("open", None), ("whole", "after the range")]
)
def test_the_last_fold(step, last, end):
    *others, (_, found) = windows_of(folds(step=step, last=last))

    assert found == end or (end == "after the range" and found > pd.Timestamp("2020-09-10"))
    assert others == windows_of(folds(step=step))[:-1]


def test_a_fold_that_was_clipped_is_followed_without_a_hole():
    generator = RollingGen(step=40, last="clip", calendar=CAL)
    tasks = generator.generate(a_task())

    (following, *_) = generator.gen_following_tasks(tasks[-1], "2020-12-01")

    assert segments_of(following)["test"][0] == CAL.shift(segments_of(tasks[-1])["test"][1], 1)


@pytest.mark.parametrize(
    ("step", "n_sessions"),
    [("D", {7}), ("2h", {1, 2}), (30, {30}), ("W-FRI", {35})],
)
def test_bars(step, n_sessions):
    task = a_task(train=("2020-01-06", "2020-01-10"), test=("2020-01-13", "2020-01-24"))
    table = RollingGen(step=step, calendar=BARS).audit(folds(BARS, task, step=step))

    assert set(table["n_test"]) == n_sessions
    assert (table["label_distance"] == 1).all()
    assert table["train_end"][0] == pd.Timestamp("2020-01-10 14:00")


def test_the_dates_of_bars_are_whole_days():
    task = a_task(train=("2020-01-06", "2020-01-10"), test=("2020-01-13", dt.date(2020, 1, 17)), label_lookahead=0)

    (fold,) = folds(BARS, task, step=35, last="clip")

    assert segments_of(fold) == {
        "train": (pd.Timestamp("2020-01-06 09:00"), pd.Timestamp("2020-01-10 15:00")),
        "test": (pd.Timestamp("2020-01-13 09:00"), pd.Timestamp("2020-01-17 15:00")),
    }


def test_the_length_of_training_is_limited():
    table = RollingGen(calendar=CAL).audit(folds(step=20, max_train=50))

    assert table["n_train"].tolist() == [43, *[50] * (len(table) - 1)]


def test_an_open_train_segment_is_limited_too():
    (first, *_) = folds(task=a_task(train=(None, "2020-02-28")), max_train=10)

    assert segments_of(first)["train"] == (pd.Timestamp("2020-02-17"), pd.Timestamp("2020-02-28"))


def test_some_windows_share_a_model():
    tasks = folds(step=20, refit=3, rtype="sliding")

    assert [task.get("refit") for task in tasks] == [None, False, False, None, False, False, None]
    assert [segments_of(task)["train"] for task in tasks[:3]] == [segments_of(tasks[0])["train"]] * 3
    assert segments_of(tasks[3]) == segments_of(folds(step=20, rtype="sliding")[3])
    assert tasks[5]["refit_from"] == segments_of(tasks[3])["test"][0]


def test_a_function_says_who_trains():
    asked = []

    def refit(number, segments):
        asked.append(number)
        return segments["test"][0].month in {6, 9}

    tasks = folds(step="ME", refit=refit)

    assert [task.get("refit", True) for task in tasks] == [True, False, False, True, False, False, True]
    assert asked == [1, 2, 3, 4, 5, 6]


def test_another_generator_goes_on_from_a_fold_that_shares_a_model():
    tasks = folds(step=20, refit=3)

    (following, *_) = RollingGen(step=20, calendar=CAL).gen_following_tasks(tasks[1], "2020-09-10")

    assert following == folds(step=20)[2]


def test_the_calendar_ends_before_the_plan_does(caplog):
    with caplog.at_level(logging.WARNING):
        tasks = folds(task=a_task(test=("2020-03-10", "2027-06-30")), step=100)

    assert caplog.text.count("2020-12-31") == caplog.text.count("2027-06-30") == 1
    assert starts(tasks)[-1] == "2020-12-15"


def test_sessions_of_the_future_do_not_start_folds(caplog):
    calendar = Calendar(CAL.sessions(), current_end="2020-06-30")

    with caplog.at_level(logging.WARNING):
        tasks = folds(calendar, step="ME")

    assert "last session so far, 2020-06-30" in caplog.text
    assert windows_of(tasks)[-1] == (pd.Timestamp("2020-06-01"), pd.Timestamp("2020-06-30"))


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"step": "fortnight"}, "step='fortnight'"),
        ({"step": "-1ME"}, "step='-1ME'"),
        ({"step": "bh"}, "step='bh'"),
        ({"step": []}, "no time"),
        ({"step": ["2020-05-01", "2020-05-01"]}, r"step\[1\] is 2020-05-01"),
        ({"step": ["2020-05-01", "soon"]}, "'soon'"),
        ({"step": [pd.Timestamp("2020-05-01", tz="UTC")]}, "UTC"),
        ({"step": None}, "step=None"),
        ({"last": "short"}, "last='short'"),
        ({"handler_window": "none"}, "handler_window='none'"),
        ({"max_train": 0}, "max_train=0"),
        ({"refit": 0}, "refit=0"),
        ({"refit": "always"}, "refit='always'"),
    ],
)
def test_options_that_cannot_be(kwargs, message):
    with pytest.raises(SegmentError, match=message):
        RollingGen(**kwargs)


def test_a_limit_without_a_train_segment():
    with pytest.raises(SegmentError, match="max_train=5"):
        folds(max_train=5, train_key="fit")
