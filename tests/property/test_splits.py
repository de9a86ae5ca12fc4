"""What holds for every combinatorial and splitter task, counted again session by session."""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np
import pandas as pd
from hypothesis import assume, given
from hypothesis import strategies as st

from rollforward.data.calendar import Calendar
from rollforward.data.ranges import ranges_of
from rollforward.data.scheme import check_task_segments
from rollforward.errors import EmptySegmentError, RollforwardError
from rollforward.model.ens.paths import PathGroup
from rollforward.workflow.task.combinatorial import CombinatorialPurgedGen
from rollforward.workflow.task.splits import SplitterGen


@st.composite
def spans(draw, least=12):
    """A calendar, and the first and last of its sessions that are split."""
    gaps = draw(st.lists(st.integers(1, 4), min_size=least, max_size=70))
    unit = draw(st.sampled_from([pd.Timedelta(days=1), pd.Timedelta(minutes=1)]))
    days = [pd.Timestamp("2020-01-01") + unit * int(total) for total in np.cumsum(gaps)]
    first = draw(st.integers(0, 3))
    last = draw(st.integers(len(days) - 4, len(days) - 1))
    return Calendar(days), first, last


def template(calendar, first, last, lookahead):
    segments = {"train": (calendar[first], None), "test": (None, calendar[last])}
    return {"dataset": {"kwargs": {"segments": segments}}, "label_lookahead": lookahead}


def sessions(calendar, task, name):
    bounds = [(calendar.index_of(start), calendar.index_of(end)) for start, end in ranges_of(task)[name]]
    return {session for start, end in bounds for session in range(start, end + 1)}


def allowed(candidates, tested, lookahead, embargo):
    """Sessions whose label shares no session with a test label, and which no embargo forbids."""
    known = {session + ahead for session in tested for ahead in range(lookahead + 1)}
    kept = {one for one in candidates if not known & {one + ahead for ahead in range(lookahead + 1)}}
    ends = [session for session in tested if session + 1 not in tested]
    return {one for one in kept if not any(end < one <= end + lookahead + embargo for end in ends)}


@st.composite
def combinatorial_cases(draw):
    calendar, first, last = draw(spans())
    n_groups = draw(st.integers(2, 6))
    n_test = draw(st.integers(1, n_groups - 1))
    lookahead, embargo = draw(st.integers(0, 3)), draw(st.integers(0, 3))
    generator = CombinatorialPurgedGen(n_groups, n_test, embargo=embargo, calendar=calendar)
    try:
        tasks = generator.generate(template(calendar, first, last, lookahead))
    except EmptySegmentError:
        assume(False)
    return calendar, (first, last), generator, lookahead, tasks


@given(combinatorial_cases())
def test_training_is_all_that_is_far_enough_and_nothing_else(case):
    calendar, (first, last), generator, lookahead, tasks = case
    everything = set(range(first, last + 1))
    for task in tasks:
        tested = sessions(calendar, task, "test")
        trained = sessions(calendar, task, "train")
        assert trained == allowed(everything - tested, tested, lookahead, generator.embargo)
        check_task_segments(task, lookahead)


@given(combinatorial_cases())
def test_every_choice_of_groups_is_tested_once(case):
    calendar, (first, last), generator, _, tasks = case
    n, k = generator.n_groups, generator.n_test_groups
    groups = sorted({one for task in tasks for one in ranges_of(task)["test"]})
    assert len(tasks) == generator.n_splits == comb(n, k)
    assert [ranges_of(task)["test"] for task in tasks] == list(combinations(groups, k))
    covered = [
        session for start, end in groups for session in range(calendar.index_of(start), calendar.index_of(end) + 1)
    ]
    assert covered == list(range(first, last + 1))
    assert len({task["scheme"]["fold"] for task in tasks}) == len(tasks)


@given(combinatorial_cases())
def test_every_path_covers_all_groups_once(case):
    calendar, (first, last), generator, _, tasks = case
    made = {}
    for number, task in enumerate(tasks):
        days = [calendar[session] for session in sorted(sessions(calendar, task, "test"))]
        made["m", ranges_of(task)["test"]] = pd.Series(number, index=pd.Index(days, name="datetime"))
    paths = generator.paths()(made)
    assert (
        len(paths)
        == generator.n_paths
        == comb(generator.n_groups, generator.n_test_groups) * generator.n_test_groups // generator.n_groups
    )
    for path in paths.values():
        assert list(path.index) == [calendar[session] for session in range(first, last + 1)]
    used = pd.concat(paths.values()).reset_index()
    assert not used.duplicated().any()
    assert len(used) == sum(map(len, made.values()))
    assert isinstance(generator.paths(), PathGroup)


@st.composite
def drawn_splits(draw):
    calendar, first, last = draw(spans())
    kinds = draw(st.lists(st.sampled_from("xte"), min_size=last - first + 1, max_size=last - first + 1))
    found = {kind: [at for at, one in enumerate(kinds) if one == kind] for kind in "xte"}
    return calendar, (first, last), (found["x"], found["t"]), draw(st.integers(0, 3)), draw(st.integers(0, 3))


@given(drawn_splits())
def test_any_split_is_purged_alike(case):
    calendar, (first, last), (train, test), lookahead, embargo = case

    class Splitter:
        def split(self, _):
            yield np.array(train, dtype=int), np.array(test, dtype=int)

    tested = {session + first for session in test}
    expected = allowed({session + first for session in train}, tested, lookahead, embargo)
    generator = SplitterGen(Splitter(), embargo=embargo, calendar=calendar)
    try:
        [task] = generator.generate(template(calendar, first, last, lookahead))
    except RollforwardError:
        assert not expected or not tested
        return
    assert sessions(calendar, task, "train") == expected
    assert sessions(calendar, task, "test") == tested
    check_task_segments(task, lookahead)
