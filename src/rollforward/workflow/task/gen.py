"""From one task to many: rolling it through time, or over horizons."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any, TypeAlias

import pandas as pd

from rollforward.data.segments import leak, parse_segments, segments_of, with_segments
from rollforward.data.spans import ROLL_EX, ROLL_SD, segment_at, shift_span, span_of, truncate_span, whole_number
from rollforward.data.times import as_time
from rollforward.errors import CalendarError, SegmentError
from rollforward.instantiate import deepcopy_basic_type
from rollforward.workflow.task.adjuster import TimeAdjuster, transform_end_date

if TYPE_CHECKING:
    from rollforward.data.calendar import Calendar
    from rollforward.data.segments import Segments
    from rollforward.data.spans import Span
    from rollforward.data.times import TimeLike

Task: TypeAlias = dict[str, Any]
Spans: TypeAlias = dict[str, "Span"]

_ATOMS = frozenset({str, int, float, bool, type(None), pd.Timestamp})


def task_generator(
    tasks: Mapping[str, Any] | Sequence[Mapping[str, Any]], generators: TaskGen | Sequence[TaskGen]
) -> list[Task]:
    """Expand tasks with generators.

    Parameters
    ----------
    tasks
        One task or several.
    generators
        One generator or several; each is applied to all that the one before made.

    Returns
    -------
    list
        All children of the first task, then those of the second, ...
    """
    expanded = [dict(task) for task in ([tasks] if isinstance(tasks, Mapping) else tasks)]
    for generator in [generators] if isinstance(generators, TaskGen) else generators:
        expanded = [child for task in expanded for child in generator.generate(task)]
    return expanded


class TaskGen(ABC):
    """Makes several tasks of one."""

    @abstractmethod
    def generate(self, task: Mapping[str, Any]) -> list[Task]:
        """Make tasks; the given one stays as it is."""

    def __call__(self, task: Mapping[str, Any]) -> list[Task]:
        """Do what `generate` does."""
        return self.generate(task)


def copy_task(task: Any) -> Any:
    """Copy a task's dictionaries, lists and tuples; the objects in them, such as a prepared handler, are shared."""
    kind = type(task)
    if kind is dict:
        return {key: value if type(value) in _ATOMS else copy_task(value) for key, value in task.items()}
    if kind is list:
        return [copy_task(value) for value in task]
    if kind is tuple:
        return tuple([copy_task(value) for value in task])
    return task if kind in _ATOMS else deepcopy_basic_type(task)


def handler_mod(task: MutableMapping[str, Any], rolling_gen: RollingGen) -> None:
    """Move the end of a handler's data on, so that they cover the test segment; never back.

    Parameters
    ----------
    task
        Its handler's ``end_time`` becomes the end of the test segment if that is open, or later by at least one
        session. A handler that is no configuration, has no ``end_time`` or a placeholder there, stays as it is.
    rolling_gen
        Knows the calendar and the name of the test segment.
    """
    try:
        handler = task["dataset"]["kwargs"]["handler"]
        kwargs = handler["kwargs"]
        handler_end = kwargs.get("end_time")
    except (KeyError, TypeError, AttributeError):
        return  # a handler that is a file, a ready object, or not there: nothing to configure
    test_end = segments_of(task)[rolling_gen.test_key][1]
    if _must_move(handler_end, test_end, rolling_gen):
        moved = {**handler, "kwargs": {**kwargs, "end_time": test_end}}
        task["dataset"] = {**task["dataset"], "kwargs": {**task["dataset"]["kwargs"], "handler": moved}}


def trunc_segments(ta: TimeAdjuster, segments: MutableMapping[str, Any], days: int, test_key: str = "test") -> None:
    """Cut every segment but the test segment, in place, so that it ends `days` sessions before the test segment starts.

    Raises
    ------
    EmptySegmentError
        If nothing of a segment is left.
    SegmentError
        If there is no test segment, or it is open on both sides.
    """
    parsed = parse_segments(segments)
    bounds = [time for time in _test_of(parsed, test_key) if time is not None]
    if not bounds:
        raise SegmentError(f"Segment {test_key!r} is open on both sides.", "a test segment with a start.")
    calendar = ta.calendar
    limit = calendar.position(min(bounds)) - whole_number(days, "days", 0)
    for name in [name for name in parsed if name != test_key]:
        text = f"segment {name!r}"
        segments[name] = segment_at(
            calendar, truncate_span(calendar, span_of(calendar, parsed[name], text), limit, text)
        )


class RollingGen(TaskGen):
    """Roll a task forward: the test segment is tiled by folds, the other segments move on with it.

    Parameters
    ----------
    step
        Sessions by which each fold moves on; the length of its test segment.
    rtype
        ``"expanding"`` keeps the start of the train segment, ``"sliding"`` moves it too.
    ds_extra_mod_func
        Called with each fold's task, which it may change, and this generator; ``None``: nothing is called.
    test_key, train_key
        Names of the test and the train segment. No segment named `train_key`: all segments slide.
    trunc_days
        Sessions from the end of every other segment to the start of the test segment; with a label that looks ahead L
        sessions, L + 1 keeps all it knows before the test segment. ``None``: segments are as given.
    task_copy_func
        Copies the task for each fold. By default dictionaries, lists and tuples are copied and everything in them is
        shared, so that a prepared handler is held once.
    calendar
        Anything that `Calendar.of` takes; ``None``: the calendar of the settings, looked up each time it is needed.

    Raises
    ------
    SegmentError
        If `step` is not a positive integer, `trunc_days` is negative, or `rtype` is unknown.
    """

    ROLL_EX = ROLL_EX
    ROLL_SD = ROLL_SD

    def __init__(
        self,
        step: int = 40,
        rtype: str = ROLL_EX,
        ds_extra_mod_func: Callable[[Task, RollingGen], Any] | None = handler_mod,
        test_key: str = "test",
        train_key: str | None = "train",
        trunc_days: int | None = None,
        task_copy_func: Callable[[Task], Task] = copy_task,
        *,
        calendar: Any = None,
    ) -> None:
        if rtype not in {ROLL_EX, ROLL_SD}:
            raise SegmentError(f"rtype={rtype!r} is unknown.", f"{ROLL_EX!r} or {ROLL_SD!r}.")
        self.step = whole_number(step, "step", 1)
        self.rtype = rtype
        self.ds_extra_mod_func = ds_extra_mod_func
        self.test_key = test_key
        self.train_key = train_key
        self.trunc_days = None if trunc_days is None else whole_number(trunc_days, "trunc_days", 0)
        self.task_copy_func = task_copy_func
        self.ta = TimeAdjuster(future=True, calendar=calendar)

    def __repr__(self) -> str:
        return f"RollingGen(step={self.step}, rtype={self.rtype!r}, trunc_days={self.trunc_days})"

    def generate(self, task: Mapping[str, Any]) -> list[Task]:
        """Make all folds of a task.

        Parameters
        ----------
        task
            Stays as it is. Its test segment is the whole range to test on; an end that is open or in the future means
            until the last session so far. All bounds move inwards onto sessions.

        Returns
        -------
        list
            Tasks in time order. Each fold whose test segment starts within the range is there, whole: the last one may
            end after the range, and is open (``None``) if it would end after the calendar.

        Raises
        ------
        LeakageError
            If a segment overlaps the test segment or comes after it.
        EmptySegmentError
            If a segment has no session, or loses them all to `trunc_days`.
        OutOfCalendarError
            If a segment lies outside the calendar.
        """
        calendar = self.ta.calendar
        segments = segments_of(task)
        spans = _spans_of(calendar, segments)
        start, _ = _test_of(spans, self.test_key)
        if start is None:
            raise SegmentError(f"Segment {self.test_key!r} has no start.", "a test segment with a start.")
        spans[self.test_key] = start, start + self.step - 1
        self._truncate(calendar, spans, start)
        self._refuse_leaks(calendar, spans, start)
        last_start = calendar.position(transform_end_date(segments[self.test_key][1], calendar=calendar), "end")
        first = self._fold(self.task_copy_func(dict(task)), calendar, spans)
        return [first, *self._following(first, calendar, spans, last_start)]

    def gen_following_tasks(self, task: Mapping[str, Any], test_end: TimeLike | None) -> Iterator[Task]:
        """Make the folds that come after a fold.

        Parameters
        ----------
        task
            A fold; stays as it is. If its test segment is open because the calendar ended, the next ones are closed as
            far as the calendar reaches now.
        test_end
            Folds whose test segment starts up to here, inclusive, are made; ``None``: up to the last session so far.

        Yields
        ------
        dict
            Tasks in time order.

        Raises
        ------
        LeakageError
            If a segment overlaps the test segment or comes after it.
        OutOfCalendarError
            If a segment lies outside the calendar.
        """
        calendar = self.ta.calendar
        spans = _spans_of(calendar, segments_of(task))
        start, end = _test_of(spans, self.test_key)
        if start is None:
            raise SegmentError(f"Segment {self.test_key!r} has no start.", "a test segment with a start.")
        spans[self.test_key] = start, start + self.step - 1 if end is None else end
        self._refuse_leaks(calendar, spans, start)
        last_start = calendar.position(calendar.current_end if test_end is None else test_end, "end")
        yield from self._following(task, calendar, spans, last_start)

    def _following(self, task: Mapping[str, Any], calendar: Calendar, spans: Spans, last_start: int) -> Iterator[Task]:
        start = spans[self.test_key][0] or 0
        for moved in count(self.step, self.step):
            if start + moved > last_start:
                return
            shifted = {name: shift_span(span, moved, self._rtype_of(name)) for name, span in spans.items()}
            yield self._fold(self.task_copy_func(dict(task)), calendar, shifted)

    def _fold(self, task: Task, calendar: Calendar, spans: Spans) -> Task:
        fold = with_segments(task, {name: segment_at(calendar, span) for name, span in spans.items()})
        if self.ds_extra_mod_func is not None:
            self.ds_extra_mod_func(fold, self)
        return fold

    def _rtype_of(self, name: str) -> Any:
        return self.rtype if name == self.train_key else ROLL_SD

    def _truncate(self, calendar: Calendar, spans: Spans, test_start: int) -> None:
        if self.trunc_days is None:
            return
        for name in [name for name in spans if name != self.test_key]:
            text = f"segment {name!r} (trunc_days={self.trunc_days})"
            spans[name] = truncate_span(calendar, spans[name], test_start - self.trunc_days, text)

    def _refuse_leaks(self, calendar: Calendar, spans: Spans, test_start: int) -> None:
        for name, (_, end) in spans.items():
            if name != self.test_key and (end is None or end >= test_start):
                raise leak(name, end if end is None else calendar[end], calendar[test_start], self.test_key)


class MultiHorizonGenBase(TaskGen):
    """Make one task for each horizon of the label, with as much cut off before the test segment as it looks ahead.

    Parameters
    ----------
    horizon
        Horizons, in sessions.
    label_leak_n
        Sessions that a label looks ahead beyond its horizon: 2 for a return from the next close on.
    calendar
        Anything that `Calendar.of` takes; ``None``: the calendar of the settings.
    """

    def __init__(self, horizon: Sequence[int] = (5,), label_leak_n: int = 2, *, calendar: Any = None) -> None:
        self.horizon = list(horizon)
        self.label_leak_n = label_leak_n
        self.ta = TimeAdjuster(calendar=calendar)
        self.test_key = "test"

    @abstractmethod
    def set_horizon(self, task: Task, hr: int) -> None:
        """Change the task, in place, to one with horizon `hr`."""

    def generate(self, task: Mapping[str, Any]) -> list[Task]:
        """Make one task for each horizon, in their order.

        Raises
        ------
        EmptySegmentError
            If nothing of a segment is left.
        """
        return [self._with_horizon(copy_task(dict(task)), hr) for hr in self.horizon]

    def _with_horizon(self, task: Task, hr: int) -> Task:
        self.set_horizon(task, hr)
        segments = self.ta.align_seg(segments_of(task))
        trunc_segments(self.ta, segments, days=hr + self.label_leak_n, test_key=self.test_key)
        return with_segments(task, segments)


def _spans_of(calendar: Calendar, segments: Segments) -> Spans:
    return {name: span_of(calendar, segment, f"segment {name!r}") for name, segment in segments.items()}


def _test_of(segments: Mapping[str, Any], test_key: str) -> Any:
    if test_key not in segments:
        raise SegmentError(
            f"There is no segment {test_key!r}.", f"one of {list(segments)!r}.", "name it with test_key."
        )
    return segments[test_key]


def _must_move(handler_end: Any, test_end: pd.Timestamp | None, rolling_gen: RollingGen) -> bool:
    """Tell whether sessions of the test segment come after the end of the handler."""
    if isinstance(handler_end, str) and handler_end.startswith("<"):  # a placeholder follows the fold by itself
        return False
    if test_end is None or handler_end is None:
        return test_end is None
    try:
        time = as_time(handler_end)
    except CalendarError as error:
        raise SegmentError(f"The handler's end_time is {handler_end!r}.", error.expected, error.remedy) from error
    return time < test_end and rolling_gen.ta.cal_interval(time, test_end) < 0
