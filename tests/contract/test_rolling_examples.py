"""The worked examples of Qlib's contract, section 8; where a defect is fixed on purpose, the test says so."""

from __future__ import annotations

import copy

import pandas as pd
import pytest

from rollforward.data.segments import segments_of
from rollforward.errors import EmptySegmentError, OutOfCalendarError, SegmentError
from rollforward.testing.calendars import business_days
from rollforward.workflow.task.gen import MultiHorizonGenBase, RollingGen, TaskGen, task_generator, trunc_segments
from rollforward.workflow.task.utils import TimeAdjuster, get_date_by_shift, transform_end_date

CAL = business_days("2020-01-01", "2020-02-28")
WITH_FUTURE = business_days("2020-01-01", "2020-03-31", current_end="2020-02-28")
TA = TimeAdjuster(calendar=CAL)


def day(index):
    return None if index is None else CAL[index] if index < len(CAL) else WITH_FUTURE[index]


def pair(start, end):
    return day(start), day(end)


def indices(segment):
    return tuple(None if time is None else WITH_FUTURE.index_of(time) for time in segment)


def a_task(handler_end=30, **segments):
    base = {"train": pair(1, 9), "valid": pair(10, 14), "test": pair(15, 30)} | segments
    end = day(handler_end) if isinstance(handler_end, int) else handler_end
    return {
        "model": {"class": "Ridge", "kwargs": {"alpha": 1.0}},
        "dataset": {
            "class": "DatasetH",
            "kwargs": {"handler": {"class": "H", "kwargs": {"end_time": end}}, "segments": base},
        },
    }


def rolled(task, calendar=CAL, **kwargs):
    return RollingGen(calendar=calendar, **kwargs).generate(task)


def spans(tasks, name):
    return [indices(segments_of(task)[name]) for task in tasks]


def handler_ends(tasks):
    ends = [task["dataset"]["kwargs"]["handler"]["kwargs"]["end_time"] for task in tasks]
    return [None if end is None else WITH_FUTURE.index_of(end) for end in ends]


def test_the_calendar_of_the_examples():
    assert len(CAL) == 43
    assert (day(0), day(9), day(15), day(30), day(42)) == tuple(
        pd.to_datetime(["2020-01-01", "2020-01-14", "2020-01-22", "2020-02-12", "2020-02-28"])
    )
    assert len(WITH_FUTURE) == 65


class TestTimeAdjuster:
    @pytest.mark.parametrize(
        ("time", "side", "expected"),
        [
            ("2020-01-04", "start", 3),
            ("2020-01-04", "end", 2),
            ("2019-12-01", "start", 0),
            ("2019-12-01", "end", -1),
            ("2020-03-10", "start", 43),
            ("2020-03-10", "end", 42),
            (None, "start", None),
        ],
    )
    def test_align_idx(self, time, side, expected):
        assert TA.align_idx(time, side) == expected

    def test_align_seg(self):
        aligned = TA.align_seg({"train": ["2020-01-04", "2020-01-11"], "test": ("2020-01-13", None)})

        assert aligned == {
            "train": (pd.Timestamp("2020-01-06"), pd.Timestamp("2020-01-10")),
            "test": (pd.Timestamp("2020-01-13"), None),
        }

    def test_cal_interval(self):
        assert TA.cal_interval("2020-01-10", "2020-01-03") == 5
        assert TA.cal_interval("2020-01-11", "2020-01-03") == 6

    @pytest.mark.parametrize(
        ("segment", "step", "rtype", "expected"),
        [
            (pair(0, 9), 5, "sliding", (5, 14)),
            (pair(0, 9), 5, "expanding", (0, 14)),
            (("2020-01-04", "2020-01-12"), 5, "sliding", (8, 12)),
            (["2020-01-04", "2020-01-12"], 5, "sliding", (8, 12)),  # a list, which Qlib refuses (D#32)
            (pair(37, 42), 5, "sliding", (42, None)),
            ((None, day(9)), 5, "sliding", (None, 14)),
        ],
    )
    def test_shift(self, segment, step, rtype, expected):
        assert indices(TA.shift(segment, step, rtype)) == expected

    @pytest.mark.parametrize(
        ("segment", "step"),
        [
            (pair(38, 42), 5),  # Qlib: (None, None), off by one (D#20)
            (pair(40, None), 5),
            (pair(42, 42), 2),
            (pair(0, 9), -1),  # Qlib wraps around to the calendar's end
        ],
    )
    def test_a_shift_out_of_the_calendar_is_a_key_error(self, segment, step):
        with pytest.raises(KeyError) as caught:
            TA.shift(segment, step)
        assert isinstance(caught.value, OutOfCalendarError)

    @pytest.mark.parametrize(
        ("segment", "days", "expected"),
        [
            (pair(10, 14), 3, (10, 12)),
            (pair(1, 9), 14, (1, 1)),
            (pair(0, 9), 3, (0, 9)),  # Qlib refuses a segment that touches the first session (D#21)
            (pair(10, None), 3, (10, 12)),  # Qlib: TypeError
        ],
    )
    def test_truncate(self, segment, days, expected):
        assert indices(TA.truncate(segment, day(15), days)) == expected

    @pytest.mark.parametrize(("segment", "days"), [(pair(13, 14), 3), (pair(1, 9), 15)])
    def test_a_truncation_that_leaves_nothing_is_refused(self, segment, days):
        """Qlib collapses the first onto the single session before it, and asserts on the second (D#32, D#21)."""
        with pytest.raises(EmptySegmentError):
            TA.truncate(segment, day(15), days)

    def test_get_and_max(self):
        assert (TA.get(None), TA.get(43), TA.get(0), TA.max()) == (None, None, day(0), day(42))

    def test_no_wrap_around_before_the_first_session(self):
        """Qlib takes the last session of all (D#32)."""
        with pytest.raises(IndexError) as caught:
            TA.align_time("2019-12-01", "end")
        assert isinstance(caught.value, OutOfCalendarError)


class TestRollingGen:
    def test_a_expanding(self):
        tasks = rolled(a_task(), step=5)

        assert spans(tasks, "train") == [(1, 9), (1, 14), (1, 19), (1, 24)]
        assert spans(tasks, "valid") == [(10, 14), (15, 19), (20, 24), (25, 29)]
        assert spans(tasks, "test") == [(15, 19), (20, 24), (25, 29), (30, 34)]
        assert handler_ends(tasks) == [30, 30, 30, 34]

    def test_b_sliding(self):
        tasks = rolled(a_task(), step=5, rtype="sliding")

        assert spans(tasks, "train") == [(1, 9), (6, 14), (11, 19), (16, 24)]
        assert spans(tasks, "valid") == [(10, 14), (15, 19), (20, 24), (25, 29)]

    def test_c_truncated(self):
        tasks = rolled(a_task(), step=5, trunc_days=3)

        assert spans(tasks, "train") == [(1, 9), (1, 14), (1, 19), (1, 24)]
        assert spans(tasks, "valid") == [(10, 12), (15, 17), (20, 22), (25, 27)]

    def test_c_prime_without_valid(self):
        tasks = rolled(_without_valid(a_task()), step=5, rtype="sliding", trunc_days=8)

        assert spans(tasks, "train") == [(1, 7), (6, 12), (11, 17), (16, 22)]

    def test_c_prime_collapse_is_refused(self):
        """Qlib puts all of valid onto the last session of train (D#32)."""
        with pytest.raises(SegmentError, match=r"segment 'valid' \(trunc_days=8\)"):
            rolled(a_task(), step=5, rtype="sliding", trunc_days=8)

    def test_c_second_limit_before_the_segment_is_refused(self):
        with pytest.raises(EmptySegmentError, match="segment 'train'"):
            rolled(_without_valid(a_task()), step=5, trunc_days=15)

    @pytest.mark.parametrize("end", ["2020-03-25", None, -1])
    def test_d_and_e_the_end_is_past_the_calendar_or_open(self, end):
        tasks = rolled(a_task(test=(day(15), end)), step=10)

        assert spans(tasks, "test") == [(15, 24), (25, 34), (35, None)]
        assert handler_ends(tasks)[-1] is None

    def test_d_with_a_future_calendar(self):
        tasks = rolled(a_task(test=(day(15), "2020-03-25")), WITH_FUTURE, step=10)

        assert spans(tasks, "test") == [(15, 24), (25, 34), (35, 44)]

    def test_f_a_multiple_of_the_step_ends_with_the_calendar(self):
        """Qlib: TypeError (D#20)."""
        tasks = rolled(a_task(test=pair(15, 42)), step=7)

        assert spans(tasks, "test") == [(15, 21), (22, 28), (29, 35), (36, 42)]

    def test_f_not_a_multiple(self):
        tasks = rolled(a_task(test=pair(15, 42)), step=9)

        assert spans(tasks, "test") == [(15, 23), (24, 32), (33, 41), (42, None)]

    def test_f_with_a_future_calendar(self):
        tasks = rolled(a_task(test=pair(15, 42)), WITH_FUTURE, step=7)

        assert spans(tasks, "test") == [(15, 21), (22, 28), (29, 35), (36, 42)]

    def test_g_step_longer_than_the_test_segment(self):
        assert spans(rolled(a_task(test=pair(15, 20)), step=40), "test") == [(15, None)]

    def test_m_the_last_fold_starts_on_the_end(self):
        assert spans(rolled(a_task(test=pair(15, 30)), step=15), "test") == [(15, 29), (30, None)]
        assert spans(rolled(a_task(test=pair(15, 29)), step=15), "test") == [(15, 29)]

    def test_h_the_handler_end_follows_forward(self):
        assert handler_ends(rolled(a_task(handler_end=25), step=5)) == [25, 25, 29, 34]

    def test_h_a_saturday_is_kept_until_a_session_lies_between(self):
        saturday = pd.Timestamp("2020-02-15")
        tasks = rolled(a_task(handler_end=saturday), step=5)
        ends = [task["dataset"]["kwargs"]["handler"]["kwargs"]["end_time"] for task in tasks]

        assert ends == [saturday, saturday, saturday, day(34)]

    def test_p_without_a_train_key_all_slide(self):
        tasks = rolled(a_task(), step=5, train_key=None)

        assert spans(tasks, "train") == [(1, 9), (6, 14), (11, 19), (16, 24)]

    def test_q_lists_of_texts(self):
        task = a_task()
        task["dataset"]["kwargs"]["segments"] = {
            "train": ["2020-01-02", "2020-01-14"],
            "test": ["2020-01-25", "2020-02-15"],
        }
        tasks = rolled(task, step=6)

        assert spans(tasks, "test") == [(18, 23), (24, 29), (30, 35)]
        assert spans(tasks, "train") == [(1, 9), (1, 15), (1, 21)]

    @pytest.mark.parametrize(
        ("end", "expected"),
        [
            (30, [(25, 29), (30, 34)]),
            (25, [(25, 29)]),
            (24, []),
            (42, [(25, 29), (30, 34), (35, 39), (40, None)]),
        ],
    )
    def test_gen_following_tasks(self, end, expected):
        generator = RollingGen(step=5, rtype="sliding", calendar=CAL)
        fold = generator.generate(a_task())[1]

        assert spans(generator.gen_following_tasks(fold, day(end)), "test") == expected

    def test_gen_following_tasks_takes_lists(self):
        """Qlib: NotImplementedError (D#32)."""
        task = a_task(test=[str(day(15)), str(day(19))])

        following = list(RollingGen(step=5, calendar=CAL).gen_following_tasks(task, day(20)))

        assert spans(following, "test") == [(20, 24)]

    def test_the_input_stays_as_it_is(self):
        task = a_task(handler_end=16)
        before = copy.deepcopy(task)

        rolled(task, step=5, trunc_days=3)
        rolled(task, step=5, task_copy_func=lambda given: given)

        assert task == before


class TestMultiHorizon:
    class Gen(MultiHorizonGenBase):
        def set_horizon(self, task, hr):
            task["horizon"] = hr

    def test_truncates_by_horizon_and_leak(self):
        (task,) = self.Gen(horizon=[1], label_leak_n=2, calendar=CAL).generate(a_task())

        assert task["horizon"] == 1
        assert [spans([task], name)[0] for name in ("train", "valid", "test")] == [(1, 9), (10, 12), (15, 30)]

    def test_horizons_in_order(self):
        tasks = self.Gen(horizon=[5, 10], calendar=CAL).generate(_without_valid(a_task()))

        assert spans(tasks, "train") == [(1, 8), (1, 3)]

    def test_a_horizon_that_leaves_nothing_of_valid_is_refused(self):
        """Qlib: valid collapses onto (8, 8), inside train (D#32)."""
        with pytest.raises(EmptySegmentError, match="segment 'valid'"):
            self.Gen(horizon=[5], calendar=CAL).generate(a_task())


class TestHelpers:
    def test_task_generator_applies_generators_from_left_to_right(self):
        class Both(TaskGen):
            def __init__(self, key):
                self.key = key

            def generate(self, task):
                return [{**task, self.key: value} for value in (1, 2)]

        tasks = task_generator([{"n": "a"}, {"n": "b"}], [Both("A"), Both("B")])

        assert [tuple(task.values()) for task in tasks] == [
            (name, first, second) for name in "ab" for first in (1, 2) for second in (1, 2)
        ]
        assert task_generator({"n": "a"}, Both("A")) == [{"n": "a", "A": 1}, {"n": "a", "A": 2}]

    def test_trunc_segments_changes_in_place(self):
        segments = {"train": pair(1, 9), "valid": pair(10, 14), "test": (None, day(15))}

        trunc_segments(TA, segments, 3)

        assert indices(segments["valid"]) == (10, 12)
        assert indices(segments["train"]) == (1, 9)

    @pytest.mark.parametrize("end", [None, -1, "-1", "2020-03-05"])
    def test_transform_end_date_to_the_last_session_so_far(self, end):
        assert transform_end_date(end, calendar=WITH_FUTURE) == day(42)

    def test_transform_end_date_leaves_others_as_they_are(self):
        assert transform_end_date("2020-01-04", calendar=CAL) == "2020-01-04"

    def test_get_date_by_shift(self):
        assert get_date_by_shift(day(5), 2, calendar=CAL) == day(7)
        assert get_date_by_shift(day(5), -20, calendar=CAL) == day(0)
        assert get_date_by_shift(day(5), 200, calendar=CAL) == day(42)
        assert get_date_by_shift("2020-01-04", 0, align="left", calendar=CAL) == day(2)
        assert get_date_by_shift("2020-01-04", 0, align="right", calendar=CAL) == day(3)

    def test_get_date_by_shift_counts_the_future_only_when_asked(self):
        assert get_date_by_shift(day(42), 1, calendar=WITH_FUTURE) == day(42)
        assert get_date_by_shift(day(42), 1, future=True, calendar=WITH_FUTURE) == day(43)

    def test_get_date_by_shift_refuses(self):
        with pytest.raises(ValueError, match="not a session"):
            get_date_by_shift("2020-01-04", 0, calendar=CAL)
        with pytest.raises(IndexError):
            get_date_by_shift(day(5), 200, clip_shift=False, calendar=CAL)


def _without_valid(task):
    del task["dataset"]["kwargs"]["segments"]["valid"]
    return task
