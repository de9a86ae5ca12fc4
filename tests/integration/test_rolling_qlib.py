"""Qlib's `Rolling` on the bundled prices: names, tasks, artifacts, and that it can be run again."""

import copy

import pandas as pd
import pytest
import yaml

from rollforward import settings
from rollforward.data.calendar import Calendar
from rollforward.errors import DataSourceError, LeakageError, TaskError
from rollforward.instantiate import get_callable_kwargs, init_instance_by_config
from rollforward.serialize import load_object
from rollforward.workflow import R
from rollforward.workflow.rolling import Rolling
from rollforward.workflow.task.gen import RollingGen

HORIZON, STEP = 5, 120
CONF = {
    "qlib_init": {"provider_uri": "nowhere"},
    "task": {
        "model": {
            "class": "SklearnModel",
            "module_path": "rollforward.model.sklearn",
            "kwargs": {"estimator": "sklearn.linear_model.Ridge", "alpha": 100.0},
        },
        "dataset": {
            "class": "DatasetH",
            "module_path": "qlib.data.dataset",
            "kwargs": {
                "handler": {
                    "class": "PriceHandler",
                    "module_path": "rollforward.data.price_handler",
                    "kwargs": {
                        "source": "bundled:sp500_close",
                        "start_time": "2015-01-02",
                        "end_time": "2018-12-31",
                        "fit_start_time": "<dataset.kwargs.segments.train.0>",
                        "fit_end_time": "<dataset.kwargs.segments.train.1>",
                    },
                },
                "segments": {
                    "train": ["2015-01-02", "2016-06-30"],
                    "valid": ["2016-07-01", "2016-12-30"],
                    "test": ["2017-01-03", "2017-12-29"],
                },
            },
        },
        "record": [
            {"class": "SignalRecord", "module_path": "qlib.workflow.record_temp"},
            {"class": "SigAnaRecord", "module_path": "qlib.workflow.record_temp", "kwargs": {"ana_long_short": True}},
        ],
    },
}


def write(folder, conf):
    path = folder / "conf.yaml"
    path.write_text(yaml.safe_dump(conf), encoding="utf-8")
    return path


@pytest.fixture
def conf(recording, tmp_path):
    settings.init(uri=settings.current().uri, calendar="bundled:sp500_close")
    return write(tmp_path, CONF)


def changed(path, value):
    conf = copy.deepcopy(CONF)
    place = conf["task"]
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return conf


def test_it_is_found_under_qlib_s_name():
    assert get_callable_kwargs({"class": "Rolling", "module_path": "qlib.contrib.rolling.base"})[0] is Rolling
    assert get_callable_kwargs("qlib.contrib.rolling.base.Rolling")[0] is Rolling


def test_the_basic_task_has_the_horizon_s_label_and_a_stored_handler(conf, tmp_path):
    rolling = Rolling(conf, horizon=HORIZON, train_start="2015-03-02", test_end="2018-03-29")

    plain, cached = rolling.basic_task(enable_handler_cache=False), rolling.basic_task()

    kwargs = plain["dataset"]["kwargs"]
    assert kwargs["handler"]["kwargs"]["label"] == ["Ref($close, -6) / Ref($close, -1) - 1"]
    assert kwargs["segments"]["train"] == (pd.Timestamp("2015-03-02"), "2016-06-30")
    assert kwargs["segments"]["test"] == ("2017-01-03", pd.Timestamp("2018-03-29"))
    assert [str(path.name).split(".")[0] for path in tmp_path.glob("*.pkl")] == ["PriceHandler"]
    handler = load_object(cached["dataset"]["kwargs"]["handler"].removeprefix("file://"))
    assert handler.label_lookahead == HORIZON + 1
    assert rolling.basic_task()["dataset"]["kwargs"]["handler"] == cached["dataset"]["kwargs"]["handler"]


def test_a_stored_handler_and_an_extension_win(conf):
    rolling = Rolling(conf, h_path="stored.pkl", task_ext_conf={"model": {"kwargs": {"alpha": 1.0}}})

    task = rolling.basic_task()

    assert task["dataset"]["kwargs"]["handler"] == "file://stored.pkl"
    assert task["model"]["kwargs"] == {"estimator": "sklearn.linear_model.Ridge", "alpha": 1.0}


def test_the_folds_expand_keep_their_distance_and_only_predict(conf):
    calendar = Calendar.of("bundled:sp500_close")
    tasks = Rolling(conf, horizon=HORIZON, step=STEP).get_task_list()

    assert len(tasks) == 3
    for task in tasks:
        segments = task["dataset"]["kwargs"]["segments"]
        assert segments["train"][0] == pd.Timestamp("2015-01-02")
        last_price_known = calendar.index_of(segments["valid"][1]) + HORIZON + 1
        assert last_price_known == calendar.index_of(segments["test"][0]) - 1
        assert task["record"] == ["rollforward.workflow.record_temp.SignalRecord"]


def test_a_run_leaves_what_qlib_s_leaves_and_can_be_repeated(conf):
    rolling = Rolling(conf, exp_name="merged", horizon=HORIZON, step=STEP, rolling_exp="folds")

    first, second = rolling.run(), rolling.run()

    folds = R.list_recorders(experiment_name="folds", rtype="list")
    assert [fold.status for fold in folds] == ["FINISHED"] * 3
    assert {recorder.id for recorder in R.list_recorders(experiment_name="merged", rtype="list")} == {
        first.id,
        second.id,
    }
    assert second.list_params()["exp_name"] == "folds"
    assert {"pred.pkl", "label.pkl", "sig_analysis", "audit.csv"} <= set(second.list_artifacts())
    assert {"IC", "Rank IC", "Long-Short Ann Return"} <= set(second.list_metrics())
    pred, label = second.load_object("pred.pkl"), second.load_object("label.pkl")
    assert list(pred.columns) == ["score"]
    assert pred.index.equals(label.index)
    assert not pred.index.has_duplicates
    dates = pred.index.get_level_values("datetime").unique()
    calendar = Calendar.of("bundled:sp500_close")
    assert list(dates) == list(calendar)[calendar.index_of("2017-01-03") :][: 3 * STEP]
    pd.testing.assert_frame_equal(pred, first.load_object("pred.pkl"), check_exact=True)
    assert set(second.load_object("audit.csv")["overlap"]) == {0}


def test_the_basic_task_can_be_trained_alone(conf):
    recorder = Rolling(conf, exp_name="alone", horizon=HORIZON).run_basic_task()

    assert recorder.status == "FINISHED"
    assert "IC" in recorder.list_metrics()
    assert set(R.list_experiments()) >= {"alone"}
    assert recorder.load_object("pred.pkl").index.get_level_values("datetime").max() == pd.Timestamp("2017-12-29")


def test_two_objects_have_experiments_of_their_own(conf, monkeypatch):
    assert Rolling(conf).rolling_exp.startswith("rolling_models_20")
    assert Rolling(conf, rolling_exp="mine").rolling_exp == "mine"


@pytest.mark.parametrize("horizon", [None, 0, -1, 2.5, True])
def test_a_horizon_is_needed(conf, horizon):
    with pytest.raises(TaskError, match="horizon"):
        Rolling(conf, horizon=horizon)


def test_a_mistake_in_the_task_deletes_nothing(conf, tmp_path):
    rolling = Rolling(conf, exp_name="merged", horizon=HORIZON, step=STEP, rolling_exp="folds")
    kept = rolling.run()
    write(tmp_path, changed(("model", "class"), "SklearnModell"))

    with pytest.raises(ValueError, match="SklearnModel"):
        rolling.run()

    assert len(R.list_recorders(experiment_name="folds", rtype="list")) == 3
    assert [recorder.id for recorder in R.list_recorders(experiment_name="merged", rtype="list")] == [kept.id]


def test_a_handler_whose_label_looks_further_is_refused(conf):
    class Careless(Rolling):
        def _generator(self):
            return RollingGen(step=self.step, trunc_days=2)

    with pytest.raises(LeakageError):
        Careless(conf, horizon=HORIZON, step=STEP).run()
    assert R.list_experiments().keys() <= {"Default"}


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("task: [}", TaskError, "not YAML"),
        ("model: {}", TaskError, "no task"),
        ("task: {dataset: {kwargs: {segments: {test: [a, b]}}}}", TaskError, "no task"),
        (None, DataSourceError, "conf.yaml"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused(tmp_path, text, error, says):
    if text is not None:
        (tmp_path / "conf.yaml").write_text(text, encoding="utf-8")

    with pytest.raises(error, match=says):
        Rolling(tmp_path / "conf.yaml").basic_task()


def test_a_handler_that_is_read_from_a_file_serves_all_folds(conf):
    tasks = Rolling(conf, horizon=HORIZON, step=STEP).get_task_list()

    (address,) = {task["dataset"]["kwargs"]["handler"] for task in tasks}
    dataset = init_instance_by_config(tasks[-1]["dataset"])
    assert address.startswith("file://")
    assert len(dataset.prepare("test")) > 0
