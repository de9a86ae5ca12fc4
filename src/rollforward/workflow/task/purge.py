"""How far train and valid stay away from the test segment, and what is refused because it comes too close."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

from rollforward.data.horizon import label_lookahead
from rollforward.data.segments import leak, parse_segments
from rollforward.data.spans import segment_at, span_of, truncate_span, whole_number
from rollforward.errors import SegmentError

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

    from rollforward.data.calendar import Calendar
    from rollforward.data.spans import Span
    from rollforward.workflow.task.adjuster import TimeAdjuster

logger = logging.getLogger(__name__)

Spans: TypeAlias = dict[str, "Span"]

AUTO = "auto"


@dataclass(frozen=True)
class Purge:
    """The sessions from the end of every other segment to the start of the test segment, as a user gives them.

    Parameters
    ----------
    trunc_days
        The whole distance, in Qlib's way; takes the place of `purge`.
    purge
        The distance that the label asks for; ``"auto"``: its look-ahead plus one.
    gap
        Sessions on top.
    """

    trunc_days: int | None
    purge: int | str | None
    gap: int

    @classmethod
    def read(cls, trunc_days: Any, purge: Any, gap: Any) -> Purge:
        """Check what a user gives.

        Raises
        ------
        SegmentError
            If a number is no integer or negative, or `purge` is a text other than ``"auto"``.
        """
        if isinstance(purge, str) and purge != AUTO:
            raise SegmentError(f"purge={purge!r}.", 'a number of sessions from 0, None, or "auto".')
        return cls(
            None if trunc_days is None else whole_number(trunc_days, "trunc_days", 0),
            purge if purge is None or purge == AUTO else whole_number(purge, "purge", 0),
            whole_number(gap, "gap", 0),
        )

    def distance(self, task: Mapping[str, Any]) -> int | None:
        """Find the distance for a task.

        Returns
        -------
        int or None
            Sessions; 1 lets a segment end on the session before the test segment. ``None``: segments stay as they are.
        """
        if self.trunc_days is not None:
            return self.trunc_days + self.gap
        purge = self.purge
        if purge == AUTO:
            lookahead = label_lookahead(task)
            purge = None if lookahead is None else lookahead + 1
        asked = int(purge or 0)
        return max(asked, 1) + self.gap if asked or self.gap else None

    def doubt(self, task: Mapping[str, Any]) -> str:
        """Say why this may not be enough for a task; empty if it is, or if the user does as in Qlib."""
        if self.trunc_days is not None or not self.purge:
            return ""
        known = label_lookahead(task)
        if known is None and self.purge == AUTO:
            return (
                "Nothing is purged: the task does not say how far its label looks ahead. Give purge, or "
                'task["label_lookahead"] (sessions); purge=0 says that nothing needs to be purged.'
            )
        needed = (known or 0) + 1
        if (self.distance(task) or 0) >= needed:
            return ""
        return f"With {self}, labels of training know the test segment: they ask for a purge of {needed} sessions."

    def __str__(self) -> str:
        """Say what was asked for, as in a message."""
        asked = f"purge={self.purge!r}" if self.trunc_days is None else f"trunc_days={self.trunc_days}"
        return f"{asked}, gap={self.gap}" if self.gap else asked


def purge_spans(
    calendar: Calendar, spans: Spans, distance: int, test_start: int, test_key: str, *, why: object, where: str
) -> Spans:
    """Cut every segment but the test segment so that it ends `distance` sessions before the test segment starts.

    Raises
    ------
    EmptySegmentError
        If nothing of a segment is left; names the segment and the fold.
    """
    limit = test_start - distance
    return {
        name: span if name == test_key else truncate_span(calendar, span, limit, f"segment {name!r} ({why}) of {where}")
        for name, span in spans.items()
    }


def refuse_leaks(calendar: Calendar, spans: Spans, test_start: int, test_key: str, where: str) -> None:
    """Refuse a segment that overlaps the test segment or comes after it.

    Raises
    ------
    LeakageError
        If there is one; names it and the fold.
    """
    for name, (_, end) in spans.items():
        if name != test_key and (end is None or end >= test_start):
            start = f"{where[:1].upper()}{where[1:]}: "
            raise leak(name, None if end is None else calendar[end], calendar[test_start], test_key, start)


def refuse_overlaps(calendar: Calendar, spans: Spans, train_key: str | None, test_key: str, *, strict: bool) -> None:
    """Refuse segments that overlap each other, or lie before the train segment.

    Parameters
    ----------
    strict
        If not, this is only a warning.

    Raises
    ------
    SegmentError
        If there are such segments.
    """
    inner = [(name, span) for name, span in spans.items() if name != test_key]
    ordered = sorted(inner, key=lambda item: (item[1][0] or 0, item[0] != train_key))
    for (first, (_, end)), (second, (start, _)) in pairwise(ordered):
        overlap = end is None or start is None or end >= start
        if not overlap and second != train_key:
            continue
        ends = "is open at its end" if end is None else f"ends on {calendar[end]!s}"
        starts = "is open at its start" if start is None else f"starts on {calendar[start]!s}"
        given = f"Segment {first!r} {ends}, segment {second!r} {starts}"
        if strict:
            remedy = "correct the segments; with trunc_days in place of purge they are taken as they are."
            raise SegmentError(f"{given}.", "segments in time order that do not overlap, train first.", remedy)
        if overlap:
            logger.warning("%s: they overlap.", given)


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
    bounds = [time for time in test_of(parsed, test_key) if time is not None]
    if not bounds:
        raise SegmentError(f"Segment {test_key!r} is open on both sides.", "a test segment with a start.")
    calendar = ta.calendar
    limit = calendar.position(min(bounds)) - whole_number(days, "days", 0)
    for name in [name for name in parsed if name != test_key]:
        text = f"segment {name!r}"
        span = span_of(calendar, segments[name], text)
        segments[name] = segment_at(calendar, truncate_span(calendar, span, limit, text))


def test_of(segments: Mapping[str, Any], test_key: str) -> Any:
    """Take the test segment.

    Raises
    ------
    SegmentError
        If there is none of that name.
    """
    if test_key not in segments:
        raise SegmentError(
            f"There is no segment {test_key!r}.", f"one of {list(segments)!r}.", "name it with test_key."
        )
    return segments[test_key]
