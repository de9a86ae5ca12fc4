from __future__ import annotations

import builtins
import datetime as dt
import pickle

import numpy as np
import pandas as pd
import pytest

from rollforward import settings
from rollforward.data.calendar import Calendar
from rollforward.data.calendar_in_use import resolve
from rollforward.errors import (
    CalendarError,
    DataSourceError,
    MissingDependencyError,
    NotASessionError,
    OutOfCalendarError,
)
from rollforward.testing.calendars import business_days

CAL = business_days("2020-01-01", "2020-01-31", current_end="2020-01-18")


def test_sessions_are_inclusive_and_snap_inwards():
    assert CAL.sessions("2020-01-04", "2020-01-12").strftime("%d").tolist() == ["06", "07", "08", "09", "10"]
    assert CAL.sessions("2020-01-06", "2020-01-07").strftime("%d").tolist() == ["06", "07"]


def test_the_future_counts_only_when_asked():
    assert CAL.current_end == pd.Timestamp("2020-01-17")
    assert CAL.sessions()[-1] == CAL.current_end
    assert CAL.sessions("2020-01-16", "2020-01-21", future=True).strftime("%d").tolist() == ["16", "17", "20", "21"]


@pytest.mark.parametrize(("start", "end"), [("2020-02-03", None), (None, "2019-12-31"), ("2020-01-04", "2020-01-05")])
def test_no_session_within_the_bounds(start, end):
    assert CAL.sessions(start, end, future=True).empty


def test_index_of_a_session_and_of_its_neighbours():
    assert CAL.index_of("2020-01-06") == 3
    assert CAL.index_of("2020-01-04", "next") == 3
    assert CAL.index_of("2020-01-04", "previous") == 2
    assert CAL.index_of(dt.date(2020, 1, 6)) == CAL.index_of(np.datetime64("2020-01-06")) == 3


def test_a_time_that_is_no_session_names_its_neighbours():
    with pytest.raises(NotASessionError, match=r"2020-01-03 00:00:00 and 2020-01-06") as caught:
        CAL.index_of("2020-01-04")
    assert "direction=" in caught.value.remedy


@pytest.mark.parametrize(
    ("time", "direction"), [("2020-03-01", "next"), ("2019-01-01", "previous"), ("9999-12-31", "next")]
)
def test_outside_is_an_error_and_never_wraps(time, direction):
    with pytest.raises(OutOfCalendarError, match="from 2020-01-01"):
        CAL.index_of(time, direction)


def test_a_direction_that_does_not_exist():
    with pytest.raises(CalendarError, match="'left'"):
        CAL.index_of("2020-01-06", "left")


def test_shift():
    assert CAL.shift("2020-01-03", 1) == pd.Timestamp("2020-01-06")
    assert CAL.shift("2020-01-04", -1, "next") == pd.Timestamp("2020-01-03")
    with pytest.raises(OutOfCalendarError, match="by -4 sessions"):
        CAL.shift("2020-01-03", -4)


def test_truncate_keeps_what_is_in_the_future_apart():
    cut = CAL.truncate("2020-01-10", "2020-01-22")

    assert (cut.first, cut.last, cut.current_end) == tuple(pd.to_datetime(["2020-01-10", "2020-01-22", "2020-01-17"]))
    assert CAL.truncate(future=False).last == CAL.current_end
    assert CAL.truncate() is CAL


def test_it_is_a_value():
    same = Calendar(list(CAL), "2020-01-17")

    assert same == CAL
    assert hash(same) == hash(CAL)
    assert pickle.loads(pickle.dumps(CAL)) == CAL
    assert Calendar(list(CAL)) != CAL
    assert list(CAL) != CAL


def test_it_is_a_sequence():
    assert len(CAL) == 23
    assert next(iter(CAL)) == CAL[0] == CAL.first
    assert "2020-01-06" in CAL
    assert "2020-01-04" not in CAL
    assert "no time" not in CAL
    assert CAL.is_session("2020-01-31")
    with pytest.raises(OutOfCalendarError):
        CAL[23]


def test_repr_tells_the_range_and_the_future():
    assert repr(CAL) == (
        "Calendar(23 sessions from 2020-01-01 00:00:00 to 2020-01-31 00:00:00, of them 10 after 2020-01-17)"
    )


@pytest.mark.parametrize(
    ("sessions", "message"),
    [
        ([], "no sessions"),
        (["2020-01-02", "2020-01-01"], "2020-01-01 00:00:00, after 2020-01-02"),
        (["2020-01-01", "2020-01-01"], "strictly increasing"),
        (pd.date_range("2020-01-01", periods=2, tz="UTC"), "time zone UTC"),
        ([pd.Timestamp("2020-01-01", tz="UTC"), pd.Timestamp("2020-01-02", tz="Asia/Tokyo")], "times"),
        ([pd.Timestamp("2020-01-01"), pd.NaT], "not times"),
        ([20200101, 20200102], "not times"),
        (["yesterday"], "times"),
        (None, "times"),
        (3, "times"),
    ],
)
def test_what_is_no_calendar(sessions, message):
    with pytest.raises(CalendarError, match=message):
        Calendar.of(sessions)


def test_current_end_before_the_first_session():
    with pytest.raises(CalendarError, match="before the first session"):
        Calendar(["2020-01-02"], current_end="2020-01-01")


@pytest.mark.parametrize("time", ["2020-01-01T00:00Z", 20200101, None, "soon", pd.NaT, 1.5])
def test_what_is_no_time(time):
    with pytest.raises(CalendarError, match="not a time"):
        CAL.position(time)


def test_intraday_sessions_are_as_good_as_days():
    bars = Calendar(pd.date_range("2020-01-02 09:30", periods=10, freq="5min"))

    assert bars.shift("2020-01-02 09:31", 2, "next") == pd.Timestamp("2020-01-02 09:45")
    assert len(bars.sessions("2020-01-02 09:32", "2020-01-02 09:50")) == 4


LONG = pd.DataFrame(
    {"x": range(4)},
    index=pd.MultiIndex.from_product(
        [pd.to_datetime(["2020-01-03", "2020-01-02"]), ["A", "B"]], names=["datetime", "instrument"]
    ),
)
DAYS = Calendar(["2020-01-02", "2020-01-03"])


@pytest.mark.parametrize(
    "data",
    [
        LONG,
        LONG["x"],
        LONG.index,
        LONG.reset_index(),
        LONG.reset_index().rename(columns={"datetime": "Date"}),
        LONG.droplevel("instrument"),
        pd.Series(["2020-01-03", "2020-01-02", "2020-01-03"]),
        DAYS,
        ["2020-01-02", "2020-01-03"],
        np.array(["2020-01-02", "2020-01-03"], dtype="datetime64[D]"),
        pd.DatetimeIndex(["2020-01-02", "2020-01-03"]),
    ],
)
def test_of_anything_with_dates(data):
    assert Calendar.of(data) == DAYS


def test_data_without_dates():
    with pytest.raises(CalendarError, match=r"columns \['x'\]"):
        Calendar.of(pd.DataFrame({"x": [1]}))
    with pytest.raises(CalendarError, match="index levels"):
        Calendar.of(LONG.rename_axis(["a", "b"]))


@pytest.mark.parametrize("name", ["long.csv", "long.csv.gz", "long.parquet", "columns.parquet", "days.txt", "wide.csv"])
def test_of_a_file(tmp_path, name):
    path = tmp_path / name
    if name == "days.txt":
        path.write_text("2020-01-02\n2020-01-03\n")
    elif name == "wide.csv":
        LONG.reset_index().pivot_table("x", "datetime", "instrument").rename_axis("Day").to_csv(path)
    elif name == "columns.parquet":
        LONG.reset_index().to_parquet(path)
    elif name.endswith("parquet"):
        LONG.to_parquet(path)
    else:
        LONG.to_csv(path)

    assert Calendar.of(str(path)) == Calendar.of(path) == DAYS
    assert Calendar.from_file(path, current_end="2020-01-02").current_end == DAYS.first


def test_dates_of_a_file_that_could_mean_two_days(tmp_path):
    path = tmp_path / "european.csv"
    days = pd.bdate_range("2021-01-01", "2021-01-29")
    pd.DataFrame({"date": days.strftime("%d/%m/%Y"), "close": 1.0}).to_csv(path, index=False)
    with pytest.raises(CalendarError, match="does not hold times"):
        Calendar.of(path)
    pd.DataFrame({"date": days.strftime("%m/%d/%Y"), "close": 1.0}).to_csv(path, index=False)
    assert Calendar.of(path).sessions().equals(days)


def test_texts_of_different_length_are_times():
    assert Calendar(["2024-01-02", "2024-01-02 09:30", "2024-01-03T10:00:00"])[1] == pd.Timestamp("2024-01-02 09:30")


def test_a_file_that_changes_is_read_again(tmp_path):
    path = tmp_path / "days.txt"
    path.write_text("2020-01-02")
    assert len(Calendar.of(path)) == 1

    path.write_text("2020-01-02\n2020-01-03")

    assert len(Calendar.of(path)) == 2


def test_of_the_bundled_data():
    calendar = Calendar.of("bundled:sp500_close")

    assert len(calendar) == 8313
    assert (calendar.first, calendar.last) == tuple(pd.to_datetime(["1990-01-02", "2022-12-28"]))


def test_files_that_cannot_be_used(tmp_path):
    with pytest.raises(DataSourceError, match=r"nowhere\.csv"):
        Calendar.of("nowhere.csv")
    (tmp_path / "broken.parquet").write_text("no parquet")
    with pytest.raises(DataSourceError, match=r"broken\.parquet"):
        Calendar.of(tmp_path / "broken.parquet")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(DataSourceError, match=r"empty\.csv"):
        Calendar.of(tmp_path / "empty.csv")


class TestExchange:
    @pytest.fixture(autouse=True)
    def _needs_the_extra(self):
        pytest.importorskip("exchange_calendars")

    def test_days_with_the_future(self):
        calendar = Calendar.from_exchange("XNYS", "2024-01-01", "2024-12-31", today="2024-07-04")

        assert calendar.first == pd.Timestamp("2024-01-02")
        assert calendar.current_end == pd.Timestamp("2024-07-03")  # the fourth is a holiday
        assert len(calendar) == 252

    def test_by_name_reaches_from_1970_into_the_future(self):
        calendar = Calendar.of("XNYS")

        assert calendar.first == pd.Timestamp("1970-01-02")
        assert calendar.current_end < calendar.last

    @pytest.mark.parametrize(
        ("now", "last"),
        [
            ("2024-07-05 13:29", "2024-07-03"),  # before the open, after a holiday
            ("2024-07-05 19:59", "2024-07-03"),  # it trades
            ("2024-07-05 20:00", "2024-07-05"),  # it has closed
            ("2024-07-06 12:00", "2024-07-05"),
            ("2024-07-03 17:00", "2024-07-03"),  # it closes early that day
        ],
    )
    def test_a_session_counts_once_it_has_closed(self, monkeypatch, now, last):
        monkeypatch.setattr("rollforward.data.exchanges.now", lambda: pd.Timestamp(now).value)
        assert Calendar.of("XNYS").current_end == pd.Timestamp(last)

    def test_a_calendar_that_starts_later(self):
        assert Calendar.of("XSHG").first.year == 1990

    def test_unknown_names_suggest_known_ones(self):
        with pytest.raises(CalendarError, match="XNYS"):
            Calendar.of("XNYSE")

    def test_a_range_that_is_not_covered(self):
        with pytest.raises(CalendarError, match="XSHG"):
            Calendar.from_exchange("XSHG", "1980-01-01")


def test_an_exchange_without_the_extra(monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "exchange_calendars":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingDependencyError, match=r"rollforward\[calendars\]"):
        Calendar.from_exchange("XNYS", "2000-01-01", today="2001-02-03")


def test_resolve_prefers_what_is_given_to_the_settings():
    with settings.override(calendar=["2020-01-02", "2020-01-03"]):
        assert resolve() == DAYS
        assert resolve(CAL) is CAL


def test_no_calendar_anywhere_says_how_to_give_one():
    with pytest.raises(CalendarError, match=r"rollforward\.init\(calendar="):
        resolve()
