"""Inside a cut later rows do not exist: in no loader, no cache, no handler, no calendar."""

from __future__ import annotations

import pickle
import threading

import numpy as np
import pandas as pd
import pytest

from rollforward.data.calendar import Calendar
from rollforward.data.calendar_in_use import resolve
from rollforward.data.cut import cut_rows, data_cut, data_cut_at, until_cut
from rollforward.data.handler import DataHandler, DataHandlerLP
from rollforward.data.loader import CallableLoader, DataLoader, FileLoader, FrameLoader
from rollforward.data.price_handler import PriceHandler
from rollforward.errors import CalendarError, DataError, EmptySegmentError
from rollforward.workflow.task.utils import replace_task_handler_with_cache

DAYS = pd.bdate_range("2020-01-01", periods=40)
CUT = DAYS[24]


def prices(n_days=None, late=None):
    close = pd.DataFrame(
        np.exp(np.random.default_rng(1).normal(0, 0.02, (len(DAYS), 3)).cumsum(0)), index=DAYS, columns=list("ABC")
    )
    if late is not None:
        close.loc[:late, "C"] = np.nan
    return close.iloc[:n_days]


def last_of(frame):
    return frame.index[-1][0]


@pytest.fixture(params=["file", "frame", "function", "own"])
def loader(request, tmp_path):
    if request.param == "file":
        prices().to_parquet(tmp_path / "prices.parquet")
        return FileLoader(tmp_path / "prices.parquet")
    if request.param == "frame":
        return FrameLoader(prices())
    if request.param == "function":
        return CallableLoader(lambda *_: prices())

    whole = FrameLoader(prices()).load()

    class Own(DataLoader):
        """Knows of no cut."""

        def load(self, instruments=None, start_time=None, end_time=None):
            return whole.copy()

        def identity(self):
            return "own"

    return Own()


def test_loaders_and_caches(loader):
    whole = PriceHandler(source=loader, features=["REV1", "MA5"], horizon=2).fetch(col_set="__raw", data_key="raw")
    assert last_of(whole) == DAYS[-1]
    with data_cut_at(CUT):
        cut = PriceHandler(source=loader, features=["REV1", "MA5"], horizon=2).fetch(col_set="__raw", data_key="raw")
    alone = PriceHandler(source=prices(25), features=["REV1", "MA5"], horizon=2).fetch(col_set="__raw", data_key="raw")
    pd.testing.assert_frame_equal(cut, alone, check_exact=True)
    assert last_of(cut) == CUT
    # The label looks 3 sessions ahead.
    assert cut["label", "LABEL0"].notna().groupby(level=0).all().tolist() == [True] * 22 + [False] * 3
    again = PriceHandler(source=loader, features=["REV1", "MA5"], horizon=2).fetch(col_set="__raw", data_key="raw")
    pd.testing.assert_frame_equal(again, whole, check_exact=True)


def test_plain_handlers(loader):
    handler = DataHandler(data_loader=loader)
    with data_cut_at(CUT):
        with pytest.raises(DataError, match="without a cut"):
            handler.fetch()
        handler.setup_data()
        assert last_of(handler.fetch()) == CUT
        with data_cut_at(DAYS[3]), pytest.raises(DataError, match="up to 2020-01-06"):
            handler.fetch()
    assert last_of(handler.fetch()) == CUT


def test_stored_data_are_refused(tmp_path):
    handler = DataHandlerLP(data_loader=FrameLoader(prices()))
    handler.to_pickle(tmp_path / "handler.pkl", dump_all=True)
    stored = pickle.loads((tmp_path / "handler.pkl").read_bytes())
    assert last_of(stored.fetch()) == DAYS[-1]
    with data_cut_at(CUT), pytest.raises(DataError, match="setup_data"):
        stored.fetch()


def test_no_handler_file_is_built_inside(tmp_path):
    handler = {"class": "rollforward.data.price_handler.PriceHandler", "kwargs": {"source": "bundled:sp500_close"}}
    task = {"model": {}, "dataset": {"kwargs": {"handler": handler}}}
    with data_cut_at("2015-01-02"):
        assert replace_task_handler_with_cache(task, tmp_path) == task
    assert not list(tmp_path.iterdir())


def test_a_function_is_asked_up_to_the_cut():
    asked = []
    loader = CallableLoader(lambda *given: (asked.append(given[2]), prices())[1])
    with data_cut_at(CUT):
        loader.load(None, None, None)
        loader.load(None, None, DAYS[5])
        loader.load(None, None, "2020-12")
    assert asked == [CUT, DAYS[5], CUT]


def test_instruments_that_begin_later():
    source = prices(late=DAYS[30])
    with data_cut_at(CUT):
        raw = PriceHandler(["A", "C"], source=source, features=["REV1"]).fetch(col_set="__raw", data_key="raw")
        plain = FrameLoader(source).load(["A", "C"])
        with pytest.raises(DataError, match="'D'"):
            FrameLoader(source).load(["D"])
    assert set(raw.index.get_level_values(1)) == {"A"}
    assert plain.loc[(slice(None), "A"), "close"].notna().all()


def test_nothing_before_the_first_row():
    with data_cut_at("2019-12-31"), pytest.raises(EmptySegmentError, match="no row"):
        FrameLoader(prices()).load()


def test_a_day_is_whole_and_an_instant_is_not():
    bars = pd.date_range("2020-01-01 09:00", "2020-01-02 16:00", freq="h")
    frame = pd.DataFrame({"close": 1.0}, pd.MultiIndex.from_product([bars, ["A"]], names=["datetime", "instrument"]))
    with data_cut_at("2020-01-01"):
        assert last_of(cut_rows(frame)) == pd.Timestamp("2020-01-01 23:00")
    with data_cut_at(pd.Timestamp("2020-01-01 12:00")):
        assert last_of(cut_rows(frame)) == pd.Timestamp("2020-01-01 12:00")


def test_calendar_has_no_later_current_end():
    calendar = Calendar(DAYS)
    with data_cut_at(CUT):
        assert resolve(calendar).current_end == CUT
        assert resolve(calendar).last == DAYS[-1]
        assert resolve(Calendar(DAYS[:5])).current_end == DAYS[4]
    assert resolve(calendar) is calendar


def test_nested_cuts_and_threads():
    seen = []
    with data_cut_at("2020-01-10") as outer:
        with data_cut_at("2020-01-20") as inner:
            assert inner == outer
        with data_cut_at("2020-01-05"), data_cut_at(None) as innermost:
            assert innermost == data_cut() == pd.Timestamp("2020-01-06") - pd.Timedelta(1)
        thread = threading.Thread(target=lambda: seen.append(data_cut()))
        thread.start()
        thread.join()
    assert seen == [None]
    assert data_cut() is None
    assert until_cut(None) is None
    with pytest.raises(CalendarError), data_cut_at("yesterday"):
        pass
