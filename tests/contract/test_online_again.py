"""A session that is done again: of several held strategies each for itself, and nothing twice."""

from __future__ import annotations

import numpy as np
import pytest
from online_world import BEGIN, LAST_FOLD, told

import rollforward as rf
from rollforward.errors import TrackingError
from rollforward.model.sklearn import SklearnModel
from rollforward.workflow.online import revising
from rollforward.workflow.online.manager import OnlineManager

DAY, BEFORE = "2020-02-07", "2020-02-06"
MARK = f"{DAY}T00:00:00"


@pytest.fixture
def world(world):
    world.segments = LAST_FOLD
    return world


def three_held(world):
    strategies = [world.strategy(name, alpha) for name, alpha in (("a", 1.0), ("b", 2.0), ("c", 3.0))]
    manager = world.manager(strategies=strategies)
    world.to(BEGIN)
    manager.first_train()
    world.to(BEFORE)
    manager.routine()
    world.to(DAY, without(world, DAY))
    manager.routine()
    return manager


def without(world, day):
    prices = world.prices.copy()
    prices.loc[day, list("CDE")] = np.nan
    return prices


@pytest.mark.parametrize("redo", [False, True])
def test_one_whose_model_is_gone_keeps_nothing_from_the_others(world, redo):
    manager = three_held(world)
    (gone,) = manager.online_at(DAY)["c"]
    rf.R.get_exp(experiment_name="c").delete_recorder(recorder_id=gone.recorder_id)
    world.to(DAY)

    again = OnlineManager.load("online")
    entry = again.routine(DAY, redo=redo)

    rows = again.chain.recorder(entry).load_object("strategy_signals.parquet")
    assert rows[["a", "b"]].notna().all(axis=None)
    assert len(again.get_signals(DAY)) == 5
    assert [bool(state.held) for state in entry.states] == [False, False, True]
    assert "models are gone" in entry.state("c").held[MARK]


def test_one_that_cannot_be_judged_keeps_nothing_from_the_others(world, monkeypatch):
    manager = three_held(world)
    world.to(DAY)
    real = revising.judge

    def judge(guard, predictions, models, *rest):
        if models[0].experiment == "c":
            raise TypeError("no number")
        return real(guard, predictions, models, *rest)

    monkeypatch.setattr(revising, "judge", judge)
    entry = manager.routine(DAY)
    assert [bool(state.held) for state in entry.states] == [False, False, True]


def test_those_that_recover_one_after_the_other_are_all_published(world, monkeypatch):
    manager = three_held(world)
    world.to(DAY)
    real, broken = SklearnModel.predict, {2.0, 3.0}

    def predict(self, *args, **kwargs):
        if self.estimator.alpha in broken:
            raise KeyError("REV9")
        return real(self, *args, **kwargs)

    monkeypatch.setattr(SklearnModel, "predict", predict)
    for alpha in (2.0, 3.0, None):
        entry = manager.routine()
        broken.discard(alpha)
    rows = manager.chain.recorder(entry).load_object("strategy_signals.parquet")
    assert rows.notna().all(axis=None)
    assert list(rows) == ["a", "b", "c"]


def test_to_redo_what_is_still_held_records_nothing(world):
    manager = three_held(world)
    before = told(manager.chain)
    manager.routine(DAY, redo=True)
    assert manager.routine(DAY, redo=True).session == manager.chain.head().session
    assert told(manager.chain) == before


def test_to_redo_what_is_still_partial_records_nothing(world):
    manager = world.manager(guard={"max_missing": 0.5})
    world.to(BEGIN)
    manager.first_train()
    prices = world.prices.copy()
    prices.loc[BEFORE, "E"] = np.nan
    manager.routine()
    world.to(BEFORE, prices)
    assert manager.routine().publications[0].partial
    before = told(manager.chain)
    manager.routine(BEFORE, redo=True)
    assert told(manager.chain) == before
    world.to(BEFORE)
    assert not manager.routine(BEFORE, redo=True).publications[0].partial


def test_tags_that_could_not_be_written_follow_with_the_next_session_of_the_same_call(world, monkeypatch):
    manager = world.manager()
    world.to(BEGIN)
    manager.first_train()
    tool, fails = manager.strategies[0].tool, iter([True])
    real = type(tool).show

    def show(self, *args, **kwargs):
        if next(fails, False):
            raise TrackingError("The store is full.")
        return real(self, *args, **kwargs)

    monkeypatch.setattr(type(tool), "show", show)
    world.to("2020-02-13")
    manager.routine()  # the fold of the 12th is the only switch
    assert [one.list_tags()["test_start"] for one in tool.online_models()] == ["2020-02-12"]
