"""What holds for every rolled task, in whatever way the test range is cut, purged and retrained."""

from __future__ import annotations

import copy
from bisect import bisect_right
from dataclasses import dataclass
from itertools import groupby, pairwise

import pandas as pd
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from rollforward.data.calendar import Calendar
from rollforward.data.segments import segments_of
from rollforward.errors import EmptySegmentError, LeakageError
from rollforward.workflow.task.gen import RollingGen

quick = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow]
)

FIRST = pd.Timestamp("2020-01-06")
MONTHS = {"ME": "M", "MS": "M", "QE": "Q", "QS": "Q", "YE": "Y", "W": "W-SUN", "W-FRI": "W-FRI"}
DAY_FREQS = [*MONTHS, "2ME", "3MS", "WOM-3FRI", "B", "D"]
BAR_FREQS = ["D", "B", "W-FRI", "2h", "90min"]
MINUTES = {"2h": 120, "90min": 90}


def third_third(session):
    """How many third Fridays lie before the day of a session."""
    month = (session.year - 2000) * 12 + session.month
    return month + (session.normalize() > friday(session))


def friday(session):
    first = session.normalize().replace(day=1)
    return first + pd.Timedelta(days=(4 - first.weekday()) % 7 + 14)


def key_of(step, session):
    """What the sessions of a window have in common, for steps of one period."""
    if not isinstance(step, str):
        return bisect_right(step, session)
    if step in MONTHS:
        return session.to_period(MONTHS[step])
    if step == "WOM-3FRI":
        return third_third(session)
    if step == "D":
        return session.normalize()
    if step == "B":  # a weekend belongs to the business day after it
        return session.normalize() + pd.Timedelta(days={5: 2, 6: 1}.get(session.weekday(), 0))
    return session.value // (MINUTES[step] * 60 * 10**9)


def expected_starts(case):
    """Where windows start, counted from the calendar alone."""
    start, n = case.cuts[-1], len(case.calendar)
    step = case.kwargs["step"]
    if isinstance(step, int):
        return list(range(start, n, step))
    every = {"2ME": 2, "3MS": 3}.get(step, 1) if isinstance(step, str) else 1
    step = {"2ME": "ME", "3MS": "MS"}.get(step, step) if isinstance(step, str) else step
    groups = [list(group) for _, group in groupby(range(start, n), lambda i: key_of(step, case.calendar[i]))]
    if every == 1:
        return [group[0] for group in groups]
    return starts_of_every(case, every, groups)


def starts_of_every(case, every, groups):
    """Several periods count as calendar months, even if one of them has no session."""
    months = [(case.calendar[group[0]].year * 12 + case.calendar[group[0]].month, group[0]) for group in groups]
    starts, until = [], 0
    for month, position in months:
        if month >= until:
            starts.append(position)
            until = month + every
    return starts


@dataclass
class Case:
    calendar: Calendar
    task: dict
    kwargs: dict
    lookahead: int | None
    cuts: list
    test_end: int | None

    def __repr__(self):
        segments = self.task["dataset"]["kwargs"]["segments"]
        return f"Case({self.calendar!r}, {segments}, {self.kwargs}, lookahead={self.lookahead}, cuts={self.cuts})"

    @property
    def generator(self):
        return RollingGen(calendar=self.calendar, **self.kwargs)

    @property
    def limit(self):
        last = self.calendar.n_current - 1
        return last if self.test_end is None else min(self.test_end, last)

    def folds(self):
        """Roll, or give the case up where the purge leaves nothing, which is refused."""
        try:
            return self.generator.generate(self.task)
        except EmptySegmentError:
            assume(False)

    def at(self, task, name):
        start, end = segments_of(task)[name]
        return self.calendar.index_of(start), len(self.calendar) if end is None else self.calendar.index_of(end)

    def training(self, task):
        return [self.at(task, name) for name in segments_of(task) if name != "test"]

    @property
    def distance(self):
        purge = self.kwargs["purge"]
        asked = (0 if self.lookahead is None else self.lookahead + 1) if purge == "auto" else purge or 0
        return max(asked, 1) + self.kwargs["gap"]


@st.composite
def calendars(draw):
    n = draw(st.integers(70, 130))
    if draw(st.booleans()):
        days = [FIRST + pd.Timedelta(days=i) for i in range(3 * n)]
        missing = draw(st.sets(st.integers(1, 3 * n - 1), max_size=40))
        weekends = draw(st.booleans())
        days = [day for i, day in enumerate(days) if i not in missing and (weekends or day.weekday() < 5)]
        return Calendar(days[:n]), DAY_FREQS
    hours = draw(st.sampled_from([(9, 10, 11, 13, 14), (0, 6, 12, 18)]))
    days = [FIRST + pd.Timedelta(days=i) for i in range(n) if i % 7 < 5]
    return Calendar([day + pd.Timedelta(hours=hour) for day in days for hour in hours][:n]), BAR_FREQS


def keep_third(number, segments):
    return number % 3 == 1 and segments["train"][1] is not None


@st.composite
def steps(draw, calendar, freqs):
    kind = draw(st.sampled_from(["sessions", "periods", "dates"]))
    if kind == "sessions":
        return draw(st.integers(1, 30))
    if kind == "periods":
        return draw(st.sampled_from(freqs))
    chosen = sorted(draw(st.sets(st.integers(0, len(calendar) - 1), min_size=1, max_size=8)))
    early = pd.Timedelta(minutes=draw(st.sampled_from([0, 7])))
    return [calendar[i] - early for i in chosen]


@st.composite
def handlers(draw, lookahead):
    bound = st.sampled_from([{}, {"fit_start_time": "2019-01-01", "fit_end_time": "2019-06-01"}])
    window = st.sampled_from([{}, {"start_time": "2015-01-01"}, {"start_time": None, "end_time": "2031-01-01"}])
    kwargs = {"source": "bundled:sp500_close", **draw(bound), **draw(window)}
    kwargs |= {} if lookahead is None or lookahead < 2 else {"horizon": lookahead - 1}
    return {"class": "PriceHandler", "module_path": "rollforward.data.price_handler", "kwargs": kwargs}


@st.composite
def cases(draw):
    calendar, freqs = draw(calendars())
    n_current = draw(st.integers(len(calendar) // 2, len(calendar)))
    calendar = Calendar(calendar.sessions(future=True), calendar[n_current - 1])
    widths = [draw(st.integers(0, 9)), draw(st.integers(1, 25)), draw(st.integers(1, 20)), draw(st.integers(0, 8))]
    with_valid = draw(st.booleans())
    train, valid, test = widths[0], widths[0] + widths[1], sum(widths) + 1
    assume(test < n_current)
    test_end = draw(st.none() | st.integers(test, len(calendar) - 1))
    segments = {"train": (calendar[train], calendar[valid - 1 if with_valid else test - 1])}
    segments |= {"valid": (calendar[valid], calendar[test - 1])} if with_valid else {}
    segments["test"] = (calendar[test], None if test_end is None else calendar[test_end])
    lookahead = draw(st.none() | st.integers(0, 7))
    handler = draw(handlers(lookahead))
    task = {"model": [1, {"x": (2, 3)}], "dataset": {"kwargs": {"handler": handler, "segments": segments}}}
    if lookahead is None:
        handler["class"], handler["module_path"] = "DataHandlerLP", "rollforward.data.handler"
        handler["kwargs"].pop("source")
    elif lookahead < 2:
        task["label_lookahead"] = lookahead
    kwargs = {
        "step": draw(steps(calendar, freqs)),
        "rtype": draw(st.sampled_from(["sliding", "expanding"])),
        "purge": draw(st.sampled_from(["auto", "auto", 0, None, 1, 4])),
        "gap": draw(st.sampled_from([0, 0, 1, 3])),
        "max_train": draw(st.none() | st.integers(1, 30)),
        "last": draw(st.sampled_from(["whole", "clip", "open"])),
        "refit": draw(st.sampled_from([None, 1, 2, 3, keep_third])),
        "handler_window": draw(st.sampled_from(["follow", "follow", "qlib"])),
    }
    return Case(calendar, task, kwargs, lookahead, [train, valid, test], test_end)


@quick
@given(cases())
def test_no_training_label_reaches_the_test_segment(case):
    for task in case.folds():
        test_start, _ = case.at(task, "test")
        for start, end in case.training(task):
            assert start <= end <= test_start - case.distance
            if case.kwargs["purge"] == "auto" and case.lookahead is not None:
                assert end + case.lookahead < test_start


@quick
@given(cases())
def test_windows_tile_the_range_without_hole_or_overlap(case):
    tasks = case.folds()
    spans = [case.at(task, "test") for task in tasks]
    starts = expected_starts(case)
    n = max(1, bisect_right(starts, case.limit))

    assert [start for start, _ in spans] == starts[:n]
    assert all(later[0] == earlier[1] + 1 for earlier, later in pairwise(spans))
    end, last = spans[-1][1], case.kwargs["last"]
    if case.limit < spans[-1][0]:  # the only fold lies in the future
        return
    if last == "clip":
        assert end == case.limit
    elif last == "open":
        assert end == len(case.calendar)
    else:
        assert end >= case.limit
        assert n == len(starts) or end == starts[n] - 1


@quick
@given(cases())
def test_every_bound_is_a_session_and_segments_stay_in_order(case):
    for task in case.folds():
        spans = [case.at(task, name) for name in ("train", "valid", "test") if name in segments_of(task)]
        assert all(start <= end for start, end in spans)
        assert all(earlier[1] < later[0] for earlier, later in pairwise(spans))


@quick
@given(cases())
def test_the_input_is_unchanged_and_folds_share_no_container(case):
    before = copy.deepcopy(case.task)

    for task in case.folds():
        task["model"][1]["x"] = "changed"
        task["dataset"]["kwargs"]["handler"]["kwargs"].clear()
        task["dataset"]["kwargs"]["segments"].clear()

    assert case.task == before


@quick
@given(cases())
def test_one_go_is_the_first_fold_and_what_follows_it(case):
    tasks = case.folds()
    limit = case.calendar[case.limit]

    for number, task in enumerate(tasks):
        assert list(case.generator.gen_following_tasks(task, limit)) == tasks[number + 1 :]


@quick
@given(cases(), st.integers(1, 60))
def test_what_was_made_earlier_is_not_made_otherwise_later(case, n_known):
    """The calendar grows from day to day; the folds before its end must not depend on when they were made."""
    assume(case.kwargs["last"] == "whole")
    n = min(len(case.calendar), case.cuts[-1] + n_known)
    segments = case.task["dataset"]["kwargs"]["segments"]
    segments["test"] = (segments["test"][0], None)
    case.test_end = None
    whole = [segments_of(task) for task in case.folds()]
    earlier = Calendar(case.calendar.sessions(future=True)[:n])

    made = [segments_of(task) for task in RollingGen(calendar=earlier, **case.kwargs).generate(case.task)]

    is_endless = not isinstance(case.kwargs["step"], int | str)
    closed = [fold for fold in made if fold["test"][1] is not None][: len(whole) - is_endless]
    closed = [fold for fold in closed if fold["test"][1] < earlier.last or not is_endless]
    assert closed == whole[: len(closed)]


@quick
@given(cases())
def test_the_rest_moves_on_with_the_test_segment(case):
    tasks = case.folds()
    first = tasks[0]
    (train, train_end), (test, _) = case.at(first, "train"), case.at(first, "test")
    for task in tasks:
        moved = case.calendar.index_of(task.get("refit_from", segments_of(task)["test"][0])) - test
        start, end = case.at(task, "train")
        assert end == train_end + moved
        expected = train + (moved if case.kwargs["rtype"] == "sliding" else 0)
        if case.kwargs["max_train"] is not None:
            assert end - start + 1 <= case.kwargs["max_train"]
            expected = max(expected, end - case.kwargs["max_train"] + 1)
        assert start == expected


@quick
@given(cases())
def test_folds_between_refits_keep_what_the_last_one_trained_on(case):
    tasks = case.folds()
    refit = case.kwargs["refit"]
    if refit in (None, 1):
        assert not any({"refit", "refit_from", "fold"} & set(task) for task in tasks)
        return
    latest = None
    for number, task in enumerate(tasks):
        trains = number == 0 or (number % 3 == 1 if callable(refit) else number % refit == 0)
        assert task["fold"] == number
        assert task.get("refit", True) is trains
        latest = task if trains else latest
        assert task.get("refit_from", segments_of(task)["test"][0]) == segments_of(latest)["test"][0]
        for name in segments_of(task):
            assert name == "test" or segments_of(task)[name] == segments_of(latest)[name]


@quick
@given(cases())
def test_the_fit_window_is_the_train_segment(case):
    assume(case.kwargs["handler_window"] == "follow")
    for task in case.folds():
        kwargs = task["dataset"]["kwargs"]["handler"]["kwargs"]
        segments = segments_of(task)
        assert (kwargs["fit_start_time"], kwargs["fit_end_time"]) == segments["train"]
        assert kwargs["start_time"] == min(start for start, _ in segments.values())
        assert kwargs["end_time"] == segments["test"][1]


@quick
@given(cases())
def test_qlib_s_window_is_frozen_but_for_its_end(case):
    assume(case.kwargs["handler_window"] == "qlib")
    given = case.task["dataset"]["kwargs"]["handler"]["kwargs"]
    for task in case.folds():
        kwargs = task["dataset"]["kwargs"]["handler"]["kwargs"]
        assert {**kwargs, "end_time": 0} == {**given, "end_time": 0}


@quick
@given(cases(), st.integers(0, 12))
def test_the_audit_agrees_with_a_recount(case, lookahead):
    tasks = case.folds()

    table = case.generator.audit(tasks, label_lookahead=lookahead, raise_on_leak=False)

    assert len(table) == len(tasks)
    last = len(case.calendar) - 1
    for task, (_, row) in zip(tasks, table.iterrows(), strict=True):
        start, end = case.at(task, "test")
        tested = set(range(start, min(end, last) + 1))
        trained = [i for first, final in case.training(task) for i in range(first, final + 1)]
        known = {i: set(range(i, i + lookahead + 1)) for i in trained}
        assert row["overlap"] == sum(1 for i in trained if known[i] & tested)
        assert row["label_distance"] == start - max(max(sessions) for sessions in known.values())
        assert row["purged"] == start - max(trained) - 1
        assert row["n_test"] == len(tested)
        assert row["n_train"] == len(range(*case.at(task, "train"))) + 1
        assert bool(row["refit"]) is task.get("refit", True)


@quick
@given(cases())
def test_the_audit_refuses_a_leak_and_only_a_leak(case):
    tasks = case.folds()
    assume(case.kwargs["handler_window"] == "follow")
    is_leak = any(
        end + (case.lookahead or 0) >= case.at(task, "test")[0] for task in tasks for _, end in case.training(task)
    )
    try:
        table = case.generator.audit(tasks)
    except LeakageError:
        assert is_leak
        assert case.kwargs["purge"] != "auto"
    else:
        assert not is_leak
        assert (table["overlap"] == 0).all()
