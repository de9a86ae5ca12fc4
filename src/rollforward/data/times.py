"""Reading one time: a text, a date, a timestamp; never one with a time zone."""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from rollforward.errors import CalendarError

TimeLike: TypeAlias = str | dt.date | np.datetime64 | pd.Timestamp

_FAR_NS = 2**63 - 1
_DAY_NS = 24 * 60 * 60 * 10**9
_WHOLE = frozenset("YMWD")


def as_time(value: TimeLike) -> pd.Timestamp:
    """Read one time.

    Raises
    ------
    CalendarError
        If the value is not a time, or carries a time zone.
    """
    if isinstance(value, pd.Timestamp) and value.tzinfo is None:
        return value
    return _time_of_text(value) if isinstance(value, str) else _time_of(value)


@lru_cache(maxsize=4096)
def _time_of_text(text: str) -> pd.Timestamp:
    return _time_of(text)


def _time_of(value: Any) -> pd.Timestamp:
    time = None
    if isinstance(value, str | dt.date | np.datetime64):
        try:
            time = pd.Timestamp(value)
        except ValueError as error:
            raise _not_a_time(value) from error
    if time is None or pd.isna(time) or time.tzinfo is not None:
        raise _not_a_time(value)
    return time


def last_nanosecond(value: TimeLike) -> int:
    """Count the nanoseconds until a time is over: a date lasts the whole day, every other time an instant.

    Parameters
    ----------
    value
        A text without a time of day, a `datetime.date` and a `numpy.datetime64` of days are dates. A text of a month or
        a year, such as ``"2024-06"``, lasts as long as that. A Timestamp or a text with a time of day is an instant.

    Raises
    ------
    CalendarError
        If the value is not a time, or carries a time zone.
    """
    if isinstance(value, str):
        return _last_nanosecond_of_text(value)
    time = as_time(value)
    if isinstance(value, np.datetime64) and np.datetime_data(value)[0] in _WHOLE:
        return nanoseconds(pd.Timestamp(value + 1)) - 1
    is_date = isinstance(value, dt.date) and not isinstance(value, dt.datetime)
    return nanoseconds(time) + (_DAY_NS - 1 if is_date else 0)


def last_day(value: TimeLike) -> pd.Timestamp:
    """Read the end of a range: for a text of a month or a year the midnight of its last day, else the time itself."""
    time = as_time(value)
    last = last_nanosecond(value) if isinstance(value, str) else 0
    return pd.Timestamp(last).normalize() if nanoseconds(time) + _DAY_NS < last < _FAR_NS else time


@lru_cache(maxsize=4096)
def _last_nanosecond_of_text(text: str) -> int:
    time = _time_of_text(text)
    try:
        period = pd.Period(text)
        is_instant = isinstance(period.freq, pd.offsets.Tick) and not isinstance(period.freq, pd.offsets.Day)
        if not is_instant and period.start_time == time:
            return (period + 1).start_time.value - 1
    except (ValueError, OverflowError):
        pass  # written in a way, or so far away, that only a Timestamp can hold it: an instant
    return nanoseconds(time)


def _not_a_time(value: Any) -> CalendarError:
    return CalendarError(
        f"{value!r} is not a time of a calendar.",
        'a date or time without time zone, such as "2024-01-31".',
        "quote dates in YAML; drop a time zone with tz_localize(None).",
    )


def nanoseconds(time: pd.Timestamp) -> int:
    """Count the nanoseconds since 1970; a time out of their reach gives the farthest count."""
    try:
        return time.value
    except OverflowError:  # years that int64 nanoseconds do not reach, such as 9999
        return _FAR_NS if time.year > 1970 else -_FAR_NS  # noqa: PLR2004  the epoch
