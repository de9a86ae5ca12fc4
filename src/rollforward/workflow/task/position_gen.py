"""Tasks out of positions: what all generators share that cut the sessions of a task into folds by number."""

from __future__ import annotations

import logging
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from rollforward.data.horizon import label_lookahead
from rollforward.data.ranges import as_written, parse_all, parts_of
from rollforward.data.scheme import SCHEME, Scheme, check_scheme, closed_spans, runs_of, times_at
from rollforward.data.segments import bounds_of, raw_segments_of, with_segments
from rollforward.data.spans import span_of, whole_number
from rollforward.errors import EmptySegmentError, LeakageError, SegmentError
from rollforward.workflow.task.adjuster import TimeAdjuster, transform_end_date
from rollforward.workflow.task.base import Task, TaskGen, copy_task
from rollforward.workflow.task.cover import cover_fold

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from rollforward.data.calendar import Calendar
    from rollforward.data.scheme import IntSpan

logger = logging.getLogger(__name__)

AUTO = "auto"
VALID = "valid"

_REMEDY = "Give task['label_lookahead'], or purge as a number: the sessions the label looks ahead, plus one."


class Fold(NamedTuple):
    """One fold, in positions of the sessions that are split.

    Attributes
    ----------
    label
        Names the fold.
    train
        Sessions to train on, before purge and embargo.
    test
        Groups of sessions to test on; ranges of different groups stay apart even if they touch.
    """

    label: str
    train: NDArray[np.intp]
    test: Sequence[NDArray[np.intp]]


class PositionGen(TaskGen):
    """Makes a task of each fold of the sessions from the start of the train segment to the end of the test segment.

    Where in between the template's train segment ends and its test segment starts plays no part: the folds say it. All
    generated tasks carry the key ``scheme`` (see `rollforward.data.scheme`), by which training them is checked.

    Parameters
    ----------
    purge
        Sessions from a training session to the nearest test session, at least, on both sides. ``"auto"``: what the
        label looks ahead plus one, so that no session is known to both; nothing, with a warning, if the label's
        look-ahead is unknown. 0 and 1 purge nothing. Less than the label needs is an error.
    embargo
        Sessions behind a test range that are not trained on either, on top of the purge.
    valid
        Sessions at the end of a fold's training that become the segment ``valid``.
    ds_extra_mod_func
        Called with each fold's task, which it may change, and this generator; ``None``: nothing is called.
    test_key, train_key
        Names of the test and the train segment.
    task_copy_func
        Copies the task for each fold; live objects in it are shared by default.
    calendar
        Anything that `Calendar.of` takes; ``None``: the calendar of the settings, looked up each time it is needed.

    Raises
    ------
    SegmentError
        If a number is none, or too small.
    """

    def __init__(
        self,
        purge: int | str | None = AUTO,
        embargo: int = 0,
        *,
        valid: int = 0,
        ds_extra_mod_func: Callable[[Task, PositionGen], Any] | None = cover_fold,
        test_key: str = "test",
        train_key: str = "train",
        task_copy_func: Callable[[Task], Task] = copy_task,
        calendar: Any = None,
    ) -> None:
        self.purge: int | str = purge if purge == AUTO else whole_number(0 if purge is None else purge, "purge", 0)
        self.embargo = whole_number(embargo, "embargo", 0)
        self.valid = whole_number(valid, "valid", 0)
        self.ds_extra_mod_func = ds_extra_mod_func
        self.test_key = test_key
        self.train_key = train_key
        self.task_copy_func = task_copy_func
        self.ta = TimeAdjuster(future=True, calendar=calendar)

    @abstractmethod
    def folds(self, sessions: pd.DatetimeIndex) -> Iterable[Fold]:
        """Cut sessions into folds."""

    def generate(self, task: Mapping[str, Any]) -> list[Task]:
        """Make all folds of a task.

        Parameters
        ----------
        task
            Stays as it is. Its sessions from the start of its train segment to the end of its test segment are split;
            an end that is open or in the future means until the last session so far.

        Returns
        -------
        list
            Tasks, in the order of the folds. A segment with holes is a list of ranges.

        Raises
        ------
        EmptySegmentError
            If nothing is left to train on; the fold is named.
        LeakageError
            If the purge is shorter than the label needs, or a fold trains on what it tests; the fold is named.
        SegmentError
            If the task has a segment beside train and test, or there is no fold.
        OutOfCalendarError
            If a segment lies outside the calendar.
        """
        calendar = self.ta.calendar
        first, last = self._range(calendar, raw_segments_of(task))
        lookahead = label_lookahead(task)
        purge = self._distance(lookahead)
        sessions = calendar.sessions(future=True)[first : last + 1]
        tasks = [self._task(task, calendar, first, fold, purge, lookahead) for fold in self.folds(sessions)]
        if not tasks:
            raise SegmentError(
                f"{self!r} makes no fold of {len(sessions)} sessions.", "at least one.", "Give it more sessions."
            )
        return tasks

    def _distance(self, lookahead: int | None) -> int:
        if not isinstance(self.purge, str):
            return self.purge
        if lookahead is None:
            logger.warning("How far the label looks ahead is unknown: nothing is purged. %s", _REMEDY)
        return 0 if lookahead is None else lookahead + 1

    def _range(self, calendar: Calendar, segments: Mapping[str, Any]) -> IntSpan:
        """Find the first and the last session to split."""
        parse_all(segments)
        for name in segments:
            if name not in {self.train_key, self.test_key, VALID if self.valid else self.test_key}:
                raise SegmentError(
                    f"The task has a segment {name!r}, which no fold has.",
                    f"the segments {self.train_key!r} and {self.test_key!r}.",
                    f"remove it; valid=<sessions> takes {VALID!r} from the end of each fold's training.",
                )
        if self.test_key not in segments:
            raise SegmentError(f"There is no segment {self.test_key!r}.", f"one of {list(segments)!r}.")
        start, _ = bounds_of(parts_of(segments.get(self.train_key, segments[self.test_key]))[0])
        _, end = bounds_of(parts_of(segments[self.test_key])[-1])
        end = transform_end_date(end, calendar=calendar)
        first, last = span_of(calendar, (start, end), "what is to be split")
        return first or 0, len(calendar) - 1 if last is None else last

    def _task(
        self, task: Mapping[str, Any], calendar: Calendar, first: int, fold: Fold, purge: int, lookahead: int | None
    ) -> Task:
        tested = [(start + first, end + first) for group in fold.test for start, end in runs_of(group)]
        closed = closed_spans(sorted(tested), purge, self.embargo)
        train = _without(np.asarray(fold.train) + first, closed)
        if len(train) <= self.valid:
            raise EmptySegmentError(
                f"Fold {fold.label}: {len(train)} sessions are left to train on, {self.valid} of them for {VALID!r}.",
                "at least one.",
                f"split more sessions, or take less away (purge {purge}, embargo {self.embargo} sessions).",
            )
        cut = len(train) - self.valid
        spans = {self.train_key: runs_of(train[:cut]), VALID: runs_of(train[cut:]), self.test_key: sorted(tested)}
        segments = {name: tuple(times_at(calendar, span) for span in part) for name, part in spans.items() if part}
        scheme = Scheme(purge, self.embargo, fold.label, tuple(times_at(calendar, span) for span in closed))
        check_scheme(segments, scheme, test_key=self.test_key, lookahead=lookahead, calendar=calendar)
        child = with_segments(self.task_copy_func(dict(task)), {k: as_written(v) for k, v in segments.items()})
        child[SCHEME] = scheme.entry()
        if self.ds_extra_mod_func is not None:
            self.ds_extra_mod_func(child, self)
        return child


def checked_positions(label: str, name: str, value: Any, n_sessions: int) -> NDArray[np.intp]:
    """Read positions, sorted.

    Raises
    ------
    SegmentError
        If they are no positions of the sessions, or one is there twice.
    """
    given = np.asarray(value)
    unique = np.unique(given)
    is_valid = given.ndim == 1 and (not len(given) or (given.dtype.kind in "iu" and unique[0] >= 0))
    if not is_valid or len(unique) < len(given) or (len(given) and unique[-1] >= n_sessions):
        raise SegmentError(
            f"Fold {label}: {name} is {value!r}.", f"positions from 0 to {n_sessions - 1}, each at most once."
        )
    return unique.astype(np.intp)


def refuse_common(fold: Fold) -> Fold:
    """Refuse a fold that trains on what it tests, which the purge would hide.

    Raises
    ------
    LeakageError
        If it does.
    """
    common = np.intersect1d(fold.train, np.concatenate([np.asarray(group) for group in fold.test]))
    if len(common):
        raise LeakageError(
            f"Fold {fold.label}: {len(common)} sessions are trained on and tested on, the first at position "
            f"{common[0]}.",
            "training and testing on different sessions.",
        )
    return fold


def _without(positions: NDArray[np.intp], closed: Sequence[IntSpan]) -> NDArray[np.intp]:
    firsts, lasts = np.array(closed).T
    zone = np.searchsorted(lasts, positions)  # the first one that ends at or behind a position
    is_free = (zone == len(closed)) | (positions < firsts[np.minimum(zone, len(closed) - 1)])
    free: NDArray[np.intp] = positions[is_free]
    return free
