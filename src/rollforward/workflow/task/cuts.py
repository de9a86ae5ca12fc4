"""Where the test range is cut into windows: every so many sessions, at the ends of periods, or at given dates.

A window is a pair of positions in the calendar. Where a window ends follows from where it starts and from nothing else,
so that the windows after a given one are the same whether they are made now or next month.
"""

from __future__ import annotations

import logging
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

import pandas as pd
from pandas.tseries.frequencies import to_offset

from rollforward.data.spans import whole_number
from rollforward.data.times import as_time, nanoseconds
from rollforward.errors import CalendarError, SegmentError

if TYPE_CHECKING:
    from rollforward.data.calendar import Calendar

Step: TypeAlias = int | str | Iterable[Any]
Last: TypeAlias = Literal["whole", "clip", "open"]

logger = logging.getLogger(__name__)

LASTS = ("whole", "clip", "open")

_DAY = pd.Timedelta(days=1)
_NO_CALENDAR_FREQUENCY = (pd.offsets.BusinessHour, pd.offsets.CustomBusinessHour)


class Cuts(Protocol):
    """A way to cut."""

    @property
    def step(self) -> Any:
        """The number, the frequency or the times that it was read from."""

    def end(self, calendar: Calendar, start: int) -> int | None:
        """Find the last session of the window that starts at `start`.

        Returns
        -------
        int or None
            A position; ``len(calendar)`` or more if the window goes on after the calendar; ``None`` if nothing ends it.
        """


@dataclass(frozen=True)
class EverySessions:
    """Windows that start every `n` sessions, and have as many unless another `length` is given."""

    n: int
    length: int | None = None

    @property
    def step(self) -> int:
        """See `Cuts.step`."""
        return self.n

    def end(self, calendar: Calendar, start: int) -> int:  # noqa: ARG002  the protocol
        """See `Cuts.end`."""
        return start + (self.n if self.length is None else self.length) - 1


@dataclass(frozen=True)
class EveryPeriod:
    """Windows that start at the first session after each end of a period (``"ME"``), or at its start (``"MS"``)."""

    freq: str
    offset: Any

    @property
    def step(self) -> str:
        """See `Cuts.step`."""
        return self.freq

    def end(self, calendar: Calendar, start: int) -> int:
        """See `Cuts.end`."""
        until = self._until(calendar[start])
        following = calendar.position(until)
        # After the last day of a daily calendar its period is over; after the last bar more may come.
        is_over = following < len(calendar) or (calendar.is_daily and until == calendar.last + _DAY)
        return following - 1 if is_over else len(calendar)

    def _until(self, time: pd.Timestamp) -> pd.Timestamp:
        """Find the first moment after the period (or the `n` periods) that a time is in."""
        offset, day = self.offset, time.normalize()
        if isinstance(offset, pd.offsets.Day):
            return day + _DAY * offset.n
        if isinstance(offset, pd.offsets.Tick):
            return pd.Timestamp(time.floor(self.freq) + offset)
        one = offset if offset.n == 1 else offset.base
        rest = one * (offset.n - 1) if offset.n > 1 else pd.Timedelta(0)
        if type(offset).__name__.endswith("Begin"):
            return pd.Timestamp(day + one + rest)  # the day itself may be one
        return pd.Timestamp(one.rollforward(day) + rest + _DAY)


@dataclass(frozen=True)
class AtDates:
    """Windows that start at given times; after the last of them nothing ends a window."""

    times: tuple[pd.Timestamp, ...]

    @property
    def step(self) -> tuple[pd.Timestamp, ...]:
        """See `Cuts.step`."""
        return self.times

    def end(self, calendar: Calendar, start: int) -> int | None:
        """See `Cuts.end`."""
        at = bisect_right(self.times, calendar[start])
        if at == len(self.times):
            return None
        following = calendar.position(self.times[at])
        return len(calendar) if following == len(calendar) else following - 1


def read_cuts(step: Any) -> Cuts:
    """Read a step.

    Parameters
    ----------
    step
        A number of sessions; a frequency of pandas, such as ``"ME"``, ``"QE"``, ``"WOM-3FRI"`` or ``"W"``; or the times
        at which windows start, in order.

    Raises
    ------
    SegmentError
        If it is none of these: below 1, no frequency, no times, or times out of order.
    """
    if isinstance(step, str):
        return EveryPeriod(step, _offset(step))
    if isinstance(step, Iterable) and not isinstance(step, Mapping | bytes):
        return AtDates(_times(step))
    return EverySessions(whole_number(step, "step", 1))


def _offset(freq: str) -> Any:
    expected = 'a frequency of pandas: "ME" (month ends), "QE", "YE", "W-FRI", "WOM-3FRI", "D", "2h", ...'
    remedy = "correct it, or give a number of sessions, or the dates at which the windows start."
    try:
        offset = to_offset(freq)
    except ValueError as error:
        raise SegmentError(f"step={freq!r}: {error}", expected, remedy) from error
    if offset is None or offset.n < 1 or isinstance(offset, _NO_CALENDAR_FREQUENCY):
        raise SegmentError(f"step={freq!r} cannot cut a calendar into periods.", expected, remedy)
    return offset


def _times(step: Iterable[Any]) -> tuple[pd.Timestamp, ...]:
    expected = "the times at which windows start, one after the other."
    try:
        times = tuple(as_time(time) for time in step)
    except CalendarError as error:
        raise SegmentError(f"step: {error.given}", expected, error.remedy) from error
    if not times:
        raise SegmentError("step holds no time.", expected, "give at least one cut, or a number of sessions.")
    for at in range(1, len(times)):
        if nanoseconds(times[at]) <= nanoseconds(times[at - 1]):
            raise SegmentError(
                f"step[{at}] is {times[at]!s}, not after {times[at - 1]!s}.", expected, "sort them, drop repeated ones."
            )
    return times


def cut_window(cuts: Cuts, last: str, calendar: Calendar, start: int, limit: int) -> tuple[int, int]:
    """Cut the window that starts at a session.

    Parameters
    ----------
    cuts
        Where windows end.
    last
        What becomes of the window that reaches `limit`: ``"whole"`` keeps its length, ``"clip"`` ends it there,
        ``"open"`` leaves it without an end.
    calendar
        The sessions.
    start
        Position of its first session.
    limit
        Position of the last session to test on.

    Returns
    -------
    tuple
        Positions of its first and its last session; a last one of ``len(calendar)`` or more is open.
    """
    end = cuts.end(calendar, start)
    end = max(limit, start) if end is None else end
    if last == "whole" or end < limit or limit < start:
        return start, end
    return start, limit if last == "clip" else max(end, len(calendar))


def warn_of_end(calendar: Calendar, end: Any) -> None:
    """Warn if the range to test on ends after the calendar does, or after the last session so far; ``None`` = open."""
    if end is None:
        return
    if as_time(end) > calendar.last:
        logger.warning(
            "The test range ends on %s, but the calendar on %s: no fold starts after that. Give a calendar that "
            "reaches further, or end the range earlier.",
            end,
            calendar.last,
        )
    elif as_time(end) > calendar.current_end:
        logger.warning(
            "The test range ends on %s, after the last session so far, %s: no fold starts after that.",
            end,
            calendar.current_end,
        )
