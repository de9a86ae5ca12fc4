"""Choose rows by time or instrument and columns by group; the rows of a frame are sorted, and searched as such."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rollforward.errors import ColumnError, DataError, SegmentError
from rollforward.settings.nearest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

DATETIME = "datetime"
INSTRUMENT = "instrument"

CS_ALL = "__all"
CS_RAW = "__raw"

_N_SHOWN = 20


def nearest(name: object, known: Iterable[object]) -> str:
    """Say which known names there are, the most similar one first, for the text of an error."""
    names = [str(item) for item in known]
    shown = ", ".join(names[:_N_SHOWN]) + (f", ... ({len(names)} in all)" if len(names) > _N_SHOWN else "")
    return f"one of: {shown}. {did_you_mean(name, names)}".rstrip()


def as_time_bound(value: Any) -> Any:
    """Check one end of a time range and bring it to a form pandas can search for.

    A string is left as it is, so that ``"2020-06"`` as an end means the last moment of that month, as in pandas.

    Parameters
    ----------
    value
        ``None`` for an open end, a string, a date, a datetime, ``numpy.datetime64`` or ``Timestamp``; without a time
        zone.

    Raises
    ------
    SegmentError
        If it is no time, or has a time zone.
    """
    if value is None:
        return None
    if not isinstance(value, str | dt.date | np.datetime64):
        raise SegmentError(
            f"{value!r} is not a time.", "a date such as '2020-01-31', a Timestamp, or None for an open end."
        )
    try:
        time = pd.Timestamp(value)
    except ValueError as error:
        raise SegmentError(f"{value!r} is not a time.", "a date such as '2020-01-31', or None.") from error
    if pd.isna(time):
        return None
    if time.tzinfo is not None:
        raise SegmentError(
            f"{value!r} has a time zone.",
            "times without a zone, as in the data.",
            "Drop the zone with tz_localize(None).",
        )
    return value if isinstance(value, str) else time


def time_positions(times: pd.Index, start: Any, end: Any) -> tuple[int, int]:
    """Find the half-open range of positions whose times lie from ``start`` to ``end``, both inclusive.

    Parameters
    ----------
    times
        Sorted datetimes, repeats allowed.
    start, end
        ``None`` is open.

    Raises
    ------
    SegmentError
        If a bound is not a time.
    """
    first, last = times.slice_locs(as_time_bound(start), as_time_bound(end))
    return int(first), max(int(first), int(last))


def as_slice(segment: Any) -> slice:
    """Turn a pair of bounds, in a tuple, a list or a slice, into a slice; an end of -1 means open.

    Raises
    ------
    SegmentError
        If it is not a pair.
    """
    if isinstance(segment, tuple | list) and len(segment) == 2:  # noqa: PLR2004 - a pair has two ends
        segment = slice(*segment)
    if isinstance(segment, slice):
        if segment.step is not None:
            raise SegmentError(f"The segment {segment!r} has a step.", "a start and an end.")
        return slice(segment.start, None) if _is_until_now(segment.stop) else segment
    raise SegmentError(f"{segment!r} is not a segment.", "a pair (start, end), both inclusive, None for an open end.")


def _is_until_now(bound: Any) -> bool:
    return isinstance(bound, int) and bound == -1  # Qlib's other way to write an open end


def covered(times: pd.Index) -> str:
    """Say what a time index covers, for the text of an error."""
    return f"the data cover {times[0]} to {times[-1]}" if len(times) else "the data have no row"


def select_rows(frame: pd.DataFrame, selector: Any, level: str | int | None = DATETIME) -> pd.DataFrame:
    """Select rows of a frame indexed ``(datetime, instrument)`` and sorted; no row selected is no error here.

    Parameters
    ----------
    frame
        Rows sorted by ``(datetime, instrument)``.
    selector
        On the level ``datetime``: a slice or a pair of bounds (inclusive), one time, or an Index of times. On the
        level ``instrument``: one name, a list of names, or a slice. A ``MultiIndex`` names rows.
    level
        Name or number of the level; ``None`` hands the selector to ``.loc`` as it is.

    Raises
    ------
    SegmentError
        If a time cannot be read as one.
    ColumnError
        If there is no such level.
    """
    if level is None or isinstance(selector, pd.MultiIndex):
        rows: pd.DataFrame = frame.loc[selector, :]
        return rows
    position = _level_number(frame.index, level)
    if isinstance(selector, slice) and selector == slice(None):
        return frame
    keys = frame.index.get_level_values(position)
    if position != 0:
        return _select_instruments(frame, keys, selector)
    if isinstance(selector, pd.Index):
        return frame[keys.isin(selector)]
    bounds = as_slice(selector) if isinstance(selector, slice | tuple | list) else slice(selector, selector)
    first, last = time_positions(keys, bounds.start, bounds.stop)
    return frame.iloc[first:last]


def select_window(frame: pd.DataFrame, start: Any, end: Any) -> pd.DataFrame:
    """Select the rows from one time to another, or from each of several starts to its end.

    Parameters
    ----------
    frame
        Rows sorted by ``(datetime, instrument)``.
    start, end
        Both inclusive, ``None`` open; or two lists of as many times, in time order.

    Raises
    ------
    SegmentError
        If a time cannot be read as one, or the lists do not fit each other.
    """
    if not isinstance(start, list | tuple) and not isinstance(end, list | tuple):
        return select_rows(frame, slice(start, end))
    if not isinstance(start, list | tuple) or not isinstance(end, list | tuple) or len(start) != len(end):
        raise SegmentError(f"The window is {start!r} to {end!r}.", "two times, or two lists of as many times.")
    found: pd.DataFrame = joined([select_rows(frame, slice(*pair)) for pair in zip(start, end, strict=True)])
    return found


def joined(pieces: Sequence[Any]) -> Any:
    """Put frames, or series, of ranges that follow each other into one; empty ones have no say in its types."""
    filled = [piece for piece in pieces if len(piece)] or list(pieces[:1])
    return filled[0] if len(filled) == 1 else pd.concat(filled)


def _select_instruments(frame: pd.DataFrame, keys: pd.Index, selector: Any) -> pd.DataFrame:
    if isinstance(selector, slice):
        mask = np.ones(len(frame), dtype=bool)
        if selector.start is not None:
            mask &= np.asarray(keys >= selector.start)
        if selector.stop is not None:
            mask &= np.asarray(keys <= selector.stop)
        return frame[mask]
    names = [selector] if isinstance(selector, str) else list(selector)
    return frame[keys.isin(names)]


def _level_number(index: pd.Index, level: str | int) -> int:
    names = list(index.names)
    if isinstance(level, int) and 0 <= level < len(names):
        return level
    if level in names:
        return names.index(level)
    raise ColumnError(f"The data have no index level {level!r}.", f"levels {names}.")


def column_positions(columns: pd.Index, group: Any) -> np.ndarray[Any, np.dtype[np.intp]]:
    """Find the positions of the columns of a group.

    Parameters
    ----------
    columns
        Two levels ``(group, name)``, or names only.
    group
        ``None`` or ``"__all"`` or ``"__raw"`` for all columns, the name of a group, one column as ``(group, name)``, or
        a list of these. Where the columns have one level, a list of their names.

    Raises
    ------
    ColumnError
        If a group or a column does not exist.
    """
    if group is None or (isinstance(group, str) and group in (CS_ALL, CS_RAW)):
        return np.arange(len(columns))
    if isinstance(group, list):
        parts = [column_positions(columns, item) for item in group]
        return np.concatenate(parts) if parts else np.arange(0)
    keys: Sequence[Any] = list(columns)
    if isinstance(columns, pd.MultiIndex) and not isinstance(group, tuple):
        keys = list(columns.get_level_values(0))
    found = np.flatnonzero([key == group for key in keys])
    if not len(found):
        word = "column group" if isinstance(columns, pd.MultiIndex) else "column"
        raise ColumnError(f"There is no {word} {group!r}.", nearest(group, dict.fromkeys(keys)))
    return found


def select_columns(frame: pd.DataFrame, col_set: Any) -> pd.DataFrame:
    """Select a column set: ``"__raw"`` as stored, ``"__all"`` without the group level, a group, or a list of groups.

    One group comes without the group level; a list of groups, or one column ``(group, name)``, keeps it.

    Raises
    ------
    ColumnError
        If a group does not exist.
    """
    positions = column_positions(frame.columns, col_set)
    if len(positions) != frame.shape[1] or not np.array_equal(positions, np.arange(len(positions))):
        frame = frame.iloc[:, as_range(positions)]
    if isinstance(frame.columns, pd.MultiIndex) and isinstance(col_set, str) and col_set != CS_RAW:
        return frame.set_axis(frame.columns.droplevel(0), axis=1)
    return frame


def as_range(positions: np.ndarray[Any, np.dtype[np.intp]]) -> Any:
    """Turn positions that follow each other into a slice, which costs no copy; leave others as they are."""
    if len(positions) and np.array_equal(positions, np.arange(positions[0], positions[0] + len(positions))):
        return slice(int(positions[0]), int(positions[-1]) + 1)
    return positions


def require_sorted(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with its rows sorted by ``(datetime, instrument)``; the same object if they are.

    Raises
    ------
    DataError
        If the index has not these two levels, in any order.
    """
    if not isinstance(frame.index, pd.MultiIndex) or set(frame.index.names) != {DATETIME, INSTRUMENT}:
        raise DataError(
            f"The data are indexed by {list(frame.index.names)}.",
            f"two index levels named {DATETIME!r} and {INSTRUMENT!r}.",
        )
    if frame.index.names[0] != DATETIME:
        frame = frame.swaplevel()
    return frame if frame.index.is_monotonic_increasing else frame.sort_index()
