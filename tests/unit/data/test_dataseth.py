"""Datasets: segments by name, in every way they are written, and what is wrong with those that are empty."""

# ruff: noqa: PD010 - the reference is computed on wide frames
from __future__ import annotations

import datetime as dt
import pickle

import numpy as np
import pandas as pd
import pytest

from rollforward.data.dataset import Dataset, DatasetH, TSDataSampler, TSDatasetH
from rollforward.data.handler import DataHandlerLP
from rollforward.errors import ColumnError, DataError, EmptySegmentError, SegmentError

DAYS = pd.bdate_range("2020-01-01", periods=20, unit="ns")
SEGMENTS = {"train": ("2020-01-01", "2020-01-10"), "valid": ("2020-01-13", "2020-01-17"), "test": ("2020-01-20", None)}


@pytest.fixture
def frame():
    index = pd.MultiIndex.from_product([DAYS, ["A", "B"]], names=["datetime", "instrument"])
    columns = pd.MultiIndex.from_tuples([("feature", "x"), ("feature", "y"), ("label", "LABEL0"), ("flag", "use")])
    frame = pd.DataFrame(np.arange(160.0).reshape(40, 4), index=index, columns=columns)
    frame[("flag", "use")] = (np.arange(40) % 3 == 0).astype(float)
    frame.iloc[-4:, 2] = np.nan
    return frame


@pytest.fixture
def handler(frame):
    return DataHandlerLP(data_loader=frame, learn_processors=["DropnaLabel"])


def test_named_segments(handler, frame):
    dataset = DatasetH(handler, SEGMENTS)
    train = dataset.prepare("train", col_set="__raw")
    pd.testing.assert_frame_equal(train, frame.loc["2020-01-01":"2020-01-10"])
    valid, test = dataset.prepare(["valid", "test"], col_set=["feature", "label"], data_key="learn")
    assert len(valid) == 2 * 5
    assert test.index[-1][0] == DAYS[-3]
    assert len(dataset.prepare(("train",))) == 1
    assert list(dataset.prepare("test", col_set="label").columns) == ["LABEL0"]


@pytest.mark.parametrize(
    "segment",
    [
        ("2020-01-13", "2020-01-17"),
        ["2020-01-13", "2020-01-17"],
        slice("2020-01-13", "2020-01-17"),
        (dt.date(2020, 1, 13), dt.date(2020, 1, 17)),
        (pd.Timestamp("2020-01-11"), pd.Timestamp("2020-01-19")),
        (np.datetime64("2020-01-13"), np.datetime64("2020-01-17")),
    ],
)
def test_segments_may_be_written_in_any_way(handler, segment):
    dataset = DatasetH(handler, {"one": segment})
    index = dataset.prepare("one").index.get_level_values(0)
    assert (index[0], index[-1]) == (pd.Timestamp("2020-01-13"), pd.Timestamp("2020-01-17"))
    assert dataset.prepare(segment).index.equals(dataset.prepare("one").index)


@pytest.mark.parametrize(("segment", "n"), [((None, None), 40), ((None, "2020-01-01"), 2), (("2020-01-28", -1), 2)])
def test_open_ends(handler, segment, n):
    assert len(DatasetH(handler, {"one": segment}).prepare("one")) == n


def test_selectors_pass_through(handler):
    dataset = DatasetH(handler, SEGMENTS)
    assert len(dataset.prepare(slice("2020-01-13", "2020-01-14"))) == 4
    assert len(dataset.prepare("2020-01-13")) == 2
    assert len(dataset.prepare(pd.Timestamp("2020-01-13"))) == 2
    with pytest.raises(EmptySegmentError, match="2019"):
        dataset.prepare(("2019-01-01", "2019-02-01"))


@pytest.mark.parametrize("segment", [("2019-01-01", "2019-12-31"), ("2021-01-01", None), ("2020-01-11", "2020-01-12")])
def test_empty_segment_is_named_with_its_bounds_and_the_data(handler, segment):
    dataset = DatasetH(handler, {**SEGMENTS, "late": segment})
    with pytest.raises(
        EmptySegmentError, match=rf"'late', {segment[0]} to {segment[1]}(.|\n)*2020-01-01 .* to 2020-01-28"
    ):
        dataset.prepare(["train", "late"])


def test_segment_without_labels_is_empty_for_learning(handler):
    dataset = DatasetH(handler, {"late": ("2020-01-27", None)})
    assert len(dataset.prepare("late")) == 4
    with pytest.raises(EmptySegmentError, match=r"learn data(.|\n)*to 2020-01-24"):
        dataset.prepare("late", data_key="learn")


@pytest.mark.parametrize("name", ["tset", ["train", "tset"]])
def test_unknown_segment_names_the_nearest(handler, name):
    with pytest.raises(SegmentError, match="Did you mean 'test'"):
        DatasetH(handler, SEGMENTS).prepare(name)


@pytest.mark.parametrize(
    "segments", [{"a": "2020"}, {"a": (1, 2, 3)}, {"a": ("2020-02-01", "2020-01-01")}, {"a": ("x", None)}]
)
def test_malformed_segments_are_refused_at_once(handler, segments):
    with pytest.raises(SegmentError, match="'a'"):
        DatasetH(handler, segments)
    dataset = DatasetH(handler, SEGMENTS)
    with pytest.raises(SegmentError):
        dataset.config(segments=segments)
    assert dataset.segments == SEGMENTS


def test_wrong_column_group(handler):
    with pytest.raises(ColumnError, match="'labels'"):
        DatasetH(handler, SEGMENTS).prepare("test", col_set="labels")


def test_segments_are_the_datasets_own(handler):
    segments = {"train": ["2020-01-01", "2020-01-10"]}
    dataset = DatasetH(handler, segments)
    segments["train"][1] = "2020-01-20"
    assert dataset.segments == {"train": ["2020-01-01", "2020-01-10"]}


def test_config_and_setup_load_other_data(frame):
    handler = DataHandlerLP(end_time="2020-01-17", data_loader=frame)
    dataset = DatasetH(handler, SEGMENTS)
    with pytest.raises(EmptySegmentError):
        dataset.prepare("test")
    dataset.config(handler_kwargs={"end_time": None}, segments={"test": ("2020-01-20", "2020-01-21")})
    dataset.setup_data(handler_kwargs={"init_type": "load_state"})
    assert len(dataset.prepare("test")) == 4
    with pytest.raises(TypeError):
        dataset.config(unknown=1)
    with pytest.raises(TypeError):
        DatasetH(handler, SEGMENTS, unknown=1)


def test_stored_dataset_has_no_data_until_it_is_set_up(handler, tmp_path):
    dataset = DatasetH(handler, SEGMENTS)
    dataset.config(dump_all=False, recursive=True)
    restored = pickle.loads(pickle.dumps(dataset))
    with pytest.raises(DataError, match="setup_data"):
        restored.prepare("train")
    restored.setup_data(handler_kwargs={"init_type": "load_state"})
    pd.testing.assert_frame_equal(restored.prepare("train"), dataset.prepare("train"))
    dataset.to_pickle(tmp_path / "dataset.pkl", dump_all=True, recursive=True)
    pd.testing.assert_frame_equal(DatasetH.load(tmp_path / "dataset.pkl").prepare("train"), dataset.prepare("train"))


def test_handler_from_configuration_and_from_file(frame, tmp_path):
    csv = tmp_path / "close.csv"
    frame[("feature", "x")].unstack().add(1).to_csv(csv)
    config = {
        "class": "PriceHandler",
        "module_path": "rollforward.data.price_handler",
        "kwargs": {"source": str(csv), "features": ["MOM1"], "horizon": 1},
    }
    dataset = DatasetH(config, SEGMENTS)
    assert list(dataset.prepare("train").columns) == ["MOM1", "LABEL0"]
    path = tmp_path / "handler.pkl"
    dataset.handler.to_pickle(path, dump_all=True)
    pd.testing.assert_frame_equal(DatasetH(f"file://{path}", SEGMENTS).prepare("train"), dataset.prepare("train"))
    with pytest.raises(DataError, match="not a data handler"):
        DatasetH({"class": "dict", "module_path": "builtins"}, SEGMENTS)


def test_fetch_kwargs_are_defaults_of_prepare(handler):
    dataset = DatasetH(handler, SEGMENTS, fetch_kwargs={"squeeze": True})
    assert isinstance(dataset.prepare("train", col_set="label"), pd.Series)
    assert isinstance(dataset.prepare("train", col_set="label", squeeze=False), pd.DataFrame)


def test_extreme_times():
    assert DatasetH.get_min_time(SEGMENTS) == "2020-01-01"
    assert DatasetH.get_max_time(SEGMENTS) is None
    assert DatasetH.get_max_time({"a": ("2020-01-01", "2020-3-1"), "b": (None, "2020-12-01")}) == "2020-12-01"
    assert DatasetH.get_min_time({"a": ("2020-01-01", "2020-3-1"), "b": (None, "2020-12-01")}) is None


def test_windows_reach_back_before_the_segment(handler, frame):
    dataset = TSDatasetH(step_len=4, handler=handler, segments=SEGMENTS)
    sampler = dataset.prepare("valid", col_set="feature")
    assert isinstance(sampler, TSDataSampler)
    assert len(sampler) == 10
    expected = frame["feature"].xs("B", level=1).loc[:"2020-01-13"].iloc[-4:]
    np.testing.assert_array_equal(sampler["2020-01-13", "B"], expected)
    np.testing.assert_array_equal(sampler[1], expected)
    train = dataset.prepare("train", col_set="feature")
    assert np.isnan(train[0][:3]).all()
    assert np.isfinite(train[0][3]).all()


def test_windows_of_learning_data(handler):
    dataset = TSDatasetH(step_len=3, handler=handler, segments=SEGMENTS)
    test = dataset.prepare("test", col_set=["feature", "label"], data_key="learn")
    assert test.get_index()[-1][0] == DAYS[-3]
    assert test[0].shape == (3, 3)
    with pytest.raises(EmptySegmentError, match="'late'"):
        TSDatasetH(handler=handler, segments={"late": ("2030-01-01", None)}).prepare("late")


@pytest.mark.parametrize("flt_col", [("flag", "use"), "flag", ["flag"]])
def test_filter_column(handler, frame, flt_col):
    dataset = TSDatasetH(3, flt_col, handler=handler, segments=SEGMENTS)
    index = dataset.prepare("valid", col_set="feature").get_index()
    flags = frame.loc["2020-01-13":"2020-01-17", ("flag", "use")]
    assert index.equals(flags.index[flags == 1])
    assert len(dataset.prepare("valid", col_set="feature", flt_col=None)) == 10


def test_window_length_can_be_changed(handler):
    dataset = TSDatasetH(handler=handler, segments=SEGMENTS)
    assert dataset.step_len == 30
    dataset.config(step_len=2)
    assert dataset.prepare("valid", dtype="float32")[0].shape == (2, 4)
    assert dataset.prepare("valid", dtype="float32")[0].dtype == np.float32
    assert "TSDatasetH" in repr(dataset)


def test_base_class_prepares_nothing():
    with pytest.raises(NotImplementedError):
        Dataset().prepare()
