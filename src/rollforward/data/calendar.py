"""A calendar: the sessions that segments are counted in.

A session is one trading day or one bar. Everything that moves along time (`segments`, `RollingGen`) counts sessions of
a `Calendar`, never days; so the calendar alone decides whether a step is a day, a minute or a month.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

import pandas as pd

from rollforward.adapters.qlib import PREFIX, is_address, sessions
from rollforward.data import calendar_sources as sources
from rollforward.data import exchanges
from rollforward.data.loader import resolve_source
from rollforward.data.times import as_time, last_nanosecond, nanoseconds
from rollforward.errors import CalendarError, NotASessionError, OutOfCalendarError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rollforward.data.times import TimeLike

Direction: TypeAlias = Literal["next", "previous"]
Side: TypeAlias = Literal["start", "end"]


class Calendar:
    """An immutable, ordered set of sessions.

    Parameters
    ----------
    sessions
        Times in strictly increasing order, time-zone naive; daily sessions are midnights.
    current_end
        Time up to which (inclusive) sessions have happened; later ones are known, but in the future. ``None``: no
        session is in the future.

    Raises
    ------
    CalendarError
        If the sessions are empty, unsorted, repeated, or carry time zones.

    Examples
    --------
    >>> calendar = Calendar(["2024-01-02", "2024-01-03", "2024-01-05"], current_end="2024-01-04")
    >>> len(calendar), calendar.current_end
    (3, Timestamp('2024-01-03 00:00:00'))
    >>> calendar.index_of("2024-01-04", direction="next")
    2
    """

    def __init__(self, sessions: Any, current_end: TimeLike | None = None) -> None:
        self._index = sources.strict_index(sessions)
        self._ns: list[int] = self._index.to_numpy().astype("int64").tolist()
        self._n_current = len(self._ns)
        if current_end is not None:
            self._n_current = self.position(current_end, "end") + 1
        if self._n_current == 0:
            raise CalendarError(
                f"current_end={current_end!s} lies before the first session {self.first!s}.",
                "at least one session that is not in the future.",
                "give a later current_end.",
            )

    @classmethod
    def of(cls, value: Any) -> Calendar:
        """Make a calendar of anything that names or holds sessions.

        Parameters
        ----------
        value
            A `Calendar` (returned as it is); times in order; a frame or series, whose distinct dates count; the path or
            ``bundled:`` address of a data file; the name of an exchange, such as ``"XNYS"``; or ``"qlib:day"``, the
            calendar of that frequency in Qlib's data.

        Raises
        ------
        CalendarError
            If nothing of the above fits.
        DataSourceError
            If the file does not exist.
        MissingDependencyError
            If the name of an exchange is given and exchange_calendars is not installed.
        """
        if isinstance(value, Calendar):
            return value
        if is_address(value):
            return cls(*sessions(value.removeprefix(PREFIX)))
        if isinstance(value, str | Path):
            return cls.from_file(value) if sources.is_file_address(value) else cls.from_exchange(str(value))
        if isinstance(value, pd.DataFrame | pd.Series | pd.MultiIndex):
            return cls.from_data(value)
        if cls is Calendar and isinstance(value, pd.DatetimeIndex):
            return _of_index(_Same(value))
        return cls(value)

    @classmethod
    def from_data(cls, data: pd.DataFrame | pd.Series | pd.Index, current_end: TimeLike | None = None) -> Calendar:
        """Take the distinct dates of data, in order.

        Parameters
        ----------
        data
            Anything with an index level ``datetime``, a ``DatetimeIndex`` or a column ``datetime`` or ``date``.
        current_end
            As for the class.

        Raises
        ------
        CalendarError
            If no dates are found in the data.
        """
        return cls(sources.distinct_dates(data), current_end)

    @classmethod
    def from_file(cls, path: str | Path, current_end: TimeLike | None = None) -> Calendar:
        """Take the distinct dates of a data file, in order; read once per state of the file.

        Parameters
        ----------
        path
            A CSV or parquet file whose dates are its index, its first column or a column ``datetime`` or ``date``; a
            text file with one date a line; or a ``bundled:`` address.
        current_end
            As for the class.

        Raises
        ------
        DataSourceError
            If the file does not exist or cannot be read.
        CalendarError
            If no dates are found in the file.
        """
        file = resolve_source(path)
        stat = file.stat()
        calendar = _file_calendar(str(file.resolve()), stat.st_mtime_ns, stat.st_size)
        return calendar if current_end is None else cls(calendar.sessions(future=True), current_end)

    @classmethod
    def from_exchange(
        cls,
        name: str,
        start: TimeLike | None = None,
        end: TimeLike | None = None,
        today: TimeLike | None = None,
    ) -> Calendar:
        """Take the trading days of an exchange, with those that are still to come.

        Parameters
        ----------
        name
            A name that exchange_calendars knows, such as ``"XNYS"``.
        start
            First day, inclusive; ``None``: 1970 or the first day that is known.
        end
            Last day, inclusive; ``None``: as far as exchange_calendars goes by default, about a year ahead.
        today
            The last day that is not in the future; ``None``: that of the last session that has closed by now.

        Raises
        ------
        MissingDependencyError
            If exchange_calendars is not installed.
        CalendarError
            If the exchange is unknown or the range is not covered.
        """
        first, last = (None if time is None else as_time(time) for time in (start, end))
        day = exchanges.last_closed(name, first, last) if today is None else as_time(today)
        return _exchange_calendar(name, first, last, day)

    @property
    def first(self) -> pd.Timestamp:
        """The first session."""
        return self[0]

    @property
    def last(self) -> pd.Timestamp:
        """The last session, perhaps in the future."""
        return self[-1]

    @property
    def current_end(self) -> pd.Timestamp:
        """The last session that is not in the future."""
        return self[self._n_current - 1]

    @cached_property
    def is_daily(self) -> bool:
        """Whether every session is a day, at midnight; if not, the sessions are bars."""
        return bool((self._index == self._index.normalize()).all())

    @property
    def n_current(self) -> int:
        """How many sessions are not in the future."""
        return self._n_current

    def sessions(
        self,
        start: TimeLike | None = None,
        end: TimeLike | None = None,
        future: bool = False,
    ) -> pd.DatetimeIndex:
        """Select sessions.

        Parameters
        ----------
        start, end
            Inclusive bounds, which need not be sessions; ``None`` = open. An end that is a date means the whole day.
        future
            Whether sessions after `current_end` count.

        Returns
        -------
        pd.DatetimeIndex
            Empty if no session lies within the bounds.
        """
        lower = 0 if start is None else self.position(start, "start")
        upper = len(self) if end is None else self.position(end, "end") + 1
        return self._index[lower : upper if future else min(upper, self._n_current)]

    def truncate(self, start: TimeLike | None = None, end: TimeLike | None = None, future: bool = True) -> Calendar:
        """Make a calendar of the sessions that `sessions` selects.

        Raises
        ------
        CalendarError
            If no session, or only future ones, are left.
        """
        if start is None and end is None and (future or self._n_current == len(self)):
            return self
        return Calendar(self.sessions(start, end, future), self.current_end)

    def position(self, time: TimeLike, side: Side = "start") -> int:
        """Find where a time falls, without complaint when it falls outside.

        Parameters
        ----------
        time
            Need not be a session.
        side
            ``"start"``: the index of the first session not before `time`, up to ``len(calendar)``.
            ``"end"``: the index of the last session not after `time`, down to -1; a date without a time of day (text or
            `datetime.date`) means the whole day, with all its bars.

        Raises
        ------
        CalendarError
            If `time` is not a time-zone naive time.
        """
        if side == "start":
            return bisect_left(self._ns, nanoseconds(as_time(time)))
        return bisect_right(self._ns, last_nanosecond(time)) - 1

    def index_of(self, time: TimeLike, direction: Direction | None = None) -> int:
        """Find the index of a session.

        Parameters
        ----------
        time
            A session, or any time within the calendar when `direction` is given.
        direction
            Which neighbour to take for a time that is not a session; ``None``: refuse it.

        Raises
        ------
        NotASessionError
            If `time` is not a session and no direction is given.
        OutOfCalendarError
            If there is no session in that direction.
        """
        _check_direction(direction)
        index = self.position(time, "end" if direction == "previous" else "start")
        if not 0 <= index < len(self):
            raise self._outside(time)
        if direction is None and self._ns[index] != nanoseconds(as_time(time)):
            raise NotASessionError(
                f"{as_time(time)!s} is not a session.",
                f"a session; its neighbours are {self._around(index)}.",
                'give direction="next" or direction="previous" to take a neighbour.',
            )
        return index

    def shift(self, time: TimeLike, n_sessions: int, direction: Direction | None = None) -> pd.Timestamp:
        """Move a time by a number of sessions.

        Parameters
        ----------
        time, direction
            As in `index_of`.
        n_sessions
            Sessions, not days; negative moves back.

        Raises
        ------
        OutOfCalendarError
            If the result lies outside the calendar.
        """
        target = self.index_of(time, direction) + n_sessions
        if not 0 <= target < len(self):
            raise OutOfCalendarError(
                f"{as_time(time)!s} shifted by {n_sessions} sessions leaves the calendar.",
                f"a session from {self.first!s} to {self.last!s}.",
                "shift by less, or give a calendar that reaches further.",
            )
        return self[target]

    def is_session(self, time: TimeLike) -> bool:
        """Tell whether a time is a session, future ones included."""
        index = self.position(time)
        return index < len(self) and self._ns[index] == nanoseconds(as_time(time))

    def __len__(self) -> int:
        return len(self._ns)

    def __iter__(self) -> Iterator[pd.Timestamp]:
        return iter(self._stamps)

    def __getitem__(self, index: int) -> pd.Timestamp:
        try:
            return self._stamps[index]
        except IndexError as error:
            raise OutOfCalendarError(
                f"Index {index} lies outside the calendar.", f"an index from 0 to {len(self) - 1}."
            ) from error

    def __contains__(self, time: object) -> bool:
        try:
            return self.is_session(cast("TimeLike", time))
        except CalendarError:
            return False

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Calendar):
            return NotImplemented
        return self._n_current == other._n_current and self._ns == other._ns

    def __hash__(self) -> int:
        return hash((len(self._ns), self._n_current, self._ns[0], self._ns[-1]))

    def __repr__(self) -> str:
        n_future = len(self) - self._n_current
        future = f", of them {n_future} after {self.current_end:%Y-%m-%d}" if n_future else ""
        return f"Calendar({len(self)} sessions from {self.first!s} to {self.last!s}{future})"

    def __reduce__(self) -> tuple[type[Calendar], tuple[pd.DatetimeIndex, pd.Timestamp]]:
        return Calendar, (self._index, self.current_end)

    @cached_property
    def _stamps(self) -> list[pd.Timestamp]:
        return self._index.tolist()

    def _around(self, index: int) -> str:
        return " and ".join(str(session) for session in self._index[max(index - 1, 0) : index + 1])

    def _outside(self, time: TimeLike) -> OutOfCalendarError:
        return OutOfCalendarError(
            f"{as_time(time)!s} lies outside the calendar.",
            f"a time from {self.first!s} to {self.last!s}.",
            "change the time, or give a calendar that covers it.",
        )


class _Same:
    """An index, which never changes, as a key: equal only to itself."""

    def __init__(self, index: pd.DatetimeIndex) -> None:
        self.index = index

    def __hash__(self) -> int:
        return id(self.index)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.index is self.index


@lru_cache(maxsize=4)
def _of_index(same: _Same) -> Calendar:
    return Calendar(same.index)


def _check_direction(direction: Any) -> None:
    if direction not in {None, "next", "previous"}:
        raise CalendarError(f"direction={direction!r} is unknown.", '"next", "previous" or None.')


@lru_cache(maxsize=16)
def _file_calendar(path: str, _mtime_ns: int, _size: int) -> Calendar:
    return Calendar(sources.file_dates(Path(path)))


@lru_cache(maxsize=16)
def _exchange_calendar(
    name: str, start: pd.Timestamp | None, end: pd.Timestamp | None, today: pd.Timestamp
) -> Calendar:
    return Calendar(exchanges.closes(name, start, end).index, today)
