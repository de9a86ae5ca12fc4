"""Loaders: whichever layout comes in, sorted rows (datetime, instrument) with float columns come out."""

from __future__ import annotations

import datetime as dt
import os
import pickle
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from rollforward.data import loader as loader_module
from rollforward.data.loader import (
    CallableLoader,
    FileLoader,
    FrameLoader,
    StaticDataLoader,
    as_loader,
    resolve_source,
)
from rollforward.errors import ColumnError, DataError, DataSourceError, EmptySegmentError, SegmentError

if TYPE_CHECKING:
    from pathlib import Path

DAYS = pd.date_range("2020-01-01", periods=4, unit="ns")


@pytest.fixture
def wide():
    return pd.DataFrame({"B": [1.0, 2.0, 3.0, 4.0], "A": [10.0, np.nan, 30.0, 40.0]}, index=DAYS.rename("Date"))


@pytest.fixture
def long():
    return pd.DataFrame(
        {
            "date": ["2020-01-02", "2020-01-01", "2020-01-01"],
            "symbol": ["A", "B", "A"],
            "close": [1, 2, 3],
            "volume": [10.5, 20.5, 30.5],
        }
    )


def write(frame: pd.DataFrame, path: Path, **kwargs) -> Path:
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, **kwargs)
    return path


@pytest.mark.parametrize("name", ["p.csv", "p.csv.gz", "p.parquet"])
@pytest.mark.parametrize("layout", ["auto", "wide"])
def test_wide_file_becomes_sorted_rows_without_the_missing_ones(tmp_path, wide, name, layout):
    frame = FileLoader(write(wide, tmp_path / name), layout=layout).load()
    assert frame.index.names == ["datetime", "instrument"]
    assert frame.index.is_monotonic_increasing
    assert list(frame.columns) == ["close"]
    assert frame["close"].to_dict() == {
        (DAYS[0], "A"): 10,
        (DAYS[0], "B"): 1,
        (DAYS[1], "B"): 2,
        (DAYS[2], "A"): 30,
        (DAYS[2], "B"): 3,
        (DAYS[3], "A"): 40,
        (DAYS[3], "B"): 4,
    }


@pytest.mark.parametrize("name", ["p.csv", "p.csv.gz", "p.parquet"])
@pytest.mark.parametrize("layout", ["auto", "long"])
def test_long_file_is_sorted_and_its_numbers_are_floats(tmp_path, long, name, layout):
    frame = FileLoader(write(long, tmp_path / name), layout=layout).load()
    assert list(frame.index) == [(DAYS[0], "A"), (DAYS[0], "B"), (DAYS[1], "A")]
    assert frame["close"].tolist() == [3.0, 2.0, 1.0]
    assert set(frame.dtypes) == {np.dtype("float64")}


def test_times_are_nanoseconds_whatever_wrote_them(tmp_path, wide):
    assert FileLoader(write(wide, tmp_path / "p.csv")).load().index.levels[0].dtype == "datetime64[ns]"


def test_columns_are_renamed_and_chosen(tmp_path, long):
    path = write(long.rename(columns={"date": "d", "symbol": "s"}), tmp_path / "p.csv", index=False)
    loader = FileLoader(path, columns={"d": "datetime", "s": "instrument", "volume": "vol"}, fields=["vol"])
    assert list(loader.load().columns) == ["vol"]


def test_instruments_of_a_csv_stay_as_written(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text("datetime,instrument,close\n2020-01-01,000001,1\n2020-01-01,NA,2\n")
    assert list(FileLoader(path).load().index.get_level_values(1)) == ["000001", "NA"]


def test_empty_fields_of_a_csv_are_missing(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text("datetime,instrument,close,volume\n2020-01-01,A,,1\n2020-01-01,B,NA,2\n")
    assert FileLoader(path).load()["close"].isna().all()
    path.write_text("datetime,instrument,close\n2020-01-01,,1\n")
    with pytest.raises(DataError, match="without an instrument"):
        FileLoader(path).load()


def test_range_is_inclusive_at_both_ends(wide):
    frame = FrameLoader(wide).load(["B"], DAYS[1], "2020-01-03")
    assert list(frame.index) == [(DAYS[1], "B"), (DAYS[2], "B")]


@pytest.mark.parametrize(
    "bound",
    ["2020-01-03", dt.date(2020, 1, 3), dt.datetime(2020, 1, 3), np.datetime64("2020-01-03"), DAYS[2]],  # noqa: DTZ001
)
def test_bounds_may_be_written_in_any_way(wide, bound):
    assert len(FrameLoader(wide).load("B", bound)) == 2


@pytest.mark.parametrize("bound", [20200103, "soon", pd.Timestamp("2020-01-03", tz="UTC"), True])
def test_bound_that_is_no_plain_time_is_refused(wide, bound):
    with pytest.raises(SegmentError):
        FrameLoader(wide).load(None, bound)


@pytest.mark.parametrize("instruments", [None, "all", ["A", "B"], ("B", "A")])
def test_all_instruments(wide, instruments):
    assert len(FrameLoader(wide).load(instruments)) == 7


def test_unknown_instrument_names_the_nearest_and_the_list():
    frame = pd.DataFrame({"AAPL": [1.0], "MSFT": [2.0]}, index=DAYS[:1])
    with pytest.raises(DataError, match=r"'APPL'(.|\n)*AAPL, MSFT(.|\n)*Did you mean 'AAPL'"):
        FrameLoader(frame).load(["MSFT", "APPL"])


def test_range_without_rows_says_what_is_covered(wide):
    with pytest.raises(EmptySegmentError, match=r"2021-01-01(.|\n)*2020-01-01 .* to 2020-01-04"):
        FrameLoader(wide).load(None, "2021-01-01")


def test_missing_file(tmp_path):
    with pytest.raises(DataSourceError, match=r"none\.csv"):
        FileLoader(tmp_path / "none.csv").load()
    with pytest.raises(FileNotFoundError):
        FileLoader(tmp_path / "none.csv").load()


def test_unknown_bundled_data_names_the_known():
    with pytest.raises(DataSourceError, match="sp500_close"):
        resolve_source("bundled:sp500")


@pytest.mark.parametrize(
    ("name", "content"), [("p.parquet", b"no parquet"), ("p.csv", b""), ("p.txt", b"a"), ("p.csv.gz", b"x")]
)
def test_unreadable_file(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataSourceError):
        FileLoader(path).load()


def test_missing_columns_name_the_nearest(tmp_path, long):
    path = write(long, tmp_path / "p.csv", index=False)
    with pytest.raises(ColumnError, match="Did you mean 'close'"):
        FileLoader(path, fields=["clsoe"]).load()
    with pytest.raises(ColumnError, match="Did you mean 'close'"):
        FileLoader(path, columns={"closs": "c"}).load()
    with pytest.raises(ColumnError, match="instrument"):
        FrameLoader(long.drop(columns="symbol"), layout="long")


def test_duplicate_rows_name_the_first(long):
    with pytest.raises(DataError, match=r"2020-01-01 00:00:00, 'B'\); 1 rows"):
        FrameLoader(pd.concat([long, long.iloc[[1]]]))


def test_duplicate_times_and_instruments_of_a_wide_frame(wide):
    with pytest.raises(DataError, match="two rows for 2020-01-03"):
        FrameLoader(pd.concat([wide, wide.iloc[[2]]]))
    with pytest.raises(DataError, match="two columns named 'A'"):
        FrameLoader(wide.set_axis(["A", "A"], axis=1))


@pytest.mark.parametrize(
    "times",
    [
        ["2020-01-01 00:00+00:00", "2020-01-02 00:00+09:00"],
        ["2020-01-01", "2020-01-02 00:00+09:00"],
        [pd.Timestamp("2020-01-01", tz="UTC"), pd.Timestamp("2020-01-02", tz="Asia/Tokyo")],
    ],
)
def test_mixed_time_zones_are_refused(times):
    with pytest.raises(DataError, match="mixes time zones"):
        FrameLoader(pd.DataFrame({"datetime": times, "instrument": "A", "close": 1.0}))


def test_one_time_zone_is_dropped_and_the_wall_clock_stays(wide):
    frame = FrameLoader(wide.tz_localize("America/New_York")).load()
    assert frame.index[0][0] == DAYS[0]


@pytest.mark.parametrize(
    ("frame", "match"),
    [
        (pd.DataFrame({"datetime": ["x"], "instrument": "A", "close": 1.0}), "cannot be read as times"),
        (
            pd.DataFrame({"datetime": ["01/02/2021", "13/02/2021"], "instrument": "A", "close": 1.0}),
            "'13/02/2021' beside",
        ),
        (
            pd.DataFrame(
                {"datetime": ["2020-01-01 00:00+00:00", "2020-01-02 00:00+01:00", "bad"], "close": 1.0}
            ).assign(instrument="A"),
            "'bad' beside",
        ),
        (pd.DataFrame({"datetime": [20200101], "instrument": "A", "close": 1.0}), "holds numbers"),
        (pd.DataFrame({"datetime": [pd.NaT], "instrument": "A", "close": 1.0}), "without a time"),
        (pd.DataFrame({"datetime": DAYS[:1], "instrument": [None], "close": 1.0}), "without an instrument"),
        (pd.DataFrame({"datetime": DAYS[:1], "instrument": "A", "close": "high"}), "'close' holds something other"),
        (pd.DataFrame({"open": [1.0], "close": [1.0]}, index=DAYS[:1]), "none that names the instrument"),
    ],
)
def test_malformed_frames_are_refused(frame, match):
    with pytest.raises(DataError, match=match):
        FrameLoader(frame)


def test_indexed_frames_in_any_order_of_levels_and_with_column_groups():
    index = pd.MultiIndex.from_product([["B", "A"], DAYS[::-1]], names=["instrument", "datetime"])
    columns = pd.MultiIndex.from_tuples([("feature", "f"), ("label", "l")])
    frame = pd.DataFrame(np.arange(16.0).reshape(8, 2), index=index, columns=columns)
    loaded = FrameLoader(frame).load()
    assert loaded.columns.equals(columns)
    assert loaded.loc[(DAYS[0], "A"), ("label", "l")] == frame.loc[("A", DAYS[0]), ("label", "l")]
    assert loaded.index.is_monotonic_increasing
    unnamed = frame.rename_axis(index=[None, None])
    pd.testing.assert_frame_equal(FrameLoader(unnamed).load(), loaded)


def test_frames_by_group_are_joined(wide):
    loaded = StaticDataLoader({"feature": wide, "label": wide * 2}).load()
    assert list(loaded.columns) == [("feature", "close"), ("label", "close")]
    assert (loaded["label"] == 2 * loaded["feature"]).all(axis=None)


def test_float32_stays_float32():
    frame = pd.DataFrame({"A": np.array([1, 2], dtype="float32")}, index=DAYS[:2]).stack().rename("close").to_frame()
    assert FrameLoader(frame).load()["close"].dtype == np.float32


def test_frame_loader_does_not_follow_later_changes(wide):
    loader = FrameLoader(wide)
    wide.iloc[0, 0] = -1.0
    assert loader.load().loc[(DAYS[0], "B"), "close"] == 1.0


@pytest.mark.parametrize("make", [FrameLoader, lambda frame: FileLoader("bundled:sp500_close")])
def test_what_was_loaded_may_be_changed(wide, make):
    loader = make(wide)
    first = loader.load()
    expected = first.copy()
    first.iloc[:, 0] = -1.0
    pd.testing.assert_frame_equal(loader.load(), expected)


def test_changed_file_is_read_again_and_unchanged_one_is_not(tmp_path, wide, monkeypatch):
    path = write(wide, tmp_path / "p.csv")
    reads = []
    read = loader_module.read_file
    monkeypatch.setattr(loader_module, "read_file", lambda *args: reads.append(args) or read(*args))
    FileLoader(path).load()
    FileLoader(path).load("A")
    assert len(reads) == 1
    write(wide * 2, path)
    os.utime(path, ns=(1, 1))
    assert FileLoader(path).load().loc[(DAYS[0], "B"), "close"] == 2.0
    FileLoader(path, field="price").load()
    assert len(reads) == 3


def test_callable_loader_is_asked_and_checked(wide):
    asked = []

    def prices(instruments, start_time, end_time):
        asked.append((instruments, start_time, end_time))
        return wide

    assert len(CallableLoader(prices).load(["B"], DAYS[1], DAYS[2])) == 2
    assert asked == [(["B"], DAYS[1], DAYS[2])]
    assert CallableLoader(prices).identity() is None
    assert CallableLoader(prices, version="1").identity() == CallableLoader(prices, version="1").identity()
    assert CallableLoader(prices, version="1").identity() != CallableLoader(prices, version="2").identity()
    with pytest.raises(DataError, match="NoneType"):
        CallableLoader(lambda *_: None).load()


def test_sources_by_what_names_them(tmp_path, wide):
    path = write(wide, tmp_path / "p.csv")
    config = {"class": "FileLoader", "kwargs": {"path": str(path)}}
    for source in (path, str(path), wide, config, lambda *_: wide, FrameLoader(wide)):
        assert len(as_loader(source).load()) == 7
    with pytest.raises(DataError, match="not a source"):
        as_loader(3)


@pytest.mark.parametrize("layout", ["diagonal", ""])
def test_unknown_layout(layout):
    with pytest.raises(DataError, match="no layout"):
        FileLoader("p.csv", layout=layout)


def test_loaders_survive_pickling(wide):
    for loader in (FrameLoader(wide), FileLoader("bundled:sp500_close")):
        pd.testing.assert_frame_equal(pickle.loads(pickle.dumps(loader)).load(), loader.load())


def test_bundled_data_are_what_their_readme_says():
    frame = FileLoader("bundled:sp500_close").load()
    times = frame.index.get_level_values(0)
    assert len(frame) == 8313 * 20
    assert (times[0], times[-1]) == (pd.Timestamp("1990-01-02"), pd.Timestamp("2022-12-28"))
    assert frame.loc[("1990-01-02", "AAPL"), "close"].item() == 0.264
    assert frame.loc[("2022-12-28", "XOM"), "close"].item() == 106.627
    folder = resolve_source("bundled:sp500_close").parent
    assert "BSD 3-Clause" in (folder / "LICENSE-skfolio.txt").read_text()
