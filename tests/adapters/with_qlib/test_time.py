"""Qlib's calendar and labels decide the folds; folds, pools and updates work on Qlib's data."""

import market
import pandas as pd
import pytest
from market import LGB, LINEAR, RECORDS, SEGMENTS, WINDOW, task

import rollforward
from rollforward.adapters.qlib import init_qlib
from rollforward.data.calendar import Calendar
from rollforward.data.calendar_in_use import resolve
from rollforward.data.horizon import label_lookahead
from rollforward.data.identity import data_fingerprint
from rollforward.errors import DataSourceError
from rollforward.workflow import R
from rollforward.workflow.online.update import PredUpdater
from rollforward.workflow.task.gen import RollingGen
from rollforward.workflow.trainer import TrainerR, TrainerRM, task_train

FILLED = {"infer_processors": [{"class": "Fillna"}], "learn_processors": [{"class": "DropnaLabel"}]}


def small(**kwargs):
    """A task that is trained fast: three features."""
    loader = {
        "class": "QlibDataLoader",
        "module_path": "qlib.data.dataset.loader",
        "kwargs": {
            "config": {
                "feature": (["$close/Ref($close,5)-1", "Std($close,5)/$close", "$open/$close"], ["R5", "S5", "O"]),
                "label": (["Ref($close,-2)/Ref($close,-1)-1"], ["LABEL0"]),
            }
        },
    }
    made = task(LINEAR, records=RECORDS[:1], **FILLED, **kwargs)
    handler = made["dataset"]["kwargs"]["handler"]
    handler |= {"class": "DataHandlerLP", "module_path": "rollforward.adapters.qlib.own"}
    handler["kwargs"]["data_loader"] = loader
    for name in ("fit_start_time", "fit_end_time"):
        handler["kwargs"].pop(name)
    return made


def test_calendar(data):
    lines = (data / "calendars" / "day.txt").read_text().split()
    for given in (resolve(), Calendar.of("qlib:day"), rollforward.init(calendar="qlib:day") and resolve()):
        assert [f"{day:%Y-%m-%d}" for day in given] == lines
        assert given.current_end == pd.Timestamp(lines[-1])


def test_sessions_to_come(tmp_path):
    folder = market.write(tmp_path / "data", last="2013-06-28")
    days = (folder / "calendars" / "day.txt").read_text().split()
    (folder / "calendars" / "day_future.txt").write_text("\n".join([*days, "2013-07-01", "2013-07-02"]))
    init_qlib(provider_uri=str(folder), region="us", kernels=1)

    calendar = resolve()

    assert calendar.current_end == pd.Timestamp("2013-06-28")
    assert calendar.last == pd.Timestamp("2013-07-02")


def test_folds_step_on_qlibs_calendar_and_leave_the_label_out():
    folds = RollingGen(step=21, purge="auto")(task(LGB, **FILLED))
    calendar = Calendar.of("qlib:day")

    assert len(folds) >= 2
    for fold in folds:
        segments = fold["dataset"]["kwargs"]["segments"]
        position = {name: [calendar.index_of(time) for time in segments[name]] for name in SEGMENTS}
        assert position["test"][0] - position["valid"][1] > 2
        assert position["test"][1] - position["test"][0] + 1 <= 21


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, 2),
        ({"label": ["Ref($close, -6)/Ref($close, -1) - 1"]}, 6),
        ({"label": (["Ref($open,-3)/$open"], ["L"])}, 3),
    ],
)
def test_look_ahead_of_a_label(given, expected):
    assert label_lookahead(task(LGB, **given)) == expected


def test_look_ahead_of_live_and_derived_handlers():
    from qlib.contrib.data.handler import Alpha158

    class Longer(Alpha158):
        def get_label_config(self):
            return ["Ref($close, -11)/Ref($close, -1) - 1"], ["LABEL0"]

    handler = {"class": Longer, "kwargs": dict(WINDOW)}
    from rollforward.instantiate import init_instance_by_config

    live = init_instance_by_config(small()["dataset"]["kwargs"]["handler"])
    assert label_lookahead({"dataset": {"class": "DatasetH", "kwargs": {"handler": handler}}}) == 11
    assert label_lookahead({"dataset": {"class": "DatasetH", "kwargs": {"handler": live}}}) == 2


@pytest.mark.parametrize("how", ["here", "subprocess", "pool"])
def test_folds_are_trained(how, tmp_path):
    folds = RollingGen(step=30)(small())
    trainer = {
        "here": lambda: TrainerR(experiment_name="folds", progress=False),
        "subprocess": lambda: TrainerR(experiment_name="folds", progress=False, call_in_subproc=True),
        "pool": lambda: TrainerRM(experiment_name="folds", store=f"sqlite:///{tmp_path}/tasks.db", n_workers=1),
    }[how]()
    recorders = trainer(folds)

    assert [recorder.status for recorder in recorders] == ["FINISHED"] * len(folds)
    tests = [fold["dataset"]["kwargs"]["segments"]["test"] for fold in folds]
    for recorder, (start, end) in zip(recorders, tests, strict=True):
        days = recorder.load_object("pred.pkl").index.get_level_values("datetime")
        assert days.min() >= pd.Timestamp(start)
        assert end is None or days.max() <= pd.Timestamp(end)


def test_update_of_a_prediction(tmp_path):
    early = market.write(tmp_path / "early", last="2013-09-13")
    later = market.write(tmp_path / "later", last="2013-10-31")
    init_qlib(provider_uri=str(early), region="us", kernels=1)
    recorder = task_train(small(), "served")
    before = recorder.load_object("pred.pkl")
    assert before.index.get_level_values("datetime").max() == pd.Timestamp("2013-09-13")

    init_qlib(provider_uri=str(later), region="us", kernels=1)
    PredUpdater(recorder, to_date="2013-09-30").update()

    after = recorder.load_object("pred.pkl")
    assert after.index.get_level_values("datetime").max() == pd.Timestamp("2013-09-30")
    whole = task_train(small(), "whole").load_object("pred.pkl")
    pd.testing.assert_frame_equal(after, whole.loc[: pd.Timestamp("2013-09-30")].sort_index(), rtol=1e-9)


def test_stored_dataset_holds_no_data_and_loads_them_again():
    recorder = task_train(small(), "stored")
    dataset = recorder.load_object("dataset")

    assert not hasattr(dataset.handler, "_infer")
    assert not hasattr(dataset.handler, "_data")
    dataset.setup_data(handler_kwargs={"init_type": "load_state"})
    pred = recorder.load_object("params.pkl").predict(dataset, "test")
    pd.testing.assert_series_equal(pred.rename("score"), recorder.load_object("pred.pkl")["score"])


def test_same_task_on_same_data_is_trained_once(tmp_path):
    def train(trainer):
        trainer([small()])
        return trainer.reused

    trainer = TrainerR(experiment_name="once", progress=False, reuse=True)
    assert not train(trainer)
    assert train(trainer)
    init_qlib(provider_uri=str(market.write(tmp_path / "other", last="2013-12-30")), region="us", kernels=1)
    assert not train(trainer)


def test_fingerprint_is_of_the_content(data, tmp_path):
    import shutil

    before = data_fingerprint(small())
    copied = shutil.copytree(data, tmp_path / "copied")
    init_qlib(provider_uri=str(copied), region="us", kernels=1)
    assert data_fingerprint(small()) == before
    assert data_fingerprint({"model": LGB}) != before


def test_data_that_are_not_there(tmp_path):
    with pytest.raises(DataSourceError, match="there is no folder"):
        init_qlib(provider_uri=str(tmp_path / "nowhere"))


def test_runs_stay_with_us_while_qlib_is_started_anew(data):
    with R.start(experiment_name="going on"):
        init_qlib(provider_uri=str(data), region="us", kernels=2)
        R.log_metrics(a=1.0)
        recorder = R.get_recorder()
    assert recorder.list_metrics() == {"a": 1.0}
