"""Purge and embargo: how far training stays away from testing, where it also lies behind a test range.

A label of session ``t`` that looks L sessions ahead knows the sessions ``t`` to ``t + L``. Training and testing know no
session in common if every training session is at least L + 1 sessions away from every test session, on both sides:
that distance is the *purge*. The *embargo* is a number of sessions on top of it behind a test range, for features that
remember (Lopez de Prado, Advances in Financial Machine Learning, section 7.4).

A task declares both under the key ``scheme``. Without the declaration, training must end before testing starts.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rollforward.data.calendar_in_use import resolve
from rollforward.data.ranges import Ranges, hulls, parse_all, parse_ranges, parts_of
from rollforward.data.segments import bounds_of, check_segments, raw_segments_of
from rollforward.data.spans import span_of, whole_number
from rollforward.data.times import as_time, last_nanosecond, nanoseconds
from rollforward.errors import LeakageError, SegmentError, TaskError
from rollforward.settings.nearest import did_you_mean

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rollforward.data.calendar import Calendar
    from rollforward.data.segments import Segment

SCHEME = "scheme"
_TEST = "test"
_FAR_NS = 2**63 - 1
_KEYS = ("purge", "embargo", "fold", "closed")

IntSpan = tuple[int, int]


@dataclass(frozen=True)
class Scheme:
    """How far the training of a fold stays away from its test ranges.

    Parameters
    ----------
    purge
        Sessions from a training session to the nearest test session, at least; 0 and 1 both mean "not the same".
    embargo
        Sessions on top of it behind a test range.
    fold
        What the fold is called.
    closed
        The ranges in which no training may lie, worked out from the rest and a calendar; ``None``: not worked out yet.
    """

    purge: int
    embargo: int = 0
    fold: str = ""
    closed: Ranges | None = None

    def entry(self) -> dict[str, Any]:
        """Write the scheme as a task does."""
        return {key: value for key, value in asdict(self).items() if value not in ("", None)}


def scheme_of(task: Mapping[str, Any]) -> Scheme | None:
    """Read the scheme of a task; ``None`` if it declares none.

    Raises
    ------
    TaskError
        If it is no mapping, or has an unknown key or no purge.
    SegmentError
        If one of its values cannot be read.
    """
    entry = task.get(SCHEME)
    if entry is None:
        return None
    if not isinstance(entry, Mapping) or "purge" not in entry:
        raise TaskError(f"The task's {SCHEME!r} is {entry!r}.", 'a mapping such as {"purge": 3, "embargo": 5}.')
    for key in entry:
        if key not in _KEYS:
            raise TaskError(
                f"The task's {SCHEME!r} has the key {key!r}.", f"some of {_KEYS!r}.", did_you_mean(key, _KEYS)
            )
    closed = entry.get("closed")
    return Scheme(
        whole_number(entry["purge"], "purge", 0),
        whole_number(entry.get("embargo", 0), "embargo", 0),
        str(entry.get("fold", "")),
        None if closed is None else parse_ranges(closed, "the closed range"),
    )


def closed_spans(test: Iterable[IntSpan], purge: int, embargo: int) -> list[IntSpan]:
    """Count out the sessions that may not be trained on: test ranges, purge on both sides, embargo behind.

    Parameters
    ----------
    test
        First and last position of each test range, both inclusive, in time order.
    purge, embargo
        Sessions; see `Scheme`.

    Returns
    -------
    list
        Inclusive positions, in time order, those that touch joined; the first may begin below 0, and the last may end
        beyond the calendar.
    """
    reach = max(purge, 1) - 1
    closed: list[IntSpan] = []
    for first, last in test:
        start, end = first - reach, last + reach + embargo
        if closed and start <= closed[-1][1] + 1:
            closed[-1] = closed[-1][0], max(closed[-1][1], end)
        else:
            closed.append((start, end))
    return closed


def runs_of(positions: NDArray[np.intp]) -> list[IntSpan]:
    """Find the stretches of positions that follow each other.

    Examples
    --------
    >>> runs_of(np.array([3, 4, 5, 8, 10, 11]))
    [(3, 5), (8, 8), (10, 11)]
    """
    if not len(positions):
        return []
    breaks = np.flatnonzero(np.diff(positions) != 1)
    firsts = positions[np.append(0, breaks + 1)]
    lasts = positions[np.append(breaks, len(positions) - 1)]
    return [(int(first), int(last)) for first, last in zip(firsts, lasts, strict=True)]


def check_task_segments(task: Mapping[str, Any], lookahead: int | None = None) -> dict[str, Ranges]:
    """Refuse a task whose training reaches into what it is tested on.

    Parameters
    ----------
    task
        Its references resolved. With a scheme, every training session must be far enough from every test session;
        without one, every segment must end before the test segment starts.
    lookahead
        Sessions that its label looks ahead; ``None`` if unknown.

    Returns
    -------
    dict
        The ranges of each segment; empty if the task has no segments.

    Raises
    ------
    SegmentError
        If segments cannot be read.
    LeakageError
        If training reaches into testing; the fold is named.
    CalendarError
        If the scheme has no closed ranges, and there is no calendar to work them out with.
    """
    scheme = scheme_of(task)
    try:
        written = raw_segments_of(task)
    except TaskError:
        return {}
    segments = parse_all(written)
    if scheme is None:
        check_segments(hulls(segments))
    elif _TEST in segments:
        # The calendar is asked with the bounds as they are written: a date there means the whole day.
        parts = {name: parts_of(value) for name, value in written.items()}
        check_scheme(parts, scheme, lookahead=lookahead, calendar=None if scheme.closed else resolve())
    return segments


def check_scheme(
    segments: Mapping[str, Sequence[Any]],
    scheme: Scheme,
    *,
    test_key: str = _TEST,
    lookahead: int | None = None,
    calendar: Calendar | None = None,
) -> None:
    """Refuse segments that do not keep the distance that their scheme declares.

    Parameters
    ----------
    segments
        The ranges of each; all but the test segment are trained on.
    scheme
        Without a calendar, its closed ranges decide.
    test_key
        Name of the test segment.
    lookahead
        Sessions that the label looks ahead, which demand a purge of one more; ``None`` if unknown.
    calendar
        The distances are counted in its sessions.

    Raises
    ------
    LeakageError
        If a segment comes closer to a test range than the purge, and the embargo behind it, allow, or the purge is
        shorter than the label.
    SegmentError
        If there is neither a calendar nor a closed range, or the closed ranges leave a part of the test segment out.
    """
    title = f"Fold {scheme.fold}" if scheme.fold else "The task"
    if lookahead is not None and scheme.purge < lookahead + 1:
        raise LeakageError(
            f"{title}: the purge is {scheme.purge} sessions, but the label looks {lookahead} sessions ahead.",
            f"a purge of at least {lookahead + 1}, so that no training label knows a session of the test ranges.",
            'purge="auto"; or task["label_lookahead"], if the label looks less far ahead.',
        )
    if calendar is not None:
        tested = [_positions(calendar, segment, f"{title}: the test segment") for segment in segments[test_key]]
        zones = closed_spans(tested, scheme.purge, scheme.embargo)
        closed: Ranges = tuple(times_at(calendar, zone) for zone in zones)
    elif scheme.closed is not None:
        zones, closed = [_nanoseconds(zone) for zone in scheme.closed], scheme.closed
        _check_covered(title, segments[test_key], zones)
    else:
        raise SegmentError(f"{title}: the scheme has no closed ranges.", "closed ranges, or a calendar.")
    for name, ranges in segments.items():
        for segment in ranges if name != test_key else ():
            text = f"{title}: segment {name!r}"
            span = _nanoseconds(segment) if calendar is None else _positions(calendar, segment, text)
            at = _touched(span, zones)
            if at is not None:
                raise _leak(text, segment, closed[at], scheme)


def times_at(calendar: Calendar, span: IntSpan) -> Segment:
    """Turn positions into times; those outside the calendar are open."""
    first, last = span
    return calendar[first] if first >= 0 else None, calendar[last] if last < len(calendar) else None


def _check_covered(title: str, test: Sequence[Any], zones: list[IntSpan]) -> None:
    for segment in test:
        start, end = _nanoseconds(segment)
        at = _touched((start, end), zones)
        if at is None or not zones[at][0] <= start <= end <= zones[at][1]:
            raise SegmentError(
                f"{title}: the test range {_said(segment)} does not lie in a closed range.",
                "closed ranges that cover the test segment.",
                'remove task["scheme"]["closed"], if the segments were changed on purpose.',
            )


def _touched(span: IntSpan, zones: list[IntSpan]) -> int | None:
    """Find the first zone, of zones in order, that has something in common with a span."""
    at = bisect_left(zones, span[0], key=lambda zone: zone[1])
    return at if at < len(zones) and zones[at][0] <= span[1] else None


def _positions(calendar: Calendar, segment: Any, name: str) -> IntSpan:
    first, last = span_of(calendar, segment, name)
    return first or 0, len(calendar) - 1 if last is None else last


def _nanoseconds(segment: Any) -> IntSpan:
    start, end = bounds_of(segment)
    return (
        -_FAR_NS if start is None else nanoseconds(as_time(start)),
        _FAR_NS if end is None else last_nanosecond(end),
    )


def _leak(text: str, segment: Any, zone: Segment, scheme: Scheme) -> LeakageError:
    before = max(scheme.purge, 1)
    return LeakageError(
        f"{text} has the range {_said(segment)}, but nothing may be trained on {_said(zone)}.",
        f"training that ends at least {before} sessions before a test range, or starts at least "
        f"{before + scheme.embargo} sessions after its end.",
        "shorten the range.",
    )


def _said(segment: Any) -> str:
    start, end = bounds_of(segment)
    return f"from {'the beginning' if start is None else start} to {'the end' if end is None else end}"
