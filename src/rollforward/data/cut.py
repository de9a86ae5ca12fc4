"""The data as they were on a date: inside `data_cut_at`, later rows do not exist.

A prediction that only used what was known on its date is the same, to the bit, whether later rows exist or not. So
"does anything look ahead?" becomes a question that can be answered by running it: once with all data, once inside a
cut. Loaders leave later rows out of what they hand on and of what they compute from, in what they have cached too;
handlers refuse data that were loaded outside the cut; the calendar's current end is not later than the cut.

The cut belongs to the context: it holds in this thread, and not in threads or processes that are started inside it.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import pandas as pd

from rollforward.data.selection import as_time_bound, time_positions
from rollforward.data.times import last_nanosecond

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rollforward.data.times import TimeLike

__all__ = ["cut_rows", "data_cut", "data_cut_at", "until_cut"]

_DAY_NS = 86_400_000_000_000
_CUT: ContextVar[pd.Timestamp | None] = ContextVar("rollforward_data_cut", default=None)


@contextmanager
def data_cut_at(date: TimeLike | None) -> Iterator[pd.Timestamp | None]:
    """Let rows after a date not exist inside a block.

    Parameters
    ----------
    date
        The last moment of which there are data, inclusive; a date without a time of day means the whole day. Inside
        another cut the earlier one holds. ``None`` cuts nothing.

    Yields
    ------
    pd.Timestamp or None
        The cut that holds.

    Raises
    ------
    CalendarError
        If it is no time.

    Examples
    --------
    >>> from rollforward.data.loader import FileLoader
    >>> with data_cut_at("2020-03-02"):
    ...     FileLoader("bundled:sp500_close").load().index[-1][0]
    Timestamp('2020-03-02 00:00:00')
    """
    cut = _CUT.get()
    if date is not None:
        asked = pd.Timestamp(last_nanosecond(date))
        cut = asked if cut is None else min(asked, cut)
    token = _CUT.set(cut)
    try:
        yield cut
    finally:
        _CUT.reset(token)


def data_cut() -> pd.Timestamp | None:
    """Return the last moment of which there are data; ``None`` if nothing is cut. For loaders of your own."""
    return _CUT.get()


def until_cut(end: Any) -> Any:
    """Take the earlier one of the end of a range and the cut.

    Parameters
    ----------
    end
        Inclusive; ``None`` is open.
    """
    cut = _CUT.get()
    if cut is None:
        return end
    bound = as_time_bound(end)
    if bound is not None and pd.Timestamp(last_nanosecond(bound)) <= cut:
        return end
    # The end of a day to the second: pandas refuses to select by a time that is finer than those of the table.
    return cut.floor("s") if (cut.as_unit("ns").value + 1) % _DAY_NS == 0 else cut


def cut_rows(frame: pd.DataFrame) -> pd.DataFrame:
    """Leave out the rows after the cut.

    Parameters
    ----------
    frame
        Rows sorted by time, their first index level.

    Returns
    -------
        The frame itself if nothing is cut.
    """
    cut = _CUT.get()
    if cut is None:
        return frame
    return frame.iloc[: time_positions(frame.index.get_level_values(0), None, cut)[1]]
