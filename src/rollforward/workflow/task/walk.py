"""The walk through a test range, fold by fold: which window is next, how far the rest moves on, who trains a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from rollforward.data.segments import Segment, with_segments
from rollforward.data.spans import ROLL_SD, segment_at, shift_span, whole_number
from rollforward.data.times import as_time
from rollforward.errors import SegmentError
from rollforward.workflow.task.base import copier_of, copy_task
from rollforward.workflow.task.cuts import EverySessions, cut_window
from rollforward.workflow.task.windows import ending, fold_window, following, handler_mod

if TYPE_CHECKING:
    from rollforward.data.calendar import Calendar
    from rollforward.workflow.task.base import Task
    from rollforward.workflow.task.cuts import Cuts
    from rollforward.workflow.task.gen import RollingGen
    from rollforward.workflow.task.purge import Spans

Refit: TypeAlias = int | Callable[[int, dict[str, Segment]], bool]

# What these do to a fold is found out once for all folds of a task.
_PREPARED: dict[Any, Callable[..., Any]] = {fold_window: following, handler_mod: ending}

REFIT, REFIT_FROM, FOLD = "refit", "refit_from", "fold"


class Start(NamedTuple):
    """Where a walk goes on from.

    Attributes
    ----------
    spans
        Segments of the last fold that trained a model.
    test
        Position of the first test session of that fold.
    number
        Number of the fold that was made last.
    """

    spans: Spans
    test: int
    number: int


def read_refit(refit: Any) -> Refit | None:
    """Read which folds train a model; ``None``: all.

    Raises
    ------
    SegmentError
        If it is neither a number from 1 nor a function.
    """
    if refit is None or callable(refit):
        return refit  # type: ignore[no-any-return]  # what a function takes shows when it is called
    try:
        number = whole_number(refit, REFIT, 1)
    except SegmentError as error:
        raise SegmentError(
            error.given, "a number of folds from 1, or a function (number, segments) -> bool."
        ) from error
    return None if number == 1 else number


def start_of(task: Mapping[str, Any], calendar: Calendar, spans: Spans, start: int) -> Start:
    """Find where the walk goes on that a fold comes from.

    Parameters
    ----------
    task
        The fold. One that uses an earlier model has the segments of the fold that trained it.
    spans, start
        Its segments, and the position of its first test session.
    """
    origin = task.get(REFIT_FROM)
    number = task.get(FOLD)
    is_number = isinstance(number, int) and not isinstance(number, bool)
    return Start(
        spans,
        start if origin is None else calendar.position(as_time(origin)),
        int(number) if is_number and number is not None else 0,
    )


class Walk:
    """One walk through a calendar.

    Parameters
    ----------
    generator
        Its options say how to walk.
    calendar
        The sessions.
    cuts
        Where windows end.
    task
        What all folds are made of.
    """

    def __init__(self, generator: RollingGen, calendar: Calendar, cuts: Cuts, task: Mapping[str, Any]) -> None:
        self.generator = generator
        self.calendar = calendar
        self.cuts = cuts
        modify = generator.ds_extra_mod_func
        prepare = _PREPARED.get(modify)
        self._is_foreign = modify is not None and prepare is None
        self._follow = None if prepare is None else prepare(task, generator)
        # Any other function is asked for each fold: it may do more than copy, or less.
        own = generator.task_copy_func is copy_task
        self._copy = copier_of(dict(task)) if own else lambda: generator.task_copy_func(dict(task))
        self._put = _put_segments if own and _is_plain(task) else with_segments

    def fold(self, spans: Spans, start: int, limit: int) -> Task:
        """Make the first fold, tested from a position on."""
        return self._made(Start(spans, start, 0), self._window(start, limit))

    def following(self, origin: Start, start: int, end: int | None, limit: int) -> Iterator[Task]:
        """Make the folds after a fold.

        Parameters
        ----------
        origin
            The last fold that trained a model, and the number of the given one.
        start, end
            Test segment of the fold; no end: as it is cut.
        limit
            Last position at which a fold may start.
        """
        if end is None:
            end = self._window(start, limit)[1]
        while True:
            start = self._next(start, end)
            if start > limit:
                return
            window = self._window(start, limit)
            moved = self._moved(origin, start)
            trains = self._trains(origin.number + 1, moved, window)
            origin = Start(moved if trains else origin.spans, start if trains else origin.test, origin.number + 1)
            yield self._made(origin, window)
            end = window[1]

    def _window(self, start: int, limit: int) -> tuple[int, int]:
        return cut_window(self.cuts, self.generator.last, self.calendar, start, limit)

    def _next(self, start: int, end: int) -> int:
        if isinstance(self.cuts, EverySessions) and self.generator.last == "whole":
            return start + self.cuts.n
        if end < len(self.calendar):
            return end + 1
        natural = self.cuts.end(self.calendar, start)
        return len(self.calendar) if natural is None else natural + 1

    def _moved(self, origin: Start, start: int) -> Spans:
        generator, by = self.generator, start - origin.test
        moved = {
            name: shift_span(span, by, generator.rtype if name == generator.train_key else ROLL_SD)
            for name, span in origin.spans.items()
        }
        return generator.capped(moved)

    def _trains(self, number: int, spans: Spans, window: tuple[int, int]) -> bool:
        refit = self.generator.refit
        if refit is None:
            return True
        if isinstance(refit, int):
            return number % refit == 0
        return bool(refit(number, self._segments(spans, window)))

    def _segments(self, spans: Spans, window: tuple[int, int]) -> dict[str, Segment]:
        test_key = self.generator.test_key
        return {name: segment_at(self.calendar, window if name == test_key else span) for name, span in spans.items()}

    def _made(self, origin: Start, window: tuple[int, int]) -> Task:
        segments = self._segments(origin.spans, window)
        fold = self._put(self._copy(), segments)
        self._mark(fold, origin, window[0])
        if self._follow is not None:
            self._follow(fold, segments)
        elif self._is_foreign and self.generator.ds_extra_mod_func is not None:
            self.generator.ds_extra_mod_func(fold, self.generator)
        return fold

    def _mark(self, fold: Task, origin: Start, start: int) -> None:
        if REFIT_FROM in fold:
            for key in (REFIT, REFIT_FROM, FOLD):
                fold.pop(key, None)
        if self.generator.refit is None:
            return
        fold[FOLD] = origin.number
        if origin.test != start:
            fold[REFIT] = False
            fold[REFIT_FROM] = self.calendar[origin.test]


def _is_plain(task: Mapping[str, Any]) -> bool:
    dataset = task.get("dataset")
    return type(dataset) is dict and type(dataset.get("kwargs")) is dict


def _put_segments(task: Task, segments: dict[str, Segment]) -> Task:
    """Do what `with_segments` does to a task that nobody else has."""
    task["dataset"]["kwargs"]["segments"] = segments
    return task
