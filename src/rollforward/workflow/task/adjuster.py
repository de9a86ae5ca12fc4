"""Qlib's calendar arithmetic, on top of `rollforward.data.segments`."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal

from rollforward.data.calendar_in_use import resolve
from rollforward.data.spans import ROLL_EX, ROLL_SD, align_segment, shift_segment, truncate_segment
from rollforward.data.times import as_time
from rollforward.errors import CalendarError, OutOfCalendarError

if TYPE_CHECKING:
    import pandas as pd

    from rollforward.data.calendar import Calendar, Direction, Side
    from rollforward.data.segments import Segment
    from rollforward.data.spans import RollType
    from rollforward.data.times import TimeLike

logger = logging.getLogger(__name__)

_UNTIL_NOW = "-1"  # or the number; Qlib takes both
_DIRECTIONS: Final[dict[str | None, Direction | None]] = {None: None, "left": "previous", "right": "next"}


class TimeAdjuster:
    """Qlib's calendar arithmetic: find, move and cut times and segments, counted in sessions.

    The calendar is looked up whenever it is needed and is no part of a pickle, unless it was given; so an adjuster
    that lives for weeks, or is stored overnight, knows the sessions of today.

    Parameters
    ----------
    future
        Whether sessions count that are still in the future.
    end_time
        Last time that counts, inclusive; ``None``: the calendar's end.
    calendar
        Anything that `Calendar.of` takes; ``None``: the calendar of the settings.
    """

    SHIFT_SD: Final = ROLL_SD
    SHIFT_EX: Final = ROLL_EX

    def __init__(self, future: bool = True, end_time: TimeLike | None = None, *, calendar: Any = None) -> None:
        self._future = future
        self._end_time = end_time
        self._given = calendar
        self._view: tuple[Calendar, Calendar] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_view": None}

    @property
    def given(self) -> Any:
        """The calendar as it was given; ``None``: that of the settings."""
        return self._given

    @property
    def calendar(self) -> Calendar:
        """The sessions that count."""
        whole = resolve(self._given)
        if self._view is None or self._view[0] is not whole:
            self._view = whole, whole.truncate(end=self._end_time, future=self._future)
        return self._view[1]

    @property
    def cals(self) -> pd.DatetimeIndex:
        """The sessions that count, as an index."""
        return self.calendar.sessions(future=True)

    def set_end_time(self, end_time: TimeLike | None = None) -> None:
        """Change the last time that counts; ``None``: the calendar's end."""
        self._end_time, self._view = end_time, None

    def get(self, idx: int | None) -> pd.Timestamp | None:
        """Look up a session by its index.

        Returns
        -------
        pd.Timestamp or None
            ``None`` if `idx` is ``None`` or past the calendar.

        Raises
        ------
        OutOfCalendarError
            If `idx` is negative.
        """
        calendar = self.calendar
        if idx is None or idx >= len(calendar):
            return None
        if idx < 0:
            raise OutOfCalendarError(f"Index {idx} lies before the calendar.", f"an index from 0 ({calendar.first!s}).")
        return calendar[idx]

    def max(self) -> pd.Timestamp:
        """Look up the last session that counts."""
        return self.calendar.last

    def align_idx(self, time_point: TimeLike | None, tp_type: Side = "start") -> int | None:
        """Find the index of the session at, after or before a time.

        Parameters
        ----------
        time_point
            Need not be a session; ``None`` stays ``None``.
        tp_type
            ``"start"``: the first session not before the time, the calendar's length if there is none. ``"end"``: the
            last session not after it, -1 if there is none.

        Raises
        ------
        CalendarError
            If `tp_type` is neither.
        """
        if tp_type not in {"start", "end"}:
            raise CalendarError(f"tp_type={tp_type!r} is unknown.", '"start" or "end".')
        return None if time_point is None else self.calendar.position(time_point, tp_type)

    def cal_interval(self, time_point_A: TimeLike, time_point_B: TimeLike) -> int:  # noqa: N803  Qlib's names
        """Count the sessions from B to A, each moved to the next session."""
        calendar = self.calendar
        return calendar.position(time_point_A) - calendar.position(time_point_B)

    def align_time(self, time_point: TimeLike | None, tp_type: Side = "start") -> pd.Timestamp | None:
        """Find the session at, after or before a time; ``None`` stays ``None``.

        Raises
        ------
        OutOfCalendarError
            If there is no such session.
        """
        idx = self.align_idx(time_point, tp_type)
        if time_point is None or idx is None:
            return None
        return self.calendar[self.calendar.index_of(time_point, "next" if tp_type == "start" else "previous")]

    def align_seg(self, segment: Any) -> Any:
        """Move the bounds of a segment, or of a dictionary of segments, inwards onto sessions.

        Raises
        ------
        OutOfCalendarError
            If a segment lies outside the calendar as a whole.
        EmptySegmentError
            If no session lies within a segment.
        """
        if isinstance(segment, Mapping):
            return {name: self.align_seg(value) for name, value in segment.items()}
        return align_segment(self.calendar, segment)

    def truncate(self, segment: Any, test_start: TimeLike, days: int) -> Segment:
        """Cut a segment so that it ends at least `days` sessions before `test_start`.

        Raises
        ------
        EmptySegmentError
            If nothing of it is left.
        """
        return truncate_segment(self.calendar, segment, test_start, days)

    def shift(self, seg: Any, step: int, rtype: RollType = ROLL_SD) -> Segment:
        """Move a segment by `step` sessions; `rtype` ``"expanding"`` moves its end only.

        Returns
        -------
        Segment
            Open ends stay open; an end past the calendar is ``None``, "until now".

        Raises
        ------
        OutOfCalendarError
            If the start leaves the calendar.
        """
        return shift_segment(self.calendar, seg, step, rtype)


def transform_end_date(end_date: Any = None, freq: str = "day", *, calendar: Any = None) -> Any:  # noqa: ARG001
    """Replace an end that is open or in the future by the last session that has happened.

    Parameters
    ----------
    end_date
        ``None`` and -1 mean "until now".
    freq
        Accepted as in Qlib; the calendar decides.
    calendar
        Anything that `Calendar.of` takes; ``None``: the calendar of the settings.

    Returns
    -------
    object
        The argument as it was given, unless it is replaced.
    """
    last = resolve(calendar).current_end
    if end_date is None or str(end_date) == _UNTIL_NOW:
        return last
    if as_time(end_date) > last:
        logger.warning("The end %s lies after the calendar's last session so far; %s is used.", end_date, last)
        return last
    return end_date


def get_date_by_shift(
    trading_date: TimeLike,
    shift: int,
    future: bool = False,
    clip_shift: bool = True,
    freq: str = "day",  # noqa: ARG001
    align: Literal["left", "right"] | None = None,
    *,
    calendar: Any = None,
) -> pd.Timestamp:
    """Move a date by a number of sessions.

    Parameters
    ----------
    trading_date
        A session, or any time within the calendar when `align` is given.
    shift
        Sessions, not days; negative moves back.
    future
        Whether sessions in the future count.
    clip_shift
        Stop at the calendar's first and last session.
    freq
        Accepted as in Qlib; the calendar decides.
    align
        ``"left"`` takes the previous session for a time that is none, ``"right"`` the next one.
    calendar
        Anything that `Calendar.of` takes; ``None``: the calendar of the settings.

    Raises
    ------
    NotASessionError
        If `trading_date` is not a session and `align` is not given.
    OutOfCalendarError
        If the result, or `trading_date`, lies outside the calendar.
    """
    if align not in _DIRECTIONS:
        raise CalendarError(f"align={align!r} is unknown.", '"left", "right" or None.')
    sessions = resolve(calendar).truncate(future=future)
    index = sessions.index_of(trading_date, _DIRECTIONS[align])
    if clip_shift:
        return sessions[min(max(index + shift, 0), len(sessions) - 1)]
    return sessions.shift(sessions[index], shift)
