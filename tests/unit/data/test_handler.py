"""Data handlers: what is loaded, processed, fetched and stored."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pandas as pd
import pytest

from rollforward.data.handler import DataHandler, DataHandlerLP
from rollforward.data.processor import Fillna, Processor, ZScoreNorm
from rollforward.errors import ColumnError, DataError, EmptySegmentError, SegmentError

DAYS = pd.date_range("2020-01-01", periods=10, unit="ns")
Z = {"class": "ZScoreNorm", "kwargs": {"fields_group": "feature"}}
WINDOW = {"fit_start_time": "2020-01-01", "fit_end_time": "2020-01-05"}


@pytest.fixture
def frame():
    index = pd.MultiIndex.from_product([DAYS, ["A", "B", "C"]], names=["datetime", "instrument"])
    columns = pd.MultiIndex.from_tuples([("feature", "x"), ("feature", "y"), ("label", "LABEL0")])
    frame = pd.DataFrame(np.arange(90.0).reshape(30, 3) ** 1.5, index=index, columns=columns)
    frame.iloc[4, 2] = frame.iloc[-3:, 2] = np.nan
    return frame


class AddOne(Processor):
    """Writes into what it is given, as a user's processor may."""

    def __call__(self, df):
        df += 1
        return df


class RowCounter(Processor):
    def fit(self, df):
        self.n_rows = len(df)

    def __call__(self, df):
        return df


def test_fetch_rows_and_columns(frame):
    handler = DataHandler(data_loader=frame)
    pd.testing.assert_frame_equal(handler.fetch(col_set="__raw"), frame)
    assert list(handler.fetch().columns) == ["x", "y", "LABEL0"]
    assert list(handler.fetch(col_set="feature").columns) == ["x", "y"]
    assert list(handler.fetch(col_set=["label"]).columns) == [("label", "LABEL0")]
    pd.testing.assert_frame_equal(handler.fetch(col_set=["feature", "label"]), frame)
    assert list(handler.fetch(col_set=[("feature", "y"), "label"]).columns) == [("feature", "y"), ("label", "LABEL0")]
    assert list(handler.fetch(col_set=("feature", "y")).columns) == [("feature", "y")]
    for selector in (slice("2020-01-02", "2020-01-03"), ("2020-01-02", "2020-01-03"), ["2020-01-02", DAYS[2]]):
        pd.testing.assert_frame_equal(handler.fetch(selector, col_set="__raw"), frame.loc["2020-01-02":"2020-01-03"])
    assert handler.get_cols() == ["x", "y", "LABEL0"]
    assert handler.get_cols("__raw") == list(frame.columns)


def test_other_selectors(frame):
    handler = DataHandler(data_loader=frame)
    assert len(handler.fetch(DAYS[3])) == len(handler.fetch("2020-01-04")) == 3
    assert len(handler.fetch("2020-01")) == 30
    assert len(handler.fetch(pd.DatetimeIndex([DAYS[0], DAYS[5]]))) == 6
    assert len(handler.fetch(slice(None, "2019"))) == 0
    assert len(handler.fetch(slice("2020-01-09", None))) == 6
    assert set(handler.fetch("B", level="instrument").index.get_level_values(1)) == {"B"}
    assert set(handler.fetch(["A", "C"], level="instrument").index.get_level_values(1)) == {"A", "C"}
    assert set(handler.fetch(slice("B", None), level=1).index.get_level_values(1)) == {"B", "C"}
    assert len(handler.fetch(frame.index[[3, 7]])) == 2
    assert len(handler.fetch((slice(None), ["A"]), level=None)) == 10


def test_squeeze_and_proc_func(frame):
    handler = DataHandler(data_loader=frame)
    series = handler.fetch("2020-01-04", col_set="label", squeeze=True)
    assert list(series.index) == ["A", "B", "C"]
    doubled = handler.fetch(("2020-01-02", None), col_set="feature", proc_func=lambda df: df.mul(2))
    pd.testing.assert_frame_equal(doubled, 2 * frame.loc["2020-01-02":, "feature"])

    def spoil(df):
        df.iloc[:] = 0
        return df

    handler.fetch(proc_func=spoil)
    pd.testing.assert_frame_equal(handler.fetch(col_set="__raw"), frame)


def test_fetch_refuses_what_is_not_there(frame):
    handler = DataHandlerLP(data_loader=frame)
    with pytest.raises(ColumnError, match="Did you mean 'feature'"):
        handler.fetch(col_set="features")
    with pytest.raises(ColumnError, match="level"):
        handler.fetch(level="date")
    with pytest.raises(DataError, match="Did you mean 'learn'"):
        handler.fetch(data_key="lern")
    with pytest.raises(SegmentError, match="not a time"):
        handler.fetch("train")
    with pytest.raises(SegmentError, match="not a segment"):
        handler.fetch(("2020-01-01", None, None))


def test_fetch_orig_false_copies(frame):
    handler = DataHandler(data_loader=frame, fetch_orig=False)
    data = handler.fetch(col_set="__raw")
    data.iloc[:] = 0
    pd.testing.assert_frame_equal(handler.fetch(col_set="__raw"), frame)


def test_range_of_instruments_and_time(frame):
    handler = DataHandler(["A"], "2020-01-03", "2020-01-05", frame)
    assert list(handler.fetch().index) == [(day, "A") for day in DAYS[2:5]]
    handler.config(instruments=["B"], end_time=None)
    handler.setup_data()
    assert list(handler.fetch().index) == [(day, "B") for day in DAYS[2:]]
    with pytest.raises(EmptySegmentError):
        DataHandler(None, "2021-01-01", None, frame)
    with pytest.raises(TypeError):
        handler.config(unknown=1)


def test_range_selector(frame):
    handler = DataHandler(data_loader=frame)
    assert handler.get_range_selector("2020-01-05", 3) == slice(DAYS[2], DAYS[4])
    assert handler.get_range_selector(DAYS[1], 5) == slice(DAYS[0], DAYS[1])
    with pytest.raises(DataError, match="2020-02-01"):
        handler.get_range_selector("2020-02-01", 3)


def test_append_and_independent(frame):
    kwargs = {
        "data_loader": frame,
        "shared_processors": [{"class": "DropCol", "kwargs": {"col_list": ["y"]}}],
        "infer_processors": [Z],
        "learn_processors": ["DropnaLabel"],
        **WINDOW,
    }
    append, independent = DataHandlerLP(**kwargs), DataHandlerLP(**kwargs, process_type="independent")
    window = frame.loc["2020-01-01":"2020-01-05", ("feature", "x")]
    scaled = ((frame[("feature", "x")] - window.mean()) / window.std(ddof=0)).rename("x")
    has_label = frame[("label", "LABEL0")].notna()
    for handler in (append, independent):
        pd.testing.assert_frame_equal(handler.fetch(col_set="__raw", data_key="raw"), frame)
        pd.testing.assert_series_equal(handler.fetch(data_key="infer")["x"], scaled)
        assert handler.get_cols(data_key="learn") == ["x", "LABEL0"]
    pd.testing.assert_series_equal(append.fetch(data_key="learn")["x"], scaled[has_label])
    unscaled = frame[("feature", "x")].rename("x")
    pd.testing.assert_series_equal(independent.fetch(data_key="learn")["x"], unscaled[has_label])


def test_processor_that_writes_does_not_reach_raw_or_infer_data(frame):
    handler = DataHandlerLP(
        data_loader=frame, infer_processors=[AddOne()], learn_processors=[AddOne(), Fillna(), AddOne()]
    )
    pd.testing.assert_frame_equal(handler.fetch(col_set="__raw", data_key="raw"), frame)
    pd.testing.assert_frame_equal(handler.fetch(col_set="__raw"), frame + 1)
    pd.testing.assert_frame_equal(handler.fetch(col_set="__raw", data_key="learn"), (frame + 2).fillna(0) + 1)


def test_init_types(frame):
    counter = RowCounter()
    handler = DataHandlerLP(data_loader=frame, learn_processors=["DropnaLabel", counter])
    assert counter.n_rows == 26
    handler.setup_data(init_type="fit_ind")
    assert counter.n_rows == 30
    handler.config(end_time="2020-01-02")
    handler.setup_data(init_type="load_state")
    assert counter.n_rows == 30
    handler.setup_data(init_type="fit_seq", enable_cache=True)
    assert counter.n_rows == 5
    with pytest.raises(DataError, match="Did you mean 'load_state'"):
        handler.setup_data(init_type="load_stat")


def test_stored_handler_has_no_data_but_what_was_learned(frame):
    handler = DataHandlerLP(data_loader=frame, infer_processors=[Z], **WINDOW)
    expected = handler.fetch(slice("2020-01-08", None))
    restored = pickle.loads(pickle.dumps(handler))
    with pytest.raises(DataError, match="setup_data"):
        restored.fetch()
    restored.config(start_time="2020-01-08")
    restored.setup_data(init_type="load_state")
    pd.testing.assert_frame_equal(restored.fetch(), expected)
    handler.config(dump_all=True)
    pd.testing.assert_frame_equal(pickle.loads(pickle.dumps(handler)).fetch(), handler.fetch())
    pd.testing.assert_frame_equal(copy.deepcopy(handler).fetch(), handler.fetch())


def test_update_of_days_without_labels_leaves_nothing_to_learn_from(frame):
    handler = DataHandlerLP(
        data_loader=frame,
        learn_processors=["DropnaLabel", {"class": "CSRankNorm", "kwargs": {"fields_group": "label"}}],
    )
    handler.config(start_time="2020-01-10")
    handler.setup_data(init_type="load_state")
    assert len(handler.fetch()) == 3
    assert len(handler.fetch(data_key="learn")) == 0


class Stateful(Processor):
    def fit(self, df):
        self._n_rows = len(df)

    def __call__(self, df):
        return df * self._n_rows


def test_what_a_processor_learned_is_stored_under_any_name(frame):
    handler = DataHandlerLP(data_loader=frame, infer_processors=[Stateful()])
    handler.config(dump_all=False, recursive=True)
    restored = pickle.loads(pickle.dumps(handler))
    restored.setup_data(init_type="load_state")
    pd.testing.assert_frame_equal(restored.fetch(), handler.fetch())


def test_repr_says_what_is_loaded(frame):
    handler = DataHandler(["A"], "2020-01-02", None, frame)
    assert repr(handler) == "DataHandler(['A'], '2020-01-02', None, FrameLoader())"


def test_fit_window_moves_with_processor_kwargs(frame):
    handler = DataHandlerLP(data_loader=frame, infer_processors=[Z], **WINDOW)
    handler.config(processor_kwargs={"fit_start_time": "2020-01-06", "fit_end_time": "2020-01-10"})
    handler.setup_data()
    other = DataHandlerLP(
        data_loader=frame, infer_processors=[Z], fit_start_time="2020-01-06", fit_end_time="2020-01-10"
    )
    pd.testing.assert_frame_equal(handler.fetch(), other.fetch())
    assert handler.fit_start_time == "2020-01-06"


def test_drop_raw(frame):
    handler = DataHandlerLP(data_loader=frame, drop_raw=True)
    assert len(handler.fetch()) == 30
    with pytest.raises(DataError, match="drop_raw"):
        handler.fetch(data_key="raw")


def test_constructor_refuses(frame):
    with pytest.raises(DataError, match="DropnaLabel"):
        DataHandlerLP(data_loader=frame, infer_processors=["DropnaLabel"])
    with pytest.raises(DataError, match="Did you mean 'append'"):
        DataHandlerLP(data_loader=frame, process_type="apend")
    with pytest.raises(DataError, match="fit window"):
        DataHandlerLP(data_loader=frame, infer_processors=[Z])
    with pytest.raises(DataError, match="not a source"):
        DataHandlerLP()


def test_data_can_be_loaded_later(frame):
    handler = DataHandlerLP(data_loader=frame, init_data=False)
    with pytest.raises(DataError, match="holds no infer data"):
        handler.fetch()
    handler.setup_data()
    assert len(handler.fetch()) == 30


def test_from_df_and_processors(frame):
    assert len(DataHandlerLP.from_df(frame).fetch()) == 30
    z, fill = ZScoreNorm("2020-01-01", "2020-01-05"), Fillna()
    handler = DataHandlerLP(data_loader=frame, infer_processors=[z], learn_processors=[fill])
    assert handler.get_all_processors() == [z, fill]


def test_columns_without_groups(frame):
    flat = frame["feature"]
    handler = DataHandler(data_loader=flat)
    pd.testing.assert_frame_equal(handler.fetch(), flat)
    pd.testing.assert_frame_equal(handler.fetch(col_set=["y"]), flat[["y"]])
    with pytest.raises(ColumnError, match="'label'"):
        handler.fetch(col_set="label")
