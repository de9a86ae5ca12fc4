"""A set that is refused: by the guard or for want of a proof, whichever entry has recorded it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from online_world import BEGIN, starts

from rollforward.workflow.online import proof_gate
from rollforward.workflow.online.standing import Standing
from rollforward.workflow.online.status import status

CONSTANT = {"class": "rollforward.SklearnModel", "kwargs": {"estimator": "sklearn.dummy.DummyRegressor"}}
NEW, OLD = "2020-02-12", "2020-02-05"


def begun(world, days, **kwargs):
    ahead = kwargs.pop("ahead", 0)
    manager = world.manager(strategies=[world.strategy("ridge", ahead=ahead)], **kwargs)
    world.to(BEGIN)
    manager.first_train()
    for day in days:
        world.to(day)
        manager.routine(day)
    return manager


def spoil(manager, model=CONSTANT):
    (strategy,) = manager.strategies
    strategy.lines.templates = {"Ridge": {**strategy.task_template[0], "model": model}}


def online(manager):
    return [one.list_tags()["test_start"] for one in manager.strategies[0].tool.online_models()]


@pytest.fixture
def leaks(monkeypatch):
    """Test starts of models that no proof is found for."""
    found, asked = set(), []

    def prove(recorders, **_):
        ours = [one.list_tags()["test_start"] for one in recorders]
        asked.extend(ours)
        ok = not found.intersection(ours)
        return SimpleNamespace(ok=ok, problems=[] if ok else ["it knew the future"], attach=lambda _: None)

    monkeypatch.setattr(proof_gate, "prove", prove)
    return SimpleNamespace(starts=found, asked=asked)


def test_a_bad_set_that_was_scheduled_the_evening_before_leaves_the_old_one(world):
    manager = begun(world, ["2020-02-10"], ahead=1)
    spoil(manager)
    world.to("2020-02-11")
    before = manager.routine()
    assert [one.effective for one in before.switches] == [pd.Timestamp(NEW)]
    world.to(NEW)

    entry = manager.routine()

    assert "different scores" in entry.state("ridge").held[f"{NEW}T00:00:00"]
    assert len(manager.get_signals(NEW)) == 5
    assert starts(manager.history)[NEW] == [OLD]
    assert manager.online_at(NEW)["ridge"][0].test[0] == pd.Timestamp(OLD)
    assert online(manager) == [OLD]
    waiting = status(manager, max_age=None)
    assert waiting.strategies[0].waiting == (f"Ridge {NEW}",)
    assert "different scores" in waiting.strategies[0].refused
    assert any("different scores" in problem for problem in waiting.problems)


def test_a_scheduled_set_is_refused_without_a_proof_and_serves_once_it_has_one(world, leaks):
    leaks.starts.add(NEW)
    manager = begun(world, ["2020-02-10", "2020-02-11", NEW], ahead=1, require_proof=True)

    assert "knew the future" in manager.chain.head().state("ridge").held[f"{NEW}T00:00:00"]
    assert starts(manager.history)[NEW] == [OLD] == online(manager)
    assert "knew the future" in Standing.of(manager.chain.head()).refused["ridge"]
    leaks.starts.clear()
    world.to("2020-02-13")
    entry = manager.routine()
    assert starts(manager.history)["2020-02-13"] == [NEW] == online(manager)
    assert not Standing.of(entry).waiting
    assert entry.state("ridge").standing(entry.session).proved
    asked = len(leaks.asked)
    world.to("2020-02-14")
    manager.routine()
    assert len(leaks.asked) == asked


def test_what_is_proved_once_is_not_proved_again(world, leaks):
    manager = begun(world, [BEGIN, "2020-02-06"], require_proof=True)
    assert leaks.asked == [OLD]
    assert manager.chain.head().state("ridge").standing(pd.Timestamp(BEGIN)).proved


def test_a_set_that_is_not_shown_before_it_is_proved(world, leaks):
    manager = begun(world, ["2020-02-10"], ahead=1, require_proof=True)
    world.to("2020-02-11")
    manager.routine()
    assert online(manager) == [OLD]
    world.to(NEW)
    manager.routine()
    assert online(manager) == [NEW]
    assert leaks.asked == [OLD, NEW]


def test_a_refused_set_is_not_published_the_next_day_if_the_old_one_was_bad_too(world, leaks):
    leaks.starts.add(NEW)
    manager = begun(world, ["2020-02-11"], require_proof=True)
    bad = world.prices.copy()
    bad.loc[NEW, list("CDE")] = np.nan
    world.to(NEW, bad)
    manager.routine()
    assert len(manager.get_signals(NEW)) == 0
    world.to("2020-02-13")
    manager.routine()

    assert starts(manager.history)["2020-02-13"] == [OLD] == online(manager)
    assert Standing.of(manager.chain.head()).waiting["ridge"].models[0].test[0] == pd.Timestamp(NEW)


def test_models_that_are_promoted_by_hand_need_a_proof(world, leaks):
    manager = begun(world, [BEGIN], require_proof=True, all_at_once=False)
    runs = manager.strategies[0].tool
    other = world.manager(name="other", strategies=[world.strategy("elsewhere", 3.0)])
    other.first_train()
    (stranger,) = other.strategies[0].tool.online_models()
    leaks.starts.add(stranger.list_tags()["test_start"])
    served = [one.id for one in runs.online_models()]

    manager.promote("ridge", models=[stranger])
    assert [one.id for one in runs.online_models()] == served
    world.to("2020-02-06")
    entry = manager.routine()

    assert "knew the future" in entry.state("ridge").held["2020-02-06T00:00:00"]
    assert [one.recorder_id for one in manager.online_at("2020-02-06")["ridge"]] == served
    assert [one.id for one in runs.online_models()] == served
    assert len(manager.get_signals("2020-02-06")) == 5


def test_what_comes_later_takes_the_place_of_what_waits(world, leaks):
    leaks.starts.add(NEW)
    manager = begun(world, ["2020-02-10", "2020-02-11", NEW, "2020-02-18"], ahead=1, require_proof=True)
    assert starts(manager.history)["2020-02-18"] == [OLD]
    world.to("2020-02-19")
    manager.routine()
    assert starts(manager.history)["2020-02-19"] == ["2020-02-19"]
    assert not Standing.of(manager.chain.head()).waiting
