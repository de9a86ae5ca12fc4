"""The calendar that counts here: what was given, else the settings', cut as the data are."""

from __future__ import annotations

from typing import Any

from rollforward import settings
from rollforward.adapters.qlib import PREFIX, is_started
from rollforward.data.calendar import Calendar
from rollforward.data.cut import data_cut
from rollforward.errors import CalendarError


def resolve(calendar: Any = None) -> Calendar:
    """Make a calendar of what was given, else of the settings.

    Parameters
    ----------
    calendar
        Anything `Calendar.of` takes; ``None``: the calendar of the settings, else the daily one of Qlib's data if they
        are in use. Inside `data_cut_at` its current end is no later than the cut.

    Raises
    ------
    CalendarError
        If no calendar was given and none is set.
    """
    now = settings.current()
    given = now.calendar if calendar is None else calendar
    if given is None and (now.qlib_init is not None or is_started()):
        given = f"{PREFIX}day"
    if given is None:
        raise CalendarError(
            "There is no calendar.",
            "the sessions to count in, from the settings or as an argument.",
            'rollforward.init(calendar="prices.parquet") takes the dates of a data file, calendar="XNYS" those of an '
            "exchange; or pass calendar= where the sessions are needed (--calendar on the command line).",
        )
    found, cut = Calendar.of(given), data_cut()
    if cut is None or found.current_end <= cut:
        return found
    return Calendar(found.sessions(future=True), cut)
