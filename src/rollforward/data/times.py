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
