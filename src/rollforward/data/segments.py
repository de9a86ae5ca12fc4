"""Segments: which stretch of time is for training, which for validation, which for testing.

A segment is a pair of times, both inclusive, ``None`` = open. Here is how segments are read and checked; the module
`spans` moves and cuts them. This is also the one place that knows where a task keeps its segments.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import pandas as pd

from rollforward.data.times import as_time, last_day
from rollforward.errors import CalendarError, LeakageError, OutOfCalendarError, SegmentError, TaskError

if TYPE_CHECKING:
    from rollforward.data.calendar import Calendar

Segment: TypeAlias = tuple[pd.Timestamp | None, pd.Timestamp | None]
Segments: TypeAlias = dict[str, Segment]

_UNTIL_NOW = -1  # Qlib's other way to write an open end


def parse_segment(value: Any, name: str = "segment") -> Segment:
    """Read a segment.

    Parameters
    ----------
    value
        A pair (tuple, list) or a slice of dates, times or texts; ``None`` in it = open. An end that names a month or a
        year means its last day.
    name
        What to call the segment in an error.

    Raises
    ------
    SegmentError
        If the value is not a pair of times, or starts after its end.
    """
    first, last = bounds_of(value, name)
    start = _endpoint(first, name)
    end = _endpoint(last, name, last_day)
    if start is not None and end is not None and start > end:
        raise SegmentError(f"{name} starts on {start!s}, after its end {end!s}.", "a start that is not after the end.")
    return start, end


def parse_segments(segments: Mapping[str, Any]) -> Segments:
    """Read all segments of a task.

    Raises
    ------
    SegmentError
        As `parse_segment`; or if `segments` is not a mapping of names to pairs.
    """
    return {name: parse_segment(value, f"segment {name!r}") for name, value in _mapping(segments).items()}


def segments_of(task: Mapping[str, Any]) -> Segments:
    """Read the segments of a task.

    Parameters
    ----------
    task
        A task dictionary; its dataset may be a configuration or a ready dataset.

    Raises
    ------
    TaskError
        If the task has no segments.
    SegmentError
        If they cannot be read.
    """
    return parse_segments(raw_segments_of(task))


def raw_segments_of(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Find the segments of a task, as they are written there.

    Raises
    ------
    TaskError
        If the task has no segments.
    """
    try:
        dataset = task["dataset"]
        found: Mapping[str, Any] = dataset["kwargs"]["segments"] if isinstance(dataset, Mapping) else dataset.segments
    except (KeyError, TypeError, AttributeError) as error:
        raise TaskError(
            "The task has no segments.",
            'task["dataset"]["kwargs"]["segments"], or a dataset with an attribute segments.',
            'add them: {"train": (start, end), "test": (start, end)}.',
        ) from error
    return found


def with_segments(task: Mapping[str, Any], segments: Mapping[str, Any]) -> dict[str, Any]:
    """Make the same task with other segments.

    Parameters
    ----------
    task
        Stays as it is; what does not hold the segments is shared with the result.
    segments
        The new ones, all of them.

    Raises
    ------
    TaskError
        If the task has no dataset.
    """
    dataset = task.get("dataset")
    if dataset is None:
        raise TaskError("The task has no dataset.", 'task["dataset"].')
    if isinstance(dataset, Mapping):
        return {**task, "dataset": {**dataset, "kwargs": {**dataset.get("kwargs", {}), "segments": dict(segments)}}}
    moved = copy.copy(dataset)
    moved.segments = dict(segments)
    return {**task, "dataset": moved}


def check_segments(
    segments: Mapping[str, Any], *, test_key: str = "test", calendar: Calendar | None = None
) -> Segments:
    """Refuse segments that are malformed, reach into the test segment or leave the calendar.

    Parameters
    ----------
    segments
        Names to segments.
    test_key
        The segment that the others must lie before; without such a segment nothing is compared.
    calendar
        If given, every bound must lie between its first and last session.

    Returns
    -------
    Segments
        The segments, read.

    Raises
    ------
    SegmentError
        If a segment is not a pair of times or starts after its end.
    LeakageError
        If a segment overlaps the test segment or comes after it.
    OutOfCalendarError
        If a bound lies outside the calendar.
    """
    parsed = parse_segments(segments)
    if calendar is not None:
        for name, segment in parsed.items():
            _check_inside(calendar, segment, name)
    if test_key in parsed:
        test_start = parsed[test_key][0]
        for name, (_, end) in parsed.items():
            if name != test_key and (end is None or test_start is None or end >= test_start):
                raise leak(name, end, test_start, test_key)
    return parsed


def leak(name: str, end: object, test_start: object, test_key: str, where: str = "") -> LeakageError:
    """Build the error of a segment that does not end before the test segment starts; `where` names the fold."""
    ends = "is open at its end" if end is None else f"ends on {end!s}"
    starts = "is open at its start" if test_start is None else f"starts on {test_start!s}"
    return LeakageError(
        f"{where}Segment {name!r} {ends}, but segment {test_key!r} {starts}.",
        f"every segment but {test_key!r} ends before {test_key!r} starts.",
        f"end {name!r} earlier, start {test_key!r} later, or cut with trunc_days.",
    )


def _mapping(segments: Any) -> Mapping[str, Any]:
    if not isinstance(segments, Mapping):
        raise SegmentError(f"The segments are {segments!r}.", 'a mapping such as {"train": (start, end), ...}.')
    return segments


def bounds_of(value: Any, name: str = "segment") -> tuple[Any, Any]:
    """Take a segment apart, its bounds as they are written; an end of -1, Qlib's other way to write it, is ``None``.

    Raises
    ------
    SegmentError
        If the value is not a pair.
    """
    pair: tuple[Any, ...] = ()
    if isinstance(value, slice) and value.step is None:
        pair = value.start, value.stop
    elif isinstance(value, tuple | list) or (
        isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping)
    ):
        pair = tuple(value)
    if len(pair) != 2:  # noqa: PLR2004  a pair
        raise SegmentError(f"{name} is {value!r}.", "a pair (start, end), None where it is open.")
    start, end = pair
    return start, None if isinstance(end, int) and end == _UNTIL_NOW else end


def _endpoint(value: Any, name: str, read: Callable[[Any], pd.Timestamp] = as_time) -> pd.Timestamp | None:
    if value is None:
        return None
    try:
        return read(value)
    except CalendarError as error:
        raise SegmentError(f"{name} has the bound {value!r}.", error.expected, error.remedy) from error


def _check_inside(calendar: Calendar, segment: Segment, name: str) -> None:
    for time in segment:
        if time is not None and not calendar.first <= time <= calendar.last:
            raise outside(calendar, time, f"segment {name!r}")


def outside(calendar: Calendar, time: pd.Timestamp, name: str) -> OutOfCalendarError:
    """Build the error of a bound that lies outside the calendar."""
    return OutOfCalendarError(
        f"{name} has the bound {time!s}, outside the calendar.",
        f"a time from {calendar.first!s} to {calendar.last!s}.",
        "move the bound, or give a calendar that covers it.",
    )
