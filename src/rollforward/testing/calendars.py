"""Small calendars to test with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from rollforward.data.calendar import Calendar

if TYPE_CHECKING:
    from rollforward.data.times import TimeLike


def business_days(
    start: TimeLike = "2020-01-01", end: TimeLike = "2020-02-28", current_end: TimeLike | None = None
) -> Calendar:
    """Make a calendar of the days from Monday to Friday.

    Parameters
    ----------
    start, end
        Both inclusive.
    current_end
        Last day that is not in the future; ``None``: `end`.
    """
    return Calendar(pd.bdate_range(start, end), current_end)
