"""The trading days of exchanges, and when they close."""

from __future__ import annotations

import difflib
import time
import warnings
from functools import lru_cache
from typing import Any

import pandas as pd

from rollforward.errors import CalendarError, MissingDependencyError

_FIRST_DAY = pd.Timestamp("1970-01-01")


def now() -> int:
    """Read the clock: nanoseconds since 1970, UTC."""
    return time.time_ns()


@lru_cache(maxsize=16)
def closes(name: str, start: pd.Timestamp | None, end: pd.Timestamp | None) -> pd.Series:
    """Ask exchange_calendars when each trading day of an exchange closes.

    Returns
    -------
    pd.Series
        Nanoseconds since 1970, UTC, by trading day.

    Raises
    ------
    MissingDependencyError
        If exchange_calendars is not installed.
    CalendarError
        If the exchange is unknown or the range is not covered.
    """
    module = _module(name)
    try:
        with warnings.catch_warnings():  # which of pandas' old ways exchange_calendars takes is no news for our users
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.simplefilter("ignore", FutureWarning)
            return _closes_of(module, name, start, end)
    except module.errors.InvalidCalendarName as error:
        near = difflib.get_close_matches(name, module.get_calendar_names(), n=3) or ["XNYS", "XLON", "XHKG"]
        raise CalendarError(
            f"{name!r} is neither the name of an exchange nor a data file.",
            f"a name that exchange_calendars knows, such as {', '.join(near)}; or the path of a data file.",
        ) from error
    except (ValueError, module.errors.CalendarError) as error:
        raise CalendarError(f"exchange_calendars cannot give {name!r}: {error}", "a range that it covers.") from error


def last_closed(name: str, start: pd.Timestamp | None, end: pd.Timestamp | None) -> pd.Timestamp:
    """Find the last session whose close has passed; a session that trades has not happened yet.

    Before the first close it is today. Errors as of `closes`.
    """
    schedule, moment = closes(name, start, end), now()
    n_closed = int(schedule.to_numpy().searchsorted(moment, side="right"))
    return schedule.index[n_closed - 1] if n_closed else pd.Timestamp(moment).normalize()


def _closes_of(module: Any, name: str, start: pd.Timestamp | None, end: pd.Timestamp | None) -> pd.Series:
    if start is None:
        bound = module.get_calendar(name).bound_min()
        start = _FIRST_DAY if bound is None else max(bound, _FIRST_DAY)
    found = module.get_calendar(name, start=start, end=end).closes
    return pd.Series(pd.DatetimeIndex(found).as_unit("ns").asi8, pd.DatetimeIndex(found.index))


def _module(name: str) -> Any:
    try:
        import exchange_calendars  # noqa: PLC0415  an optional dependency
    except ImportError as error:
        purpose = f"the calendar of an exchange ({name!r} is not a data file)"
        raise MissingDependencyError.of("exchange_calendars", "calendars", purpose) from error
    return exchange_calendars
