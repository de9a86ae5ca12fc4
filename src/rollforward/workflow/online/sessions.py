"""Which sessions a routine has to do; the calendar is asked anew each time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from rollforward.data.calendar_in_use import resolve
from rollforward.data.times import as_time
from rollforward.errors import OnlineError

if TYPE_CHECKING:
    from rollforward.data.times import TimeLike


def session_at(time: TimeLike | None, calendar: Any = None) -> pd.Timestamp:
    """Find the last session that has happened at a time.

    Parameters
    ----------
    time
        ``None``: now, that is the last session of the calendar that is not in the future.
    calendar
        Anything that `Calendar.of` takes; ``None``: the calendar of the settings.

    Raises
    ------
    OnlineError
        If it is a session that the calendar has in the future, or before its first session.
    """
    sessions = resolve(calendar)
    if time is None:
        return sessions.current_end
    position = sessions.position(time, "end")
    if position < 0:
        raise OnlineError(
            f"{as_time(time)!s} lies before the first session of the calendar, {sessions.first!s}.",
            "a session that has happened.",
        )
    if position >= sessions.n_current:
        raise OnlineError(
            f"{sessions[position]!s} lies in the future: the last session so far is {sessions.current_end!s}.",
            "a session that has happened.",
            "Refresh the data or the calendar, or leave the time out to work up to the last session.",
        )
    return sessions[position]


def sessions_between(after: pd.Timestamp, until: pd.Timestamp, calendar: Any = None) -> list[pd.Timestamp]:
    """List the sessions after a session (exclusive) until another one (inclusive)."""
    found = resolve(calendar).sessions(after, until)
    return [session for session in found if session > after]


def session_after(session: pd.Timestamp, calendar: Any = None) -> pd.Timestamp:
    """Find the session after one; a calendar that ends there only says that it comes later."""
    sessions = resolve(calendar)
    position = sessions.position(session, "end") + 1
    if position < len(sessions):
        return sessions[position]
    return session + (pd.Timedelta(days=1) if sessions.is_daily else pd.Timedelta(1, "ns"))
