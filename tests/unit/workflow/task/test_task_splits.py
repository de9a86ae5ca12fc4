"""Splitters and combinatorial splits as generators of tasks."""

from __future__ import annotations

import copy
import logging
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import KFold, TimeSeriesSplit

from rollforward import settings
from rollforward.data.calendar import Calendar
from rollforward.data.ranges import ranges_of
from rollforward.data.scheme import check_task_segments
from rollforward.errors import EmptySegmentError, LeakageError, SegmentError, TaskError
from rollforward.workflow.task.base import task_generator
from rollforward.workflow.task.combinatorial import CombinatorialPurgedGen
from rollforward.workflow.task.splits import SplitterGen

DAYS = pd.bdate_range("2020-01-01", periods=40)
FIRST, LAST = 4, 35  # the sessions that are split


class Given:
    """A splitter that yields what it was given."""

    def __init__(self, *splits):
        self.splits = splits

    def split(self, frame):
        self.seen = frame
        yield from self.splits


def a_task(lookahead=0, **extra):
    segments = {"train": (DAYS[FIRST], DAYS[10]), "test": (DAYS[11], DAYS[LAST])}
    return {"dataset": {"kwargs": {"segments": segments}}, "label_lookahead": lookahead, **extra}


def positions(task, name):
    """Positions of a segment's sessions, counted from the first one that is split."""
    return [day - FIRST for start, end in ranges_of(task)[name] for day in range(at(start), at(end) + 1)]


def at(time):
    return DAYS.get_loc(time)


def splits_of(generator, task=None):
    folds = generator.generate(a_task() if task is None else task)
    return [(positions(fold, "train"), positions(fold, "test")) for fold in folds]


def combinatorial(*args, **kwargs):
    return CombinatorialPurgedGen(*args, calendar=DAYS, **kwargs)


@pytest.mark.parametrize(
    "splitter",
    [
        TimeSeriesSplit(3),
        TimeSeriesSplit(4, test_size=5, gap=2),
        TimeSeriesSplit(3, max_train_size=7),
        KFold(4),
        KFold(4, shuffle=True, random_state=0),
    ],
)
def test_the_folds_are_those_of_the_splitter(splitter):
    n = LAST - FIRST + 1
    expected = [(train.tolist(), test.tolist()) for train, test in splitter.split(np.zeros(n))]
    found = splits_of(SplitterGen(splitter, calendar=DAYS))
    assert [(sorted(train), sorted(test)) for train, test in expected] == found


def test_the_purge_follows_the_label():
    # The label of session 7 knows session 9; the test starts at 10. Behind the test, 20 + 3 is the first free session.
    splitter = Given((np.r_[0:10, 20:32], np.arange(10, 20)))
    assert splits_of(SplitterGen(splitter, calendar=DAYS), a_task(2)) == [
        ([*range(8), *range(22, 32)], [*range(10, 20)])
    ]


def test_the_embargo_is_on_top_and_behind_only():
    splitter = Given((np.r_[0:10, 20:32], np.arange(10, 20)))
    [(train, _)] = splits_of(SplitterGen(splitter, embargo=3, calendar=DAYS), a_task(2))
    assert train == [*range(8), *range(25, 32)]


def test_a_gap_of_the_splitter_counts():
    splitter = TimeSeriesSplit(3, gap=2)
    generator = SplitterGen(splitter, calendar=DAYS)
    assert splits_of(generator, a_task(2)) == splits_of(generator, a_task(0))


def test_a_purge_shorter_than_the_label_is_refused():
    with pytest.raises(LeakageError, match="Fold split 0: the purge is 2 sessions, but the label looks 2"):
        SplitterGen(TimeSeriesSplit(3), purge=2, calendar=DAYS).generate(a_task(2))
    assert SplitterGen(TimeSeriesSplit(3), purge=3, calendar=DAYS).generate(a_task(2))


def test_an_unknown_label_is_warned_of(caplog):
    task = a_task()
    del task["label_lookahead"]
    with caplog.at_level(logging.WARNING):
        [fold, *_] = SplitterGen(TimeSeriesSplit(3), calendar=DAYS).generate(task)
    assert "nothing is purged" in caplog.text
    assert fold["scheme"]["purge"] == 0


def test_ranges_are_written_as_pairs_where_one_is_enough():
    [fold] = SplitterGen(Given((np.r_[0:3, 7:9], np.arange(4, 6))), calendar=DAYS).generate(a_task())
    segments = fold["dataset"]["kwargs"]["segments"]
    assert segments["test"] == (DAYS[FIRST + 4], DAYS[FIRST + 5])
    assert segments["train"] == [(DAYS[FIRST], DAYS[FIRST + 2]), (DAYS[FIRST + 7], DAYS[FIRST + 8])]


def test_a_splitter_sees_the_sessions():
    splitter = Given(([0], [1]))
    SplitterGen(splitter, calendar=DAYS).generate(a_task())
    assert list(splitter.seen.index) == list(DAYS[FIRST : LAST + 1])


def test_groups_of_a_test_stay_ranges_of_their_own():
    [fold] = SplitterGen(Given(([0], [np.array([4, 5]), np.array([6, 7])])), calendar=DAYS).generate(a_task())
    assert len(ranges_of(fold)["test"]) == 2


def test_an_open_end_means_until_now():
    calendar = Calendar(DAYS, DAYS[30])
    task = a_task()
    task["dataset"]["kwargs"]["segments"]["test"] = (DAYS[11], None)
    folds = SplitterGen(TimeSeriesSplit(3), calendar=calendar).generate(task)
    assert ranges_of(folds[-1])["test"][-1][1] == DAYS[30]


def test_bars_are_counted_and_a_date_is_the_whole_day():
    bars = pd.DatetimeIndex([day + pd.Timedelta(hours=hour) for day in DAYS[:4] for hour in (10, 11, 12)])
    task = {"dataset": {"kwargs": {"segments": {"train": ("2020-01-01", None), "test": (None, "2020-01-03")}}}}
    [fold] = SplitterGen(Given((range(3), range(3, 9))), purge=0, calendar=bars).generate(task)
    assert ranges_of(fold)["test"] == ((bars[3], bars[8]),)


def test_validation_is_the_end_of_the_training():
    [fold] = SplitterGen(Given((np.r_[0:8, 20:22], range(10, 15))), valid=4, calendar=DAYS).generate(a_task())
    assert positions(fold, "train") == [0, 1, 2, 3, 4, 5]
    assert positions(fold, "valid") == [6, 7, 20, 21]


def test_a_template_with_valid_is_refused_unless_it_is_asked_for():
    task = a_task()
    task["dataset"]["kwargs"]["segments"]["valid"] = (DAYS[8], DAYS[10])
    with pytest.raises(SegmentError, match="'valid', which no fold has"):
        SplitterGen(TimeSeriesSplit(3), calendar=DAYS).generate(task)
    [fold, *_] = SplitterGen(TimeSeriesSplit(3), valid=2, calendar=DAYS).generate(task)
    assert len(positions(fold, "valid")) == 2


@pytest.mark.parametrize(
    ("split", "error", "match"),
    [
        (([0, 1], [1, 2]), LeakageError, "Fold split 0: 1 sessions are trained on and tested on"),
        (([0, 1], [40]), SegmentError, "Fold split 0: test is"),
        (([0, 0], [4]), SegmentError, "at most once"),
        (([0.5], [4]), SegmentError, "positions from 0 to 31"),
        (([-1], [4]), SegmentError, "positions from 0 to 31"),
        (([0], []), SegmentError, "tests nothing"),
        (([], [3]), EmptySegmentError, "Fold split 0: 0 sessions are left"),
        (([2], [3]), None, ""),
        (([0], [1], [2]), SegmentError, "a pair"),
    ],
)
def test_what_a_splitter_may_not_yield(split, error, match):
    generator = SplitterGen(Given(split), calendar=DAYS)
    if error is None:
        assert generator.generate(a_task())
    else:
        with pytest.raises(error, match=match):
            generator.generate(a_task())


def test_a_purge_that_leaves_nothing_names_the_fold():
    with pytest.raises(EmptySegmentError, match="Fold split 1: 0 sessions are left to train on"):
        SplitterGen(Given((range(10), [20]), (range(10), [10])), calendar=DAYS).generate(a_task(10))


def test_a_splitter_without_splits_is_an_error():
    with pytest.raises(SegmentError, match="makes no fold of 32 sessions"):
        SplitterGen(Given(), calendar=DAYS).generate(a_task())


@pytest.mark.parametrize("splitter", [5, TimeSeriesSplit, None])
def test_what_is_no_splitter(splitter):
    with pytest.raises(TaskError, match="is no splitter"):
        SplitterGen(splitter)


# Four groups of four sessions, two tested; purge 2, embargo 1. Closed are, by group: 0-5, 3-9, 7-13, 11-15.
FOUR_BY_TWO = {
    "groups 0+1 of 4": [*range(10, 16)],
    "groups 0+2 of 4": [6, 14, 15],
    "groups 0+3 of 4": [*range(6, 11)],
    "groups 1+2 of 4": [0, 1, 2, 14, 15],
    "groups 1+3 of 4": [0, 1, 2, 10],
    "groups 2+3 of 4": [*range(7)],
}


def test_four_groups_two_tested():
    task = {"dataset": {"kwargs": {"segments": {"train": (DAYS[FIRST], None), "test": (None, DAYS[FIRST + 15])}}}}
    folds = combinatorial(4, 2, purge=2, embargo=1).generate(task)
    assert {fold["scheme"]["fold"]: positions(fold, "train") for fold in folds} == FOUR_BY_TWO
    groups = [[*range(4 * i, 4 * i + 4)] for i in range(4)]
    assert [positions(fold, "test") for fold in folds] == [groups[a] + groups[b] for a, b in combinations(range(4), 2)]
    assert all(len(ranges_of(fold)["test"]) == 2 for fold in folds)


def test_the_last_group_has_what_is_left_over():
    folds = combinatorial(5, 1).generate(a_task())
    assert [len(positions(fold, "test")) for fold in folds] == [6, 6, 6, 6, 8]


@pytest.mark.parametrize(
    ("n", "k", "n_splits", "n_paths"), [(6, 2, 15, 5), (10, 2, 45, 9), (5, 1, 5, 1), (6, 3, 20, 10)]
)
def test_how_many_splits_and_paths(n, k, n_splits, n_paths):
    generator = combinatorial(n, k)
    assert (generator.n_splits, generator.n_paths) == (n_splits, n_paths)
    assert len(generator.generate(a_task())) == n_splits


@pytest.mark.parametrize("sizes", [(1, 1), (3, 3), (3, 0), (2.5, 1)])
def test_numbers_of_groups_that_make_no_splits(sizes):
    with pytest.raises(SegmentError):
        combinatorial(*sizes)


def test_more_groups_than_sessions():
    with pytest.raises(EmptySegmentError, match="32 sessions make no 33 groups"):
        combinatorial(33, 1).generate(a_task())


def test_every_task_passes_the_check_and_fails_it_once_it_is_tampered_with():
    for fold in combinatorial(5, 2, embargo=1).generate(a_task(1)):
        check_task_segments(fold, lookahead=1)
        widened = copy.deepcopy(fold)
        segments = widened["dataset"]["kwargs"]["segments"]
        start, end = ranges_of(fold)["train"][-1]
        segments["train"] = (start - pd.offsets.BDay(1), end + pd.offsets.BDay(1))
        with pytest.raises(LeakageError, match="Fold groups"):
            check_task_segments(widened, lookahead=1)
        del widened["scheme"]["closed"]
        with settings.override(calendar=Calendar(DAYS)), pytest.raises(LeakageError, match="Fold groups"):
            check_task_segments(widened, lookahead=1)


def test_the_template_stays_and_live_objects_are_shared():
    handler = object()
    task = a_task()
    task["dataset"]["kwargs"]["handler"] = handler
    before = copy.copy(task["dataset"]["kwargs"]["segments"])
    folds = task_generator(task, combinatorial(4, 1))
    assert all(fold["dataset"]["kwargs"]["handler"] is handler for fold in folds)
    assert task["dataset"]["kwargs"]["segments"] == before
    assert "scheme" not in task


def priced(**kwargs):
    handler = {
        "class": "PriceHandler",
        "module_path": "rollforward.data.price_handler",
        "kwargs": {"source": "bundled:sp500_close", "horizon": 1, **kwargs},
    }
    task = a_task()
    del task["label_lookahead"]
    task["dataset"] |= {"class": "DatasetH", "module_path": "rollforward.data.dataset"}
    task["dataset"]["kwargs"]["handler"] = handler
    return task


def windows_of(folds):
    return [fold["dataset"]["kwargs"]["handler"]["kwargs"] for fold in folds]


REFERENCES = {
    "start_time": "<dataset.kwargs.segments.train.0>",
    "end_time": "<dataset.kwargs.segments.test.1>",
    "fit_start_time": "<dataset.kwargs.segments.train.0>",
    "fit_end_time": "<dataset.kwargs.segments.train.1>",
}


@pytest.mark.parametrize("given", [{}, REFERENCES, dict.fromkeys(REFERENCES, "2020-01-09")])
def test_the_handler_follows_the_ranges(given):
    [behind, both, _, before] = windows_of(combinatorial(4, 1).generate(priced(**given)))
    days = list(DAYS[FIRST : LAST + 1])
    # The label of horizon 1 looks 2 sessions ahead: 3 sessions of distance.
    assert (behind["fit_start_time"], behind["fit_end_time"]) == (days[7 + 3], days[-1])
    assert both["fit_start_time"] == [days[0], days[15 + 3]]
    assert both["fit_end_time"] == [days[8 - 3], days[-1]]
    for window in (behind, both):
        assert (window["start_time"], window["end_time"]) == (days[0], days[-1])
    if given is not REFERENCES:
        assert (before["fit_start_time"], before["fit_end_time"]) == (days[0], days[24 - 3])
    else:
        assert before["fit_end_time"] == REFERENCES["fit_end_time"]


def test_a_fit_window_that_is_open_on_purpose_stays_open():
    windows = windows_of(combinatorial(4, 1).generate(priced(fit_start_time=None, fit_end_time=None)))
    assert all(window["fit_end_time"] is None for window in windows)


def test_an_open_start_of_the_fit_window_is_closed_where_it_would_reach_into_the_test():
    [behind, both, _, before] = windows_of(
        combinatorial(4, 1).generate(priced(fit_start_time=None, fit_end_time="2020-01-09"))
    )
    assert behind["fit_start_time"] == DAYS[FIRST + 10]
    assert len(both["fit_start_time"]) == len(both["fit_end_time"]) == 2
    assert before["fit_start_time"] is None


def test_a_handler_of_another_kind_learns_from_the_longest_range():
    task = priced(fit_start_time="2020-01-09", fit_end_time="2020-01-20")
    task["dataset"]["kwargs"]["handler"] |= {"class": "Foreign", "module_path": "nowhere"}
    task["label_lookahead"] = 2
    both = windows_of(combinatorial(4, 1).generate(task))[1]
    days = list(DAYS[FIRST : LAST + 1])
    assert (both["fit_start_time"], both["fit_end_time"]) == (days[18], days[-1])
    assert "start_time" not in both


def test_a_dataset_of_windows_gets_its_history():
    task = priced()
    task["dataset"]["class"] = "TSDatasetH"
    task["dataset"]["kwargs"]["step_len"] = 4
    assert windows_of(combinatorial(4, 1).generate(task))[1]["start_time"] == DAYS[FIRST - 3]
