"""One strategy that raises is held, and the others go on; what concerns all of them stops the routine."""

from __future__ import annotations

import logging

import pandas as pd
import pytest
from online_world import BEGIN, LAST_FOLD, starts

from rollforward.cli.online.shown import held_of, is_held
from rollforward.errors import OnlineBusyError, StoreUnreachableError
from rollforward.model.sklearn import SklearnModel
from rollforward.workflow.online import promoting, proof_gate
from rollforward.workflow.online.manager import OnlineManager
from rollforward.workflow.online.promotion import PromotionRule
from rollforward.workflow.trainer import DelayTrainerR, TrainerR

DAY, BEFORE = "2020-02-12", "2020-02-11"
MARK = f"{DAY}T00:00:00"


@pytest.fixture
def world(world):
    world.segments = LAST_FOLD
    return world


def two(world, trainer=None, role="shadow", **kwargs):
    """A strategy that is well, and one that will be in trouble: it comes first."""
    strategies = [world.strategy("trouble", 100.0, role=role, **kwargs), world.strategy("well")]
    manager = world.manager(trainer, strategies=strategies)
    world.to(BEGIN)
    manager.first_train()
    world.to(BEFORE)
    manager.routine()
    world.to(DAY)
    return manager


def fails(monkeypatch, name, error, alpha=100.0):
    real = getattr(SklearnModel, name)

    def failing(self, *args, **kwargs):
        if alpha is None or self.estimator.alpha == alpha:
            raise error
        return real(self, *args, **kwargs)

    monkeypatch.setattr(SklearnModel, name, failing)


@pytest.mark.parametrize("trainer", [TrainerR, DelayTrainerR], ids=lambda cls: cls.__name__)
@pytest.mark.parametrize("role", ["shadow", "serving"])
def test_training_that_fails_holds_its_strategy_only(world, monkeypatch, caplog, trainer, role):
    heard = []
    manager = two(world, trainer(), role)
    manager.on_hold = heard.append
    with monkeypatch.context() as patch, caplog.at_level(logging.ERROR):
        fails(patch, "fit", ZeroDivisionError("no variance left"))
        entry = manager.routine()

    assert "ZeroDivisionError: no variance left" in entry.state("trouble").held[MARK]
    assert not entry.state("well").held
    assert any("no variance left" in str(record.exc_info) for record in caplog.records if record.exc_info)
    assert [ref.experiment for ref in entry.trained] == ["well"]
    served = manager.online_at(DAY)
    assert {name: str(models[0].test[0].date()) for name, models in served.items()} == {
        "trouble": "2020-02-05",
        "well": DAY,
    }
    assert {one.strategy: one.n_rows for one in entry.publications} == {"trouble": 5, "well": 5, "": 5}
    assert [info["held"].keys() for info in heard] == [{"trouble"}]
    assert held_of(entry)
    assert is_held(entry)

    world.to("2020-02-13")
    after = manager.routine()
    assert not is_held(after)
    assert [(ref.experiment, str(ref.test[0].date())) for ref in after.trained] == [("trouble", DAY)]
    assert str(manager.online_at("2020-02-13")["trouble"][0].test[0].date()) == DAY


def test_a_model_that_cannot_predict_holds_its_strategy_and_is_tried_again(world, monkeypatch):
    manager = two(world, role="serving")
    with monkeypatch.context() as patch:
        fails(patch, "predict", KeyError("REV9"))
        entry = manager.routine()

    assert "KeyError" in entry.state("trouble").held[MARK]
    assert {one.strategy: one.n_rows for one in entry.publications} == {"trouble": 0, "well": 5, "": 5}
    again = manager.routine()
    assert again.extra["revises"] == MARK
    assert {one.strategy: one.n_rows for one in again.publications if one.strategy == "trouble"} == {"trouble": 5}
    assert not is_held(again)
    assert manager.get_signals().index.is_unique


def test_a_model_that_was_deleted_holds_its_strategy_only(world, recording):
    manager = two(world)
    ref = manager.online_at(BEFORE)["trouble"][0]
    recording.get_exp(experiment_name="trouble").delete_recorder(recorder_id=ref.recorder_id)
    world.to("2020-02-06")  # for the fold after it is not due yet
    world.to(BEFORE)
    loaded = OnlineManager.load("online")
    loaded.strategies[0].lines.templates = {}  # no fold comes to the rescue
    world.to(DAY)
    entry = loaded.routine()
    assert entry.state("trouble").held
    assert len(loaded.get_signals(DAY)) == 5


def test_a_promotion_that_cannot_be_judged_holds_its_strategy_only(world, monkeypatch):
    manager = two(world, promotion=PromotionRule(min_sessions=1, window=5, against="well"))
    monkeypatch.setattr(promoting, "_labels", lambda *_: {}["label"])
    entry = manager.routine()
    assert "KeyError" in entry.state("trouble").held[MARK]
    assert "KeyError" in entry.extra["promotions"]["decisions"]["trouble"]
    assert {one.strategy: one.n_rows for one in entry.publications} == {"trouble": 5, "well": 5, "": 5}


def test_a_proof_that_fails_is_no_proof(world, monkeypatch):
    manager = two(world, role="serving")
    manager.require_proof = True
    real = proof_gate.prove

    def prove(recorders, **kwargs):
        if any(one.experiment_id == trouble for one in recorders):
            raise OSError("the file of features is gone")
        return real(recorders, **kwargs)

    trouble = manager.online_at(BEFORE)["trouble"][0].experiment_id
    monkeypatch.setattr(proof_gate, "prove", prove)
    entry = manager.routine()
    assert "OSError: the file of features is gone" in entry.state("trouble").held[MARK]
    assert starts(manager.history)[DAY] == ["2020-02-05", DAY]


def test_all_in_trouble_hold_all_of_them(world, monkeypatch):
    manager = two(world, role="serving")
    fails(monkeypatch, "fit", ValueError("x"), alpha=None)
    entry = manager.routine()
    assert all("ValueError: x" in state.held[MARK] for state in entry.states)
    assert len(manager.get_signals(DAY)) == 5


def wrapped():
    outer = RuntimeError("the trainer could not log")
    outer.__cause__ = StoreUnreachableError("The store is away.")
    return outer


@pytest.mark.parametrize(
    "error",
    [StoreUnreachableError("The store is away."), wrapped(), OnlineBusyError("Somebody else."), KeyboardInterrupt()],
    ids=["store", "wrapped", "lease", "interrupt"],
)
@pytest.mark.parametrize("where", ["fit", "predict"])
def test_what_concerns_all_stops_the_routine_and_is_recorded_nowhere(world, monkeypatch, error, where):
    manager = two(world)
    before = manager.chain.head()
    with monkeypatch.context() as patch:
        fails(patch, where, error)
        with pytest.raises(type(error)):
            manager.routine()
    assert OnlineManager.load("online").chain.head() == before
    entry = manager.routine()
    assert entry.session == pd.Timestamp(DAY)
    assert not is_held(entry)


def test_a_lost_lease_is_nobodys_trouble(world, monkeypatch):
    manager = two(world)
    before = manager.chain.head()

    def lost(*_):
        raise OnlineBusyError("Another process has taken over.")

    def failing(self, *_args, **_kwargs):
        patch.setattr(manager.chain.lease_held, "check", lost)
        raise ValueError("by the way")

    with monkeypatch.context() as patch:
        patch.setattr(SklearnModel, "fit", failing)
        with pytest.raises(OnlineBusyError):
            manager.routine()
    assert OnlineManager.load("online").chain.head() == before


def test_a_simulation_holds_what_a_day_would_hold(world, monkeypatch):
    strategies = [world.strategy("trouble", 100.0, role="shadow"), world.strategy("well")]
    manager = world.manager(DelayTrainerR(), strategies=strategies)
    world.to(BEGIN)
    manager.simulate(BEGIN)
    fails(monkeypatch, "fit", ValueError("from the second fold on"))
    world.to("2020-02-20")
    manager.simulate("2020-02-13")
    assert set(starts(manager.history)[DAY]) == {"2020-02-05", DAY}
    assert "second fold" in str(manager.chain.head().state("trouble").held)
