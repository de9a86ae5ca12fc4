"""Segments of several ranges: how they are written in a task, and read.

A segment is one pair of times, or a list of such pairs where it has holes: the train segment of a fold whose test
segment lies in the middle. ``["2020-01-01", "2020-02-01"]`` is one range; ``[["2020-01-01", "2020-02-01"]]`` is too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

from rollforward.data.segments import Segment, parse_segment, raw_segments_of
from rollforward.errors import SegmentError

if TYPE_CHECKING:
    import pandas as pd

Ranges: TypeAlias = tuple[Segment, ...]


def is_ranges(value: Any) -> bool:
    """Tell a list of ranges from one range, whose parts are times or ``None``."""
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(v, list | tuple | slice) for v in value)


def parts_of(value: Any) -> list[Any]:
    """List the ranges of a segment as they are written; one range gives one."""
    return list(value) if is_ranges(value) else [value]


def parse_ranges(value: Any, name: str = "segment") -> Ranges:
    """Read a segment of one range or several.

    Parameters
    ----------
    value
        A pair of times (see `parse_segment`), or a list of pairs. Several ranges must be in time order and may not
        overlap; only the first one may be open at its start and only the last one at its end.
    name
        What to call the segment in an error.

    Returns
    -------
    Ranges
        Inclusive pairs, at least one.

    Raises
    ------
    SegmentError
        If a range is no pair of times or starts after its end, or the ranges overlap or are out of order.

    Examples
    --------
    >>> len(parse_ranges(["2020-01-01", "2020-02-01"])), len(parse_ranges([("2020", "2021"), ("2023", None)]))
    (1, 2)
    """
    parts = parts_of(value)
    if len(parts) == 1:
        return (parse_segment(parts[0], name),)
    ranges = tuple(parse_segment(pair, f"range {at} of {name}") for at, pair in enumerate(parts))
    for at, ((_, end), (start, _)) in enumerate(pairwise(ranges)):
        if end is None or start is None or start <= end:
            raise SegmentError(
                f"Range {at} of {name} ends {_side(end)}, range {at + 1} starts {_side(start)}.",
                "ranges in time order that do not overlap, counted from 0; open at the very start and end only.",
                "sort them, or join those that overlap.",
            )
    return ranges


def parse_all(segments: Mapping[str, Any]) -> dict[str, Ranges]:
    """Read all segments of a task, each of one range or several.

    Raises
    ------
    SegmentError
        As `parse_ranges`; or if `segments` is not a mapping.
    """
    if not isinstance(segments, Mapping):
        raise SegmentError(f"The segments are {segments!r}.", 'a mapping such as {"train": (start, end), ...}.')
    return {name: parse_ranges(value, f"segment {name!r}") for name, value in segments.items()}


def ranges_of(task: Mapping[str, Any]) -> dict[str, Ranges]:
    """Read the segments of a task, each of one range or several.

    Raises
    ------
    TaskError
        If the task has no segments.
    SegmentError
        If they cannot be read.
    """
    return parse_all(raw_segments_of(task))


def hull(ranges: Sequence[Segment]) -> Segment:
    """Take the start of the first range and the end of the last one; ``None`` = open."""
    return ranges[0][0], ranges[-1][1]


def hulls(segments: Mapping[str, Ranges]) -> dict[str, Segment]:
    """Take the hull of every segment."""
    return {name: hull(ranges) for name, ranges in segments.items()}


def as_written(ranges: Sequence[Segment]) -> Segment | list[Segment]:
    """Write ranges as a task does: one range as a pair, several as a list of pairs."""
    return ranges[0] if len(ranges) == 1 else list(ranges)


def _side(time: pd.Timestamp | None) -> str:
    return "open" if time is None else f"on {time!s}"
