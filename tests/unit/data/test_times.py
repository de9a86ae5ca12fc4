"""What a date means where a time is asked for."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from rollforward.data.calendar import Calendar
from rollforward.data.segments import parse_segment
from rollforward.data.spans import align_segment
from rollforward.errors import CalendarError

BARS = Calendar([day + pd.Timedelta(hours=h) for day in pd.date_range("2020-01-06", periods=5) for h in (0, 6, 12, 18)])
DAYS = Calendar(pd.date_range("2020-01-06", "2020-03-31"))


@pytest.mark.parametrize(
    "end", ["2020-01-08", "20200108", dt.date(2020, 1, 8), np.datetime64("2020-01-08"), "2020-01-08 23:00"]
)
def test_an_end_that_is_a_date_means_the_whole_day(end):
    assert BARS.position(end, "end") == 11
    assert align_segment(BARS, ("2020-01-06", end))[1] == pd.Timestamp("2020-01-08 18:00")
    assert len(BARS.sessions("2020-01-08", end)) == 4


@pytest.mark.parametrize(
    "end",
    [pd.Timestamp("2020-01-08"), pd.Timestamp("2020-01-08").to_pydatetime(), "2020-01-08 00:00", "2020-01-08 00:00:00"],
)
def test_a_time_means_that_time(end):
    assert BARS.position(end, "end") == 8


def test_a_start_that_is_a_date_means_its_first_bar():
    assert BARS.position("2020-01-08") == BARS.position(dt.date(2020, 1, 8)) == 8


@pytest.mark.parametrize(
    ("text", "last"),
    [("2020-02", "2020-02-29"), ("2020", "2020-03-31"), ("2020-02-03", "2020-02-03")],
)
def test_an_end_that_is_a_month_or_a_year_means_all_of_it(text, last):
    assert DAYS[DAYS.position(text, "end")] == pd.Timestamp(last)


def test_segments_of_months_are_read_as_their_last_days():
    assert parse_segment(("2020-01", "2020-02")) == (pd.Timestamp("2020-01-01"), pd.Timestamp("2020-02-29"))


def test_a_calendar_of_bars_ends_with_the_day_that_it_is_told():
    assert Calendar(BARS.sessions(), current_end="2020-01-07").n_current == 8
    assert len(BARS.truncate(end="2020-01-07")) == 8


@pytest.mark.parametrize("time", ["9999-12-31", pd.Timestamp("9999-12-31"), "2262-12-31"])
def test_times_that_nanoseconds_do_not_reach(time):
    assert DAYS.position(time, "end") == len(DAYS) - 1


def test_whether_a_calendar_is_daily():
    assert DAYS.is_daily
    assert not BARS.is_daily


@pytest.mark.parametrize("time", [pd.Timestamp("2020-01-08", tz="UTC"), "2020-01-08T00:00Z", 20200108, pd.NaT, "soon"])
def test_what_is_no_time_is_no_end_either(time):
    with pytest.raises(CalendarError):
        DAYS.position(time, "end")
