"""A rolling strategy over a real tracking store, with trained models: the steps of a routine in Qlib's way."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rollforward import settings
from rollforward.data.dataset import DatasetH
from rollforward.data.handler import DataHandlerLP
from rollforward.data.loader import CallableLoader
from rollforward.model.base import Model
from rollforward.testing.calendars import business_days
from rollforward.workflow.online.strategy import RollingStrategy
from rollforward.workflow.online.utils import OnlineToolR
from rollforward.workflow.task.gen import RollingGen
from rollforward.workflow.trainer import DelayTrainerR, TrainerR

CAL = business_days("2020-01-01", "2020-03-31", current_end="2020-02-28")


def load(instruments, start_time, end_time):
    rows = pd.MultiIndex.from_product([CAL.sessions(), list("ABCD")], names=["datetime", "instrument"])
    columns = pd.MultiIndex.from_tuples([("feature", "x"), ("label", "LABEL0")])
    values = np.random.default_rng(0).normal(size=(len(rows), 2))
    return pd.DataFrame(values, rows, columns).loc[start_time:end_time]


class Toy(Model):
    def __init__(self, scale=1.0):
        self.scale = scale

    def fit(self, dataset, reweighter=None):
        dataset.prepare("train", col_set="feature", data_key="learn")

    def predict(self, dataset, segment="test"):
        x = dataset.prepare(segment, col_set="feature", data_key="infer")
        return pd.Series(x.iloc[:, 0].to_numpy() * self.scale, index=x.index)


class Other(Toy):
    pass


def day(text):
    return pd.Timestamp(f"2020-{text}")


def template(model=Toy, start="01-22", **kwargs):
    handler = {"class": DataHandlerLP, "kwargs": {"data_loader": CallableLoader(load)}}
    segments = {"train": (day("01-02"), day("01-14")), "test": (day(start), day("02-05"))}
    return {
        "model": {"class": model, "kwargs": kwargs},
        "dataset": {"class": DatasetH, "kwargs": {"handler": handler, "segments": segments}},
        "record": {"class": "SignalRecord"},
    }


def rolling(*templates):
    return RollingStrategy("models", list(templates or [template()]), RollingGen(5, "sliding", purge=0))


@pytest.fixture(autouse=True)
def _calendar(recording):
    with settings.override(calendar=CAL):
        yield


def starts(recorders):
    return [recorder.list_tags()["test_start"][5:] for recorder in recorders]


@pytest.mark.parametrize("trainer", [TrainerR, DelayTrainerR])
def test_the_days_of_the_contract(trainer, recording):
    """Contract: begin on 02-05; 02-12 and 02-19 have a new fold each; only one model is online at the end."""
    strategy, trainer = rolling(), trainer()
    first = trainer(strategy.first_tasks(day("02-05")), experiment_name="models")
    assert starts(strategy.prepare_online_models(first, day("02-05"))) == ["02-05"]

    history = {}
    for session in CAL.sessions(day("02-05"), day("02-20")):
        tasks = strategy.prepare_tasks(session)
        trained = trainer(tasks, experiment_name="models") if tasks else []
        history[session] = starts(strategy.prepare_online_models(trained, session))
    changes = {date: one for date, one in history.items() if history.get(date - pd.offsets.BDay()) != one}
    assert changes == {day("02-05"): ["02-05"], day("02-12"): ["02-12"], day("02-19"): ["02-19"]}

    assert starts(OnlineToolR("models").online_models()) == ["02-19"]
    tags = [one.list_tags().get("online_status") for one in recording.list_recorders(experiment_name="models").values()]
    assert tags == ["online", "offline", "offline", None, None]
    (frame,) = strategy.get_collector()()["pred"].values()
    assert frame.index.is_unique
    assert (frame.index[0][0], frame.index[-1][0]) == (day("01-22"), day("02-25"))


def test_lines_of_the_same_class_are_kept_apart(recording):
    strategy = rolling(template(scale=1.0), template(scale=-1.0), template(Other, "01-24", scale=2.0))
    trained = TrainerR()(strategy.first_tasks(day("02-05")), experiment_name="models")
    online = strategy.prepare_online_models(trained, day("02-05"))
    assert [strategy.name_of(one) for one in online] == ["Toy", "Toy#2", "Other"]

    lines = strategy.get_collector()()["pred"]
    assert set(lines) == {("Toy",), ("Toy#2",), ("Other",)}
    pd.testing.assert_frame_equal(lines["Toy",], -lines["Toy#2",])

    due = strategy.prepare_tasks(day("02-12"))
    assert [strategy.name_of(task) for task in due] == ["Toy", "Toy#2", "Other"]
    assert [task["model"]["kwargs"]["scale"] for task in due] == [1.0, -1.0, 2.0]


def test_before_the_first_training_nothing_is_online_and_nothing_due(caplog):
    strategy = rolling()
    assert strategy.prepare_online_models([], day("02-05")) == []
    assert strategy.prepare_tasks(day("02-05")) == []
    assert "no model online" in caplog.text


def test_all_first_folds_at_once_as_in_qlib():
    strategy = rolling()
    trained = TrainerR()(strategy.first_tasks(), experiment_name="models")
    assert len(strategy.prepare_online_models(trained, day("02-05"), all_at_once=True)) == 3
    assert len(strategy.tool.online_models()) == 3
    assert [str(task["dataset"]["kwargs"]["segments"]["test"][0].date()) for task in strategy.prepare_tasks()] == [
        "2020-02-12",
        "2020-02-19",
        "2020-02-26",
    ]


def test_the_predictions_of_what_is_online_are_brought_up_to_date(recording):
    strategy = rolling()
    (trained,) = TrainerR()(strategy.first_tasks()[-1:], experiment_name="models")
    strategy.prepare_online_models([trained], day("02-05"))
    before = trained.load_object("pred.pkl")
    assert before.index[-1][0] == day("02-11")
    strategy.tool.update_online_pred(to_date=day("02-14"))
    after = trained.load_object("pred.pkl")
    assert after.index[-1][0] == day("02-14")
    pd.testing.assert_frame_equal(after.loc[: day("02-11")], before)
