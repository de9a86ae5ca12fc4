"""Sessions that were missed are done as on their own evenings: to the bit, and blind to what came later."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from online_world import BEGIN, SESSIONS, task, told, without_names
from pandas.testing import assert_frame_equal, assert_series_equal

from rollforward.errors import LaterDataError
from rollforward.workflow.online import hindsight
from rollforward.workflow.online.strategy import OnlineStrategy, RollingStrategy
from rollforward.workflow.task.collect import RecorderCollector
from rollforward.workflow.task.gen import RollingGen
from rollforward.workflow.trainer import DelayTrainerR, TrainerR

UNTIL = "2020-02-20"


def rolling(world, name, learner="sklearn.linear_model.Ridge"):
    """A template without any purge, whose label of the last training days is only known later."""
    template = task(world.source)
    template["model"]["kwargs"] = {"estimator": learner}
    template["dataset"]["kwargs"]["segments"] = {
        "train": ("2020-01-02", "2020-01-21"),
        "test": ("2020-01-22", "2020-02-05"),
    }
    return RollingStrategy(name, template, RollingGen(step=5, rtype="expanding", purge=None))


def daily(world, name, **kwargs):
    manager = world.manager(name=name, strategies=[rolling(world, f"{name}_ridge")], **kwargs)
    world.to(BEGIN)
    manager.first_train()
    for day in pd.bdate_range(BEGIN, UNTIL):
        world.to(day)
        manager.routine()
    return manager


def hashes(manager):
    return [entry.publications[-1].sha256 for entry in manager.chain.entries() if entry.publications]


def predictions(recording, experiment):
    found = recording.list_recorders(experiment_name=experiment).values()
    return {one.list_tags()["test_start"]: one.load_object("pred.pkl") for one in found}


@pytest.mark.parametrize("trainer", [TrainerR, DelayTrainerR])
def test_catching_up_is_the_same_as_daily_calls_to_the_bit(world, recording, trainer):
    each = daily(world, "daily", trainer=trainer())
    late = world.manager(trainer(), name="late", strategies=[rolling(world, "late_ridge")])
    world.to(SESSIONS[-1])  # the first training is late too
    late.first_train()
    late.routine(UNTIL)

    assert without_names(told(late.chain), "late") == without_names(told(each.chain), "daily")
    assert hashes(late) == hashes(each)
    assert_series_equal(late.get_signals(), each.get_signals(), check_exact=True)
    mine, theirs = predictions(recording, "late_ridge"), predictions(recording, "daily_ridge")
    assert mine.keys() == theirs.keys()
    for start, frame in mine.items():
        assert_frame_equal(frame, theirs[start], check_exact=True)


@pytest.mark.parametrize("trainer", [TrainerR, DelayTrainerR])
def test_a_simulation_learns_no_label_that_was_not_known(world, trainer):
    each = daily(world, "daily")
    world.to(SESSIONS[-1])
    manager = world.manager(trainer(), name="trial", strategies=[rolling(world, "trial_ridge")])

    signals = manager.simulate(UNTIL)

    assert_series_equal(signals, each.get_signals(), check_exact=True)
    assert hashes(manager) == hashes(each)


def test_an_error_on_one_day_is_that_day_s_own(world):
    bad = world.prices.copy()
    bad.loc["2020-02-11":"2020-02-12"] = np.nan
    world.to(BEGIN)
    manager = world.manager()
    manager.first_train()
    world.to("2020-02-11", bad)
    manager.routine()

    held = {
        str(one.session.date()): any(each.held for each in one.publications)
        for one in manager.chain.entries()
        if one.kind == "routine"
    }
    assert held == {
        "2020-02-05": False,
        "2020-02-06": False,
        "2020-02-07": False,
        "2020-02-10": False,
        "2020-02-11": True,
    }


def test_an_error_in_the_data_of_the_last_day_is_that_day_s_own(world):
    """Also of a day on which a model is trained: those before it are as if it had not come yet."""
    whole, wrong = daily(world, "whole"), world.prices.copy()
    wrong.loc["2020-02-19"] = -1.0
    world.to(BEGIN)
    manager = world.manager(name="late", strategies=[rolling(world, "late_ridge")])
    manager.first_train()
    world.to("2020-02-19", wrong)
    entry = manager.routine()

    assert "-1.0" in entry.state("late_ridge").held["2020-02-19T00:00:00"]
    assert not any(one.held for old in manager.chain.entries()[:-1] for one in old.publications)
    assert_series_equal(manager.get_signals(), whole.get_signals(end="2020-02-18"), check_exact=True)
    world.to("2020-02-20")  # repaired
    manager.routine()
    assert manager.get_signals().index.equals(whole.get_signals().index)
    assert not manager.chain.head().state("late_ridge").held


def test_data_that_a_handler_brings_along_are_used_all_the_same(world, caplog, monkeypatch):
    world.to(BEGIN)
    manager = world.manager()
    manager.first_train()
    world.to("2020-02-12")
    cuts = []

    class Refusing:
        """What a handler of the user's does that loads without `DataHandler.setup_data`."""

        def __init__(self, session):
            self.session = session

        def __enter__(self):
            cuts.append(self.session)
            raise LaterDataError("The handler holds later data.", "data of that day.")

        def __exit__(self, *_):
            return False

    monkeypatch.setattr(hindsight, "as_on", lambda session, calendar=None: Refusing(session))
    entry = manager.routine()
    assert [str(one.test[0].date()) for one in entry.trained] == ["2020-02-12"]
    assert cuts
    assert "with all data there are" in caplog.text


class Own(OnlineStrategy):
    """Trains on two days, and the second model joins the first."""

    def __init__(self, name_id, source):
        super().__init__(name_id)
        self.source = source

    def first_tasks(self):
        return [self._task(1.0, "2020-02-05")]

    def prepare_tasks(self, cur_time=None):
        days = {"2020-02-07": 2.0, "2020-02-10": 3.0}
        day = str(cur_time.date())
        return [self._task(days[day], day)] if day in days else []

    def prepare_online_models(self, trained_models, cur_time=None):
        online = [*self.tool.online_models(), *trained_models][-2:]
        self.tool.reset_online_tag(online)
        return online

    def get_collector(self, **kwargs):
        return RecorderCollector(self.name_id, **kwargs)

    def _task(self, alpha, start):
        made = task(self.source, alpha)
        made["dataset"]["kwargs"]["segments"] = {"train": ("2020-01-02", "2020-01-29"), "test": (start, "2020-03-31")}
        if alpha == 2.0:
            made["model"]["kwargs"] = {"estimator": "sklearn.dummy.DummyRegressor"}
        return made


def test_a_set_that_waits_is_not_lost_when_a_strategy_with_rules_of_its_own_goes_on(world):
    world.to(BEGIN)
    manager = world.manager(strategies=[Own("own", str(world.source))])
    manager.first_train()
    world.to("2020-02-07")
    refused = manager.routine()
    assert not refused.switches
    assert "waiting" in refused.extra
    world.to("2020-02-10")

    waiting = manager.routine().extra["waiting"]["own"]["models"]

    assert [one["test"][0][:10] for one in waiting] == ["2020-02-07", "2020-02-10"]
