"""Segments counted in sessions: aligning, moving and cutting them along a calendar, as pure functions.

A span is a segment as a pair of indices into the calendar. What moves many segments counts each once and goes on with
spans; what moves one uses the functions that take and give segments.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from rollforward.data.segments import Segment, bounds_of, outside, parse_segment
from rollforward.data.times import as_time
from rollforward.errors import EmptySegmentError, OutOfCalendarError, SegmentError

if TYPE_CHECKING:
    from rollforward.data.calendar import Calendar, Side
    from rollforward.data.times import TimeLike

Span: TypeAlias = tuple[int | None, int | None]
RollType: TypeAlias = Literal["sliding", "expanding"]

ROLL_SD: Literal["sliding"] = "sliding"
ROLL_EX: Literal["expanding"] = "expanding"


def span_of(calendar: Calendar, segment: Any, name: str = "segment") -> Span:
    """Count a segment in sessions.

    Parameters
    ----------
    calendar
        The sessions.
    segment
        As `parse_segment` takes it. Its bounds need not be sessions: the start moves to the next session, the end to
        the previous one. An end that is a date, without a time of day, means the whole day with all its bars.
    name
        What to call the segment in an error.

    Returns
    -------
    Span
        Indices of the first and the last session, both inclusive; ``None`` where the segment is open.

    Raises
    ------
    SegmentError
        If it cannot be read.
    OutOfCalendarError
        If the segment lies outside the calendar as a whole.
    EmptySegmentError
        If no session lies within it.
    """
    bounds = bounds_of(segment, name)
    start, end = parse_segment(bounds, name)
    first = None if start is None else _index(calendar, bounds[0], "start", name)
    last = None if end is None else _index(calendar, bounds[1], "end", name)
    if first is not None and last is not None and first > last:
        raise EmptySegmentError(
            f"There is no session in {name} from {start!s} to {end!s}.",
            "at least one session.",
            "widen it, or check the calendar.",
        )
    return first, last


def segment_at(calendar: Calendar, span: Span) -> Segment:
    """Turn indices back into times; an end past the calendar becomes ``None``, "until now"."""
    start, end = span
    return (
        None if start is None else calendar[start],
        None if end is None or end >= len(calendar) else calendar[end],
    )


def shift_span(span: Span, n_sessions: int, rtype: RollType = ROLL_SD) -> Span:
    """Move a counted segment; expanding moves its end only, open ends stay open."""
    start, end = span
    return (
        start if start is None or rtype == ROLL_EX else start + n_sessions,
        None if end is None else end + n_sessions,
    )


def align_segment(calendar: Calendar, segment: Any) -> Segment:
    """Move the bounds of a segment inwards onto sessions.

    Raises
    ------
    OutOfCalendarError
        If the segment lies outside the calendar as a whole.
    EmptySegmentError
        If no session lies within it.
    """
    return segment_at(calendar, span_of(calendar, segment))


def shift_segment(calendar: Calendar, segment: Any, n_sessions: int, rtype: RollType = ROLL_SD) -> Segment:
    """Move a segment along the calendar.

    Parameters
    ----------
    calendar
        The sessions.
    segment
        Inclusive bounds; ``None`` = open, and stays open.
    n_sessions
        Sessions, not days; negative moves back.
    rtype
        ``"sliding"`` moves both bounds, ``"expanding"`` the end only.

    Returns
    -------
    Segment
        An end past the calendar is ``None``, "until now".

    Raises
    ------
    OutOfCalendarError
        If the start leaves the calendar, or the end leaves it at its beginning.
    """
    if rtype not in {ROLL_SD, ROLL_EX}:
        raise SegmentError(f"rtype={rtype!r} is unknown.", f"{ROLL_SD!r} or {ROLL_EX!r}.")
    start, end = shift_span(span_of(calendar, segment), n_sessions, rtype)
    out_of_reach = (start is not None and not 0 <= start < len(calendar)) or (end is not None and end < 0)
    if out_of_reach:
        raise OutOfCalendarError(
            f"The segment {segment!r} shifted by {n_sessions} sessions leaves the calendar.",
            f"bounds from {calendar.first!s} to {calendar.last!s}.",
            "shift by less, or give a calendar that reaches further.",
        )
    if start is not None and end is not None and start > end:
        raise EmptySegmentError(f"The segment {segment!r} shrunk by {n_sessions} sessions is empty.", "a smaller step.")
    return segment_at(calendar, (start, end))


def truncate_segment(calendar: Calendar, segment: Any, test_start: Any, days: int, name: str = "segment") -> Segment:
    """Cut a segment so that it ends at least `days` sessions before the test segment starts.

    Parameters
    ----------
    calendar
        The sessions.
    segment
        Inclusive bounds; an open end is cut like any other.
    test_start
        First time of the test segment; moves to the next session.
    days
        Sessions, not days, of distance: 1 lets the segment end on the session before the test segment.
    name
        What to call the segment in an error.

    Raises
    ------
    EmptySegmentError
        If nothing of the segment is left.
    """
    limit = calendar.position(as_time(test_start), "start") - whole_number(days, "days", 0)
    span = span_of(calendar, segment, name)
    return segment_at(calendar, truncate_span(calendar, span, limit, name))


def truncate_span(calendar: Calendar, span: Span, limit: int, name: str) -> Span:
    """Cut a counted segment at `limit` and refuse to leave nothing of it.

    Raises
    ------
    EmptySegmentError
        If nothing is left.
    """
    start, end = span[0] or 0, limit if span[1] is None else min(span[1], limit)
    if end < start:
        where = f"which must end by {calendar[limit]!s}" if limit >= 0 else "which must end before the calendar starts"
        raise EmptySegmentError(
            f"Nothing is left of {name}, {where} and starts on {calendar[start]!s}.",
            "at least one session after truncation.",
            "truncate by fewer days, start the segment earlier or the test segment later.",
        )
    return span[0], end


def whole_number(value: Any, name: str, lowest: int) -> int:
    """Read an integer with a lower bound.

    Raises
    ------
    SegmentError
        If it is not an integer, or below the bound.
    """
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None or number < lowest:
        raise SegmentError(f"{name}={value!r}.", f"a number of sessions, an integer from {lowest}.")
    return number


def _index(calendar: Calendar, time: TimeLike, side: Side, name: str) -> int:
    index = calendar.position(time, side)
    if not 0 <= index < len(calendar):
        raise outside(calendar, as_time(time), name)
    return index
