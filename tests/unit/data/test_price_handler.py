"""The price handler: rows, features and label from closes, whichever source they come from."""

# ruff: noqa: PD010 - the reference is computed on wide frames
from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest

from rollforward.data import price_handler as module
from rollforward.data.features import DEFAULT_FEATURES
from rollforward.data.loader import FileLoader
from rollforward.data.price_handler import PriceHandler
from rollforward.errors import ColumnError, DataError, DataSourceError, EmptySegmentError

BUNDLED = "bundled:sp500_close"
FEW = ["MOM5", "VOL10", "RANK_MOM5"]


@pytest.fixture
def close():
    rng = np.random.default_rng(2)
    days = pd.bdate_range("2020-01-01", periods=60, unit="ns")
    return pd.DataFrame(rng.uniform(10, 20, (60, 3)), index=days, columns=["C", "A", "B"])


def raw(handler, col_set="__all"):
    return handler.fetch(col_set=col_set, data_key="raw")


def test_bundled_data_by_hand():
    handler = PriceHandler(source=BUNDLED, start_time="2010-01-04", end_time="2010-06-30", horizon=5)
    close = FileLoader(BUNDLED).load()["close"].unstack()
    data = handler.fetch(col_set="__raw", data_key="raw")
    assert list(data.columns) == [*(("feature", name) for name in DEFAULT_FEATURES), ("label", "LABEL0")]
    assert data.index.equals(close.loc["2010-01-04":"2010-06-30"].stack().index)
    assert not data.isna().any(axis=None)
    momentum = (close / close.shift(20) - 1).stack()
    pd.testing.assert_series_equal(raw(handler)["MOM20"], momentum.loc["2010-01-04":"2010-06-30"], check_names=False)
    label = (close.shift(-6) / close.shift(-1) - 1).stack()
    pd.testing.assert_series_equal(raw(handler)["LABEL0"], label.loc["2010-01-04":"2010-06-30"], check_names=False)


def test_history_before_and_closes_after_the_range_are_used(close):
    part = PriceHandler(source=close, start_time=close.index[20], end_time=close.index[40], features=FEW)
    whole = PriceHandler(source=close, features=FEW)
    assert not raw(part).isna().any(axis=None)
    pd.testing.assert_frame_equal(raw(part), raw(whole).loc[close.index[20] : close.index[40]])
    assert raw(whole)["MOM5"].isna().sum() == 3 * 5
    assert raw(whole)["LABEL0"].isna().sum() == 3 * 6


@pytest.mark.parametrize(
    ("kwargs", "entry", "exit_", "horizon"),
    [
        ({}, 1, 6, 5),
        ({"horizon": 1}, 1, 2, 1),
        ({"label": "Ref($close, -2) / Ref($close, -1) - 1"}, 1, 2, 1),
        ({"label": ["Ref($close,-11)/Ref($close,-1)-1"], "horizon": 3}, 1, 11, 10),
    ],
)
def test_label_and_its_lookahead(close, kwargs, entry, exit_, horizon):
    handler = PriceHandler(source=close, features=FEW, **kwargs)
    expected = (close.shift(-exit_) / close.shift(-entry) - 1).stack().sort_index()
    pd.testing.assert_series_equal(
        raw(handler)["LABEL0"].dropna(), expected.dropna(), check_names=False, check_freq=False
    )
    assert (handler.label_lookahead, handler.horizon) == (exit_, horizon)


def test_label_beyond_the_data(close):
    assert raw(PriceHandler(source=close, features=FEW, horizon=500))["LABEL0"].isna().all()


@pytest.mark.parametrize(
    "kwargs",
    [
        {"horizon": 0},
        {"label": "Ref($open, -2) / Ref($open, -1) - 1"},
        {"label": "Ref($close, -1) / Ref($close, -1) - 1"},
        {"label": ["a", "b"]},
    ],
)
def test_label_that_is_none(close, kwargs):
    with pytest.raises(DataError):
        PriceHandler(source=close, **kwargs)


def test_default_processing(close):
    window = {"fit_start_time": close.index[20], "fit_end_time": close.index[40]}
    handler = PriceHandler(source=close, features=FEW, **window)
    learn = handler.fetch(col_set="__raw", data_key="learn")
    data = raw(handler)
    assert not learn.isna().any(axis=None)
    assert len(learn) == len(data) - 3 * 6
    assert set(learn[("label", "LABEL0")].round(6)) == {-0.576667, 0.576667, 1.73}
    inside = data["MOM5"].loc[close.index[20] : close.index[40]]
    scaled = (data["MOM5"] - inside.median()) / (1.4826 * (inside - inside.median()).abs().median())
    expected = scaled.clip(-3, 3).fillna(0)
    pd.testing.assert_series_equal(handler.fetch()["MOM5"], expected)
    # The label for inference is the return itself.
    pd.testing.assert_series_equal(handler.fetch()["LABEL0"], data["LABEL0"])
    plain = PriceHandler(source=close, features=FEW)
    pd.testing.assert_frame_equal(plain.fetch(), raw(plain))


def test_processors_of_ones_own(close):
    handler = PriceHandler(
        source=close,
        features=FEW,
        fit_end_time=close.index[30],
        infer_processors=[{"class": "ZScoreNorm", "kwargs": {"fields_group": "feature"}}],
        learn_processors=["DropnaProcessor"],
    )
    assert [type(processor).__name__ for processor in handler.get_all_processors()] == ["ZScoreNorm", "DropnaProcessor"]
    with pytest.raises(DataError, match="fit window"):
        PriceHandler(source=close, infer_processors=["ZScoreNorm"])


def test_instruments_are_chosen_before_they_are_compared(close):
    handler = PriceHandler(["A", "B"], source=close, features=FEW)
    assert set(handler.fetch().index.get_level_values(1)) == {"A", "B"}
    assert set(raw(handler)["RANK_MOM5"].dropna()) == {0.5, 1.0}
    with pytest.raises(DataError, match="'D'"):
        PriceHandler(["A", "D"], source=close)


def test_sessions_without_a_close_have_no_row(close):
    close.iloc[10:13, 0] = np.nan
    handler = PriceHandler(source=close, features=FEW)
    assert len(handler.fetch()) == 177
    label = raw(handler)["LABEL0"].unstack()
    assert label["C"].iloc[[4, 9]].isna().all()
    assert label["C"].iloc[13] == close["C"].iloc[19] / close["C"].iloc[14] - 1


@pytest.mark.parametrize("bad", [0.0, -1.0, np.inf])
def test_close_that_is_no_price_is_named(close, bad):
    close.iloc[7, 1] = bad
    with pytest.raises(DataError, match=r"'A' at 2020-01-10"):
        PriceHandler(source=close)


def test_errors_of_the_source(close, tmp_path):
    with pytest.raises(DataSourceError):
        PriceHandler(source=tmp_path / "none.csv")
    long = close.stack().rename("adj_close").rename_axis(["datetime", "instrument"]).to_frame()
    with pytest.raises(ColumnError, match="adj_close"):
        PriceHandler(source=long)
    assert len(PriceHandler(source=long, field="adj_close", features=FEW).fetch()) == 180
    with pytest.raises(ColumnError, match="Did you mean 'MOM20'"):
        PriceHandler(source=close, features=["MOM_20"])
    with pytest.raises(EmptySegmentError, match=r"1980(.|\n)*2020-01-01"):
        PriceHandler(source=close, end_time="1980-01-01")
    with pytest.raises(EmptySegmentError, match="no prices"):
        PriceHandler(source=close, start_time="2020-02-10", end_time="2020-02-03")
    with pytest.raises(EmptySegmentError, match="fit window"):
        PriceHandler(source=close, fit_end_time="1980-01-01")
    with pytest.raises(TypeError):
        PriceHandler()


def count_computations(monkeypatch):
    calls = []
    compute = module.compute_features
    monkeypatch.setattr(module, "compute_features", lambda *args: calls.append(1) or compute(*args))
    return calls


def test_features_are_computed_once_per_content(close, monkeypatch, tmp_path):
    calls = count_computations(monkeypatch)
    for end in (30, 40, 50):
        PriceHandler(source=close.copy(), end_time=close.index[end], features=FEW, horizon=end % 7 + 1)
    assert len(calls) == 1
    PriceHandler(["A", "B"], source=close, features=FEW)
    PriceHandler(source=close, features=FEW[:1])
    assert len(calls) == 3
    changed = close.copy()
    changed.iloc[-1, 0] += 1
    assert raw(PriceHandler(source=changed, features=FEW))["MOM5"].iloc[-1] != 0
    assert len(calls) == 4
    for _ in range(2):
        PriceHandler(source=lambda *_: close, features=FEW)
    assert len(calls) == 6


def test_data_of_one_handler_may_be_changed(close):
    handler = PriceHandler(source=close, features=FEW)
    expected = handler.fetch().copy()
    data = handler.fetch()
    data.iloc[:, 0] = -99.0
    handler._data.iloc[:, 0] = -99.0
    pd.testing.assert_frame_equal(PriceHandler(source=close, features=FEW).fetch(), expected)


def test_stored_handler_predicts_later_days(close):
    handler = PriceHandler(source=close, features=FEW, end_time=close.index[40], fit_end_time=close.index[30])
    restored = pickle.loads(pickle.dumps(handler))
    restored.config(start_time=close.index[41], end_time=None)
    restored.setup_data(init_type="load_state")
    whole = PriceHandler(source=close, features=FEW, fit_end_time=close.index[30])
    pd.testing.assert_frame_equal(restored.fetch(), whole.fetch(slice(close.index[41], None)))
    assert restored.label_lookahead == 6


@pytest.mark.parametrize("horizon", ["five", 2.5, None, True, 0, -3])
def test_a_horizon_that_is_no_number_of_sessions_is_refused(horizon):
    with pytest.raises(DataError, match="horizon"):
        PriceHandler(source="bundled:sp500_close", horizon=horizon)


def test_another_name_for_the_closes_is_asked_for():
    frame = pd.DataFrame(
        {"Adj Close": 1.0},
        index=pd.MultiIndex.from_product(
            [pd.bdate_range("2024-01-02", periods=3), ["A"]], names=["datetime", "instrument"]
        ),
    )

    with pytest.raises(ColumnError, match="field="):
        PriceHandler(source=frame)
