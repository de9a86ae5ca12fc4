"""From one task to many: rolling it through time, or over horizons."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from rollforward.data.segments import bounds_of, raw_segments_of
from rollforward.data.spans import ROLL_EX, ROLL_SD, RollType, span_of, whole_number
from rollforward.data.times import as_time
from rollforward.errors import SegmentError
from rollforward.workflow.task.adjuster import TimeAdjuster
from rollforward.workflow.task.audit import audit_folds
from rollforward.workflow.task.base import Task, TaskGen, copy_task, task_generator
from rollforward.workflow.task.cuts import LASTS, EverySessions, Last, Step, read_cuts, warn_of_end
from rollforward.workflow.task.horizons import MultiHorizonGenBase
from rollforward.workflow.task.purge import (
    AUTO,
    Purge,
    Spans,
    purge_spans,
    refuse_leaks,
    refuse_overlaps,
    test_of,
    trunc_segments,
)
from rollforward.workflow.task.walk import Refit, Start, Walk, read_refit, start_of
from rollforward.workflow.task.windows import fold_window, handler_mod

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import pandas as pd

    from rollforward.data.calendar import Calendar
    from rollforward.data.times import TimeLike

__all__ = [
    "MultiHorizonGenBase",
    "RollingGen",
    "Task",
    "TaskGen",
    "audit_folds",
    "copy_task",
    "fold_window",
    "handler_mod",
    "task_generator",
    "trunc_segments",
]

logger = logging.getLogger(__name__)

FOLLOW, QLIB = "follow", "qlib"


class RollingGen(TaskGen):
    """Roll a task forward: the test segment is tiled by folds, the other segments move on with it.

    All that is counted is counted in sessions of the calendar, be they days or bars. Training never lies behind a test
    segment, so that there is no embargo here.

    Parameters
    ----------
    step
        How far each fold moves on, which is the length of its test segment. A number of sessions; or a frequency of
        pandas (``"ME"``, ``"QE"``, ``"WOM-3FRI"``, ``"W-FRI"``, ...): test segments start at the first session after
        each end of a period, for frequencies of beginnings (``"MS"``) at the first session of a period; or the times at
        which test segments start, in order, of which those up to the start of the task's test segment do not count.
    rtype
        ``"expanding"`` keeps the start of the train segment, ``"sliding"`` moves it too.
    ds_extra_mod_func
        Called with each fold's task, which it may change, and this generator, in place of what `handler_window` says;
        ``None``: nothing is called.
    test_key, train_key
        Names of the test and the train segment. No segment named `train_key`: all segments slide.
    trunc_days
        Qlib's way to purge: sessions from the end of every other segment to the start of the test segment; with a label
        that looks ahead L sessions, L + 1 keeps all it knows before the test segment. Takes the place of `purge`.
    task_copy_func
        Copies the task for each fold. By default dictionaries, lists and tuples are copied and everything in them is
        shared, so that a prepared handler is held once.
    purge
        ``"auto"``: what the task's label looks ahead (see `rollforward.data.horizon.label_lookahead`) plus one, so that
        the last price a label knows is of the session before the test segment; nothing, with a warning, if that is not
        known. A number: the sessions from the end of every other segment to the start of the test segment, at least (1
        lets a segment end on the session before the test segment). 0 or ``None``: segments are as given, as in Qlib.
    gap
        Sessions left free on top of `purge` or `trunc_days`; on its own, sessions between training and testing.
    max_train
        The most sessions of the train segment; the earliest are left out.
    last
        What becomes of the last fold. ``"whole"``: it has its full length, and may end after the test range, as in
        Qlib. ``"clip"``: it ends with the range, or with the last session so far. ``"open"``: it has no end.
    refit
        A number k: every k-th fold trains a model and the others use it. A function of a fold's number (from 0) and its
        segments: whether the fold trains one; the first always does. Folds that do not have ``task["refit"]`` False,
        the segments and the fit window of the last one that did, and its test start as ``task["refit_from"]``; all
        folds have their number as ``task["fold"]``. 1 or ``None``: each fold trains, and nothing is marked.
    handler_window
        ``"follow"``: a handler loads what its fold needs, and its processors learn from the train segment
        (`fold_window`). ``"qlib"``: only the end of a handler's data moves on (`handler_mod`).
    calendar
        Anything that `Calendar.of` takes; ``None``: the calendar of the settings, looked up each time it is needed.

    Raises
    ------
    SegmentError
        If an argument is none of these.
    """

    ROLL_EX = ROLL_EX
    ROLL_SD = ROLL_SD

    def __init__(
        self,
        step: Step = 40,
        rtype: RollType = ROLL_EX,
        ds_extra_mod_func: Callable[[Task, RollingGen], Any] | None = fold_window,
        test_key: str = "test",
        train_key: str | None = "train",
        trunc_days: int | None = None,
        task_copy_func: Callable[[Task], Task] = copy_task,
        *,
        purge: int | str | None = AUTO,
        gap: int = 0,
        max_train: int | None = None,
        last: Last = "whole",
        refit: Refit | None = None,
        handler_window: str = FOLLOW,
        calendar: Any = None,
    ) -> None:
        _one_of("rtype", rtype, (ROLL_EX, ROLL_SD))
        _one_of("last", last, LASTS)
        _one_of("handler_window", handler_window, (FOLLOW, QLIB))
        self.cuts = read_cuts(step)
        self.step = self.cuts.step
        self.rtype = rtype
        follows = ds_extra_mod_func is fold_window
        self.ds_extra_mod_func = handler_mod if follows and handler_window == QLIB else ds_extra_mod_func
        self.test_key = test_key
        self.train_key = train_key
        self.purging = Purge.read(trunc_days, purge, gap)
        self.trunc_days = self.purging.trunc_days
        self.task_copy_func = task_copy_func
        self.max_train = None if max_train is None else whole_number(max_train, "max_train", 1)
        self.last = last
        self.refit = read_refit(refit)
        self.ta = TimeAdjuster(future=True, calendar=calendar)
        self._warned = False

    def __repr__(self) -> str:
        return f"RollingGen(step={self.step!r}, rtype={self.rtype!r}, {self.purging})"

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
            Tasks in time order. Each fold whose test segment starts within the range is there; with ``last="whole"``
            the last one may end after the range, and is open (``None``) if it would end after the calendar.

        Raises
        ------
        LeakageError
            If a segment overlaps the test segment or comes after it.
        EmptySegmentError
            If a segment has no session, or loses them all to the purge.
        OutOfCalendarError
            If a segment lies outside the calendar.
        SegmentError
            If segments that are purged overlap each other or are in the wrong order.
        """
        calendar = self.ta.calendar
        segments = raw_segments_of(task)
        spans, start, end = self._spans(calendar, segments)
        limit = calendar.n_current - 1 if end is None else min(end, calendar.n_current - 1)
        warn_of_end(calendar, bounds_of(test_of(segments, self.test_key))[1])
        where = f"fold 0, tested from {calendar[start]!s}"
        spans = self._purged(calendar, task, spans, start, where)
        walk = Walk(self, calendar, self.cuts, task)
        first = Start(spans, start, 0)
        return [walk.fold(first.spans, start, limit), *walk.following(first, start, None, limit)]

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
        spans, start, end = self._spans(calendar, raw_segments_of(task))
        if test_end is not None and as_time(test_end) > calendar.last:  # sessions to come are cut like any other
            warn_of_end(calendar, test_end)
        limit = calendar.position(calendar.current_end if test_end is None else test_end, "end")
        origin = start_of(task, calendar, spans, start)
        where = f"the fold tested from {calendar[start]!s}"
        origin = Start(self._purged(calendar, task, spans, origin.test, where), origin.test, origin.number)
        cuts = self.cuts
        if isinstance(cuts, EverySessions) and self.last == "whole" and end is not None:
            cuts = EverySessions(cuts.n, end - start + 1)  # as in Qlib, the next are as long as the given one
        yield from Walk(self, calendar, cuts, task).following(origin, start, end, limit)

    def audit(
        self,
        tasks: Sequence[Mapping[str, Any]],
        *,
        label_lookahead: int | None = None,
        raise_on_leak: bool = True,
    ) -> pd.DataFrame:
        """Count out for each fold how far its training stays away from its test segment.

        Parameters
        ----------
        tasks, label_lookahead, raise_on_leak
            As of `audit_folds`.

        Returns
        -------
        pd.DataFrame
            See `audit_folds`.

        Raises
        ------
        LeakageError
            If the training of a fold knows what it is tested on; names the folds.
        """
        return audit_folds(
            tasks, self.ta.calendar, label_lookahead, test_key=self.test_key, raise_on_leak=raise_on_leak
        )

    def _spans(self, calendar: Calendar, segments: Mapping[str, Any]) -> tuple[Spans, int, int | None]:
        """Count the segments; the first and the last session of the test segment too."""
        spans = {name: span_of(calendar, segment, f"segment {name!r}") for name, segment in segments.items()}
        start, end = test_of(spans, self.test_key)
        if start is None:
            raise SegmentError(f"Segment {self.test_key!r} has no start.", "a test segment with a start.")
        return spans, start, end

    def _purged(self, calendar: Calendar, task: Mapping[str, Any], spans: Spans, start: int, where: str) -> Spans:
        """Cut what comes too close to the test segment, and refuse what cutting does not cure."""
        doubt = self.purging.doubt(task)
        if doubt and not self._warned:  # said once, not for each task
            self._warned = True
            logger.warning(doubt)
        distance = self.purging.distance(task)
        is_strict = distance is not None and self.trunc_days is None
        if is_strict:
            refuse_leaks(calendar, spans, start, self.test_key, where)
        if distance is not None:
            spans = purge_spans(calendar, spans, distance, start, self.test_key, why=self.purging, where=where)
        refuse_leaks(calendar, spans, start, self.test_key, where)
        refuse_overlaps(calendar, spans, self.train_key, self.test_key, strict=is_strict)
        return self.capped(spans)

    def capped(self, spans: Spans) -> Spans:
        """Leave the earliest sessions of the train segment out, if there are more than `max_train`."""
        if self.max_train is None:
            return spans
        if self.train_key not in spans:
            raise SegmentError(
                f"max_train={self.max_train}, but there is no segment {self.train_key!r}.",
                f"one of {list(spans)!r}.",
                "name it with train_key.",
            )
        start, end = spans[self.train_key]
        first = max(start or 0, (end or 0) - self.max_train + 1)
        return {**spans, self.train_key: (first, end)}


def _one_of(name: str, value: Any, known: Sequence[str]) -> None:
    if value not in known:
        raise SegmentError(f"{name}={value!r} is unknown.", f"one of {', '.join(map(repr, known))}.")
