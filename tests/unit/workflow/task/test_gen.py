from __future__ import annotations

import copy
import logging
import pickle
import time

import pandas as pd
import pytest

from rollforward import settings
from rollforward.data.calendar import Calendar
from rollforward.data.segments import segments_of
from rollforward.errors import CalendarError, EmptySegmentError, LeakageError, OutOfCalendarError, SegmentError
from rollforward.testing.calendars import business_days
from rollforward.workflow.task.gen import MultiHorizonGenBase, RollingGen, handler_mod
from rollforward.workflow.task.utils import TimeAdjuster

CAL = business_days("2020-01-01", "2020-02-28")


def a_task(handler=None, **segments):
    base = {"train": (CAL[1], CAL[9]), "valid": (CAL[10], CAL[14]), "test": (CAL[15], CAL[30])} | segments
    return {"model": {"class": "M"}, "dataset": {"kwargs": {"handler": handler, "segments": base}}}


def ranges_of(tasks):
    return [segments_of(task)["test"] for task in tasks]


class Unfriendly:
    """Like a handler full of data: it must be neither copied nor compared."""

    def __deepcopy__(self, memo):
        raise AssertionError("copied")


class LiveDataset:
    def __init__(self, segments):
        self.handler = Unfriendly()
        self.segments = segments


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"step": 0}, "step=0"),
        ({"step": -5}, "integer from 1"),
        ({"step": 2.0}, r"step=2\.0"),
        ({"step": True}, "step=True"),
        ({"rtype": "walk"}, "'walk'"),
        ({"trunc_days": -1}, "trunc_days=-1"),
    ],
)
def test_arguments_that_cannot_be(kwargs, message):
    with pytest.raises(SegmentError, match=message):
        RollingGen(**kwargs)


@pytest.mark.parametrize(
    ("segments", "error", "message"),
    [
        ({"train": (CAL[1], CAL[15])}, LeakageError, "'train'"),
        ({"train": (CAL[1], None)}, LeakageError, "open at its end"),
        ({"valid": (CAL[32], CAL[40])}, LeakageError, "'valid'"),
        ({"train": ("2019-01-01", "2019-12-31")}, OutOfCalendarError, "segment 'train'"),
        ({"test": ("2020-03-02", None)}, OutOfCalendarError, "segment 'test'"),
        ({"valid": ("2020-01-18", "2020-01-19")}, EmptySegmentError, "segment 'valid'"),
        ({"test": (None, CAL[30])}, SegmentError, "no start"),
        ({"test": (CAL[30], CAL[15])}, SegmentError, "after its end"),
        ({"test": CAL[15]}, SegmentError, "pair"),
    ],
)
def test_segments_that_cannot_be_rolled(segments, error, message):
    with pytest.raises(error, match=message):
        RollingGen(step=5, calendar=CAL).generate(a_task(**segments))


def test_a_leak_that_truncation_cures_is_no_leak():
    (task, *_) = RollingGen(step=5, trunc_days=2, calendar=CAL).generate(a_task(valid=(CAL[10], CAL[16])))

    assert segments_of(task)["valid"] == (CAL[10], CAL[13])


def test_following_a_task_that_leaks_is_refused():
    with pytest.raises(LeakageError):
        list(RollingGen(step=5, calendar=CAL).gen_following_tasks(a_task(train=(CAL[1], CAL[20])), CAL[30]))


def test_a_segment_on_the_first_session_can_be_truncated():
    tasks = RollingGen(step=5, trunc_days=3, calendar=CAL).generate(a_task(train=(CAL[0], CAL[9])))

    assert segments_of(tasks[0])["train"] == (CAL[0], CAL[9])


def test_a_test_segment_of_another_name_is_named_when_absent():
    with pytest.raises(SegmentError, match=r"'live'.*'train', 'valid', 'test'|'live'[\s\S]*'train'"):
        RollingGen(test_key="live", calendar=CAL).generate(a_task())


def test_a_live_handler_is_shared_between_the_folds():
    handler = Unfriendly()

    tasks = RollingGen(step=5, calendar=CAL).generate(a_task(handler))

    assert all(task["dataset"]["kwargs"]["handler"] is handler for task in tasks)


def test_a_live_dataset_is_rolled_around_its_handler():
    dataset = LiveDataset({"train": (CAL[1], CAL[9]), "test": (CAL[15], CAL[30])})

    tasks = RollingGen(step=5, calendar=CAL).generate({"dataset": dataset})

    assert ranges_of(tasks)[1] == (CAL[20], CAL[24])
    assert {id(task["dataset"].handler) for task in tasks} == {id(dataset.handler)}
    assert dataset.segments["test"] == (CAL[15], CAL[30])


@pytest.mark.parametrize("handler", [None, "file:///tmp/h.pkl", {"class": "H"}, {"class": "H", "kwargs": {}}])
def test_a_handler_without_an_end_stays_as_it_is(handler):
    tasks = RollingGen(step=5, calendar=CAL).generate(a_task(copy.deepcopy(handler)))

    assert all(task["dataset"]["kwargs"]["handler"] == handler for task in tasks)


def test_a_placeholder_as_handler_end_stays_as_it_is():
    handler = {"class": "H", "kwargs": {"end_time": "<dataset.kwargs.segments.test.1>"}}

    for task in RollingGen(step=10, calendar=CAL).generate(a_task(handler, test=(CAL[15], None))):
        assert task["dataset"]["kwargs"]["handler"] == handler


def test_a_handler_end_that_is_no_time():
    with pytest.raises(SegmentError, match="end_time is 'soon'"):
        RollingGen(step=5, calendar=CAL).generate(a_task({"kwargs": {"end_time": "soon"}}))


def test_a_handler_end_right_before_the_test_end_is_kept():
    saturday, monday = pd.Timestamp("2020-01-25"), pd.Timestamp("2020-01-27")
    task = a_task({"kwargs": {"end_time": saturday}}, test=("2020-01-23", monday))

    (fold,) = RollingGen(step=3, calendar=CAL).generate(task)

    assert segments_of(fold)["test"][1] == monday
    assert fold["dataset"]["kwargs"]["handler"]["kwargs"]["end_time"] == saturday


def test_own_modification_of_each_fold():
    seen = []

    def modify(task, generator):
        task["model"]["class"] = "changed"
        seen.append((segments_of(task)[generator.test_key][0], generator.step))

    task = a_task()
    RollingGen(step=8, ds_extra_mod_func=modify, calendar=CAL).generate(task)

    assert seen == [(CAL[15], 8), (CAL[23], 8)]
    assert task["model"]["class"] == "M"


def test_handler_mod_can_be_called_by_an_own_modification():
    def modify(task, generator):
        handler_mod(task, generator)
        task["fold"] = True

    tasks = RollingGen(step=10, ds_extra_mod_func=modify, calendar=CAL).generate(
        a_task({"kwargs": {"end_time": CAL[20]}})
    )

    assert [task["dataset"]["kwargs"]["handler"]["kwargs"]["end_time"] for task in tasks] == [CAL[24], CAL[34]]
    assert all(task["fold"] for task in tasks)


def test_no_modification():
    handler = {"kwargs": {"end_time": CAL[16]}}
    tasks = RollingGen(step=10, ds_extra_mod_func=None, calendar=CAL).generate(a_task(handler))

    assert all(task["dataset"]["kwargs"]["handler"] == handler for task in tasks)


def test_an_end_past_the_calendar_is_cut_with_a_warning(caplog):
    with caplog.at_level(logging.WARNING):
        RollingGen(step=10, calendar=CAL).generate(a_task(test=(CAL[15], "2021-01-01")))

    assert "2021-01-01" in caplog.text
    assert "2020-02-28" in caplog.text


def test_the_calendar_of_the_settings_is_looked_up_when_it_is_needed():
    generator = RollingGen(step=10)
    with pytest.raises(CalendarError, match="no calendar"):
        generator.generate(a_task())

    with settings.override(calendar=CAL):
        assert ranges_of(generator.generate(a_task()))[0] == (CAL[15], CAL[24])


def test_a_pickled_generator_knows_the_calendar_of_its_day():
    """Qlib pickles the calendar with the generator, which then makes no more folds (D#5)."""
    with settings.override(calendar=CAL):
        generator = RollingGen(step=10)
        last = generator.generate(a_task(test=(CAL[15], None)))[-1]
        stored = pickle.dumps(generator)

    longer = business_days("2020-01-01", "2020-04-30")
    with settings.override(calendar=longer):
        later = list(pickle.loads(stored).gen_following_tasks(last, None))

    assert b"Calendar" not in stored
    assert ranges_of(later)[0] == (longer[45], longer[54])


def test_a_calendar_that_was_given_is_pickled():
    generator = pickle.loads(pickle.dumps(RollingGen(step=10, calendar=CAL)))

    assert ranges_of(generator.generate(a_task()))[0] == (CAL[15], CAL[24])


def test_bars_are_counted_like_days():
    bars = Calendar(pd.date_range("2020-01-02 09:30", periods=60, freq="min"))
    task = {
        "dataset": {
            "kwargs": {
                "segments": {"train": ("2020-01-02 09:30", "2020-01-02 09:49"), "test": ("2020-01-02 09:50", None)}
            }
        }
    }

    tasks = RollingGen(step=15, calendar=bars).generate(task)

    assert ranges_of(tasks) == [(bars[20], bars[34]), (bars[35], bars[49]), (bars[50], None)]


def test_many_folds_take_little_time():
    """A bound that only a cost growing with the square of the folds would break."""
    calendar = business_days("2000-01-01", "2020-01-01")
    task = a_task(train=("2000-01-03", "2000-12-29"), valid=("2001-01-01", "2001-12-31"), test=("2002-01-01", None))
    start = time.process_time()

    tasks = RollingGen(step=2, calendar=calendar).generate(task)

    assert len(tasks) == 2349
    assert time.process_time() - start < 5


def test_multi_horizon_leaves_the_task_alone():
    class Gen(MultiHorizonGenBase):
        def set_horizon(self, task, hr):
            task["model"]["horizon"] = hr

    task = a_task()
    first, second = Gen([1, 2], calendar=CAL)(task)

    assert (first["model"]["horizon"], second["model"]["horizon"]) == (1, 2)
    assert task == a_task()


class TestTimeAdjuster:
    def test_end_time_can_be_set_and_unset(self):
        adjuster = TimeAdjuster(end_time=CAL[10], calendar=CAL)
        assert adjuster.max() == CAL[10]

        adjuster.set_end_time()

        assert adjuster.max() == CAL.last
        assert adjuster.cals.equals(CAL.sessions())

    def test_the_future_counts_unless_told_otherwise(self):
        calendar = business_days("2020-01-01", "2020-03-31", current_end="2020-02-28")

        assert TimeAdjuster(calendar=calendar).max() == calendar.last
        assert TimeAdjuster(future=False, calendar=calendar).max() == calendar.current_end

    def test_it_follows_the_settings(self):
        adjuster = TimeAdjuster()
        for calendar in (CAL, business_days("2020-01-01", "2020-03-31")):
            with settings.override(calendar=calendar):
                assert adjuster.max() == calendar.last

    @pytest.mark.parametrize("call", ["align_idx", "align_time"])
    def test_an_unknown_side(self, call):
        with pytest.raises(CalendarError, match="'middle'"):
            getattr(TimeAdjuster(calendar=CAL), call)(CAL[0], "middle")

    def test_a_negative_index_does_not_wrap(self):
        with pytest.raises(IndexError):
            TimeAdjuster(calendar=CAL).get(-1)
