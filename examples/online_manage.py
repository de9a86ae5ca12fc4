"""A manager from day to day: a first training, routines, a second strategy in the shadow, and its promotion.

Each evening is a process of its own in real life: the state is in the tracking store, and `OnlineManager.load` goes on
from it. Here `data_cut_at` makes it be the evening of a day: later prices do not exist.
"""

from typing import Any

import rollforward as rf
from rollforward.data.cut import data_cut_at
from rollforward.workflow.online.manager import OnlineManager
from rollforward.workflow.online.status import status
from rollforward.workflow.online.strategy import RollingStrategy

FIT = {"fit_start_time": "<dataset.kwargs.segments.train.0>", "fit_end_time": "<dataset.kwargs.segments.train.1>"}
HANDLER = {"class": "rollforward.PriceHandler", "kwargs": {"source": "bundled:sp500_close", "horizon": 5, **FIT}}
SEGMENTS = {"train": ("2015-01-02", "2018-12-31"), "test": ("2019-01-02", None)}
DATASET = {"class": "rollforward.DatasetH", "kwargs": {"handler": HANDLER, "segments": SEGMENTS}}


def strategy(name: str, role: str = "serving", **model: Any) -> RollingStrategy:
    """Describe a strategy that trains a new model every 21 sessions."""
    task = {
        "model": {"class": "rollforward.SklearnModel", "kwargs": model},
        "dataset": DATASET,
        "record": ["SignalRecord"],
    }
    return RollingStrategy(name, task, rf.RollingGen(step=21, rtype="sliding", purge="auto"), role=role)


def first_run() -> None:
    """Train what serves on the first day."""
    ridge = strategy("ridge", estimator="sklearn.linear_model.Ridge", alpha=1e3)
    OnlineManager(ridge, name="desk", calendar="bundled:sp500_close").first_train()


def routine() -> None:
    """Do what is due; again after a crash, and for days that were missed."""
    manager = OnlineManager.load(name="desk")
    print(manager.plan())
    manager.routine()
    print(status(manager, max_age=None), "\n")


def add_strategy() -> None:
    """Let a challenger predict along; it enters no signal."""
    challenger = strategy("linear", "shadow", estimator="sklearn.linear_model.LinearRegression")
    OnlineManager.load(name="desk").add_strategy(challenger)


if __name__ == "__main__":
    rf.init(calendar="bundled:sp500_close")
    with data_cut_at("2019-01-29"):
        first_run()
    for day in ("2019-01-30", "2019-02-01"):
        with data_cut_at(day):
            routine()
    with data_cut_at("2019-02-01"):
        add_strategy()
    with data_cut_at("2019-02-08"):
        routine()
        OnlineManager.load(name="desk").promote("linear", against="ridge", reason="it is simpler")
    with data_cut_at("2019-02-11"):
        routine()
    manager = OnlineManager.load(name="desk")
    for session, sets in manager.history.items():
        print(session.date(), {one.name_id: [run.name for run in models] for one, models in sets.items()})
    print(manager.get_signals("2019-02-11").head())
