"""Qlib's objects among ours, and ours among Qlib's."""

import numpy as np
import pandas as pd
import pytest
from market import LGB, LINEAR, SEGMENTS, WINDOW, task

from rollforward.data.dataset import DatasetH, TSDatasetH
from rollforward.data.handler import DataHandlerLP
from rollforward.data.loader import as_loader
from rollforward.errors import DataError
from rollforward.instantiate import init_instance_by_config
from rollforward.model.sklearn import SklearnModel
from rollforward.workflow.trainer import task_train

OURS = {
    "class": "PriceHandler",
    "module_path": "rollforward.data.price_handler",
    "kwargs": {"source": "bundled:sp500_close", **{key: WINDOW[key] for key in WINDOW if key != "instruments"}},
}


@pytest.fixture(scope="module")
def alpha(data):
    import rollforward

    rollforward.init(provider_uri=str(data), region="us", kernels=1)
    return init_instance_by_config(task(LINEAR)["dataset"]["kwargs"]["handler"])


@pytest.mark.parametrize("model", [LINEAR, LGB], ids=["linear", "gradient boosting"])
def test_model_of_qlib_on_our_dataset_and_handler(model):
    dataset = DatasetH(OURS, SEGMENTS)
    fitted = init_instance_by_config(model)
    from rollforward.workflow import R

    with R.start(experiment_name="ours"):
        fitted.fit(dataset)
    scores = fitted.predict(dataset, "test")

    assert scores.index.equals(dataset.prepare("test").index)
    assert scores.notna().all()
    features, label = (dataset.prepare("test", ["feature", "label"], "learn")[part] for part in ("feature", "label"))
    assert features.shape[1] > 1
    assert label.shape[1] == 1


@pytest.mark.parametrize("kind", ["ours", "theirs"])
def test_our_model_on_their_handler(kind, alpha):
    import qlib.data.dataset as theirs

    dataset = {"ours": DatasetH, "theirs": theirs.DatasetH}[kind](alpha, SEGMENTS)
    given = {
        "model": {
            "class": "SklearnModel",
            "module_path": "rollforward.model.sklearn",
            "kwargs": {"estimator": "sklearn.ensemble.HistGradientBoostingRegressor", "max_iter": 5},
        },
        "dataset": dataset,
        "record": ["SignalRecord", "SigAnaRecord"],
    }
    recorder = task_train(given, "mixed")

    assert recorder.status == "FINISHED"
    assert "IC" in recorder.list_metrics()
    assert len(recorder.load_object("pred.pkl")) == len(dataset.prepare("test"))


def test_our_model_by_hand_on_their_dataset(alpha):
    import qlib.data.dataset as theirs

    dataset = theirs.DatasetH(alpha, SEGMENTS)
    model = SklearnModel("sklearn.ensemble.HistGradientBoostingRegressor", max_iter=5, random_state=0)
    model.fit(dataset)

    assert model.predict(dataset).index.equals(dataset.prepare("test").index)


def test_our_datasets_give_what_theirs_give(alpha):
    import qlib.data.dataset as theirs

    ours, other = DatasetH(alpha, SEGMENTS), theirs.DatasetH(alpha, SEGMENTS)
    for key in ("raw", "infer", "learn"):
        for columns in ("feature", ["feature", "label"], "__all"):
            for segment in SEGMENTS:
                pd.testing.assert_frame_equal(ours.prepare(segment, columns, key), other.prepare(segment, columns, key))
    assert [len(part) for part in ours.prepare(["train", "valid"])] == [
        len(part) for part in other.prepare(["train", "valid"])
    ]


def test_windows_as_of_qlib_alone(alpha, alone):
    dataset = TSDatasetH(step_len=5, handler=alpha, segments=SEGMENTS)
    sampler = dataset.prepare("test", col_set=["feature", "label"], data_key="infer")

    assert len(sampler) == len(alone["index"])
    place = {key: position for position, key in enumerate(sampler.get_index())}
    theirs = [place[key] for key in alone["index"]][::97]
    np.testing.assert_array_equal(sampler[theirs], alone["windows"])


def test_their_windows_take_part(alpha):
    import qlib.data.dataset as theirs

    sampler = theirs.TSDatasetH(step_len=5, handler=alpha, segments=SEGMENTS).prepare("test")

    assert sampler[0].shape[0] == 5


def test_their_loader_and_processors_in_our_handler(alone):
    config = {"feature": (["$close/Ref($close,5)-1"], ["R5"]), "label": (["Ref($close,-2)/Ref($close,-1)-1"], ["L"])}
    handler = DataHandlerLP(
        "all",
        "2013-01-02",
        "2013-03-28",
        data_loader={"class": "QlibDataLoader", "kwargs": {"config": config}},
        infer_processors=[{"class": "Fillna"}],
        learn_processors=[{"class": "DropnaLabel", "module_path": "qlib.data.dataset.processor"}],
    )

    assert type(handler.data_loader).__module__ == "qlib.data.dataset.loader"
    assert handler.fetch(col_set="label").shape[1] == 1
    days = handler.fetch().index.get_level_values("datetime").unique()
    assert set(days) <= set(alone["calendar"])


def test_prices_of_qlib_as_a_source(data):
    frame = as_loader("qlib:$open;$close").load(["KO", "PG"], "2013-01-02", "2013-01-31")

    assert list(frame.columns) == ["$open", "$close"]
    assert frame.index.names == ["datetime", "instrument"]
    assert set(frame.index.get_level_values("instrument")) == {"KO", "PG"}
    with pytest.raises(DataError, match="Qlib's data have no"):
        as_loader("qlib:$close").load(["KO"], "1999-01-04", "1999-01-08")


def test_names_that_are_ported_are_ours_and_others_are_theirs():
    from rollforward.instantiate import get_callable_kwargs

    def home(name):
        return get_callable_kwargs(name)[0].__module__.partition(".")[0]

    assert home("qlib.data.dataset.DatasetH") == "rollforward"
    assert home("qlib.workflow.record_temp.SignalRecord") == "rollforward"
    assert home("qlib.contrib.data.handler.Alpha158") == "qlib"
    assert home("qlib.data.dataset.loader.QlibDataLoader") == "qlib"
    assert home("rollforward.adapters.qlib.own.DatasetH") == "qlib"
    assert home("rollforward.adapters.qlib.own.TSDatasetH") == "qlib"
