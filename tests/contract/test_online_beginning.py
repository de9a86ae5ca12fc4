"""Of several strategies those begin that can; of the others nothing is left behind, and they can begin later."""

from __future__ import annotations

import logging

import pytest
from online_world import BEGIN, LAST_FOLD

from rollforward.cli.online.shown import entry_line, entry_text
from rollforward.errors import OnlineError, StoreUnreachableError
from rollforward.model.sklearn import SklearnModel
from rollforward.workflow.online import proof_gate
from rollforward.workflow.online.manager import OnlineManager
from rollforward.workflow.online.standing import Standing

TROUBLE = 100.0


@pytest.fixture
def world(world):
    world.segments = LAST_FOLD
    return world


@pytest.fixture
def breaks(monkeypatch):
    """Errors by the alpha of the models that raise them."""
    real, errors = SklearnModel.fit, {}

    def fit(self, *args, **kwargs):
        if self.estimator.alpha in errors:
            raise errors[self.estimator.alpha]
        return real(self, *args, **kwargs)

    monkeypatch.setattr(SklearnModel, "fit", fit)
    return errors


def two(world, **kwargs):
    world.to(BEGIN)
    return world.manager(strategies=[world.strategy("trouble", TROUBLE), world.strategy("well")], **kwargs)


def test_one_that_cannot_begin_keeps_none_from_it_and_begins_when_it_can(world, breaks):
    breaks[TROUBLE] = ZeroDivisionError("no variance left")
    manager = two(world)
    first = manager.first_train()

    assert [state.name_id for state in first.states] == ["well"]
    assert {ref.experiment for ref in first.trained} == {one.strategy for one in first.switches} == {"well"}
    assert set(Standing.of(first).newest) == {"well"}
    assert not Standing.of(first).untrained
    why = "first training failed: ZeroDivisionError: no variance left"
    assert first.extra["not_begun"] == {"trouble": why}
    assert f"NOT BEGUN trouble: {why}" in entry_text(first)
    assert why in entry_line(first)["notes"]

    with pytest.raises(ZeroDivisionError):
        manager.first_train()
    assert manager.chain.head() == first
    breaks.clear()
    entry = manager.first_train()
    assert entry.kind == "add_strategy"
    assert [state.name_id for state in entry.states] == ["well", "trouble"]
    assert {ref.experiment for ref in entry.trained} == {"trouble"}
    assert "not_begun" not in entry.extra
    routine = manager.routine()
    assert {one.strategy: one.n_rows for one in routine.publications} == {"well": 5, "trouble": 5, "": 5}


def test_one_that_is_mended_takes_the_place_of_the_one_that_could_not_begin(world, breaks):
    breaks[TROUBLE] = ZeroDivisionError("no variance left")
    manager = two(world)
    manager.first_train()
    for change in (manager.rollback, manager.promote):
        with pytest.raises(OnlineError, match="'trouble' has not begun"):
            change("trouble")
    manager.add_strategy(world.strategy("trouble", 3.0))

    assert [one.name_id for one in manager.strategies] == ["well", "trouble"]
    manager.routine()
    loaded = {one.name_id: one for one in OnlineManager.load("online").strategies}
    for strategy in (manager.strategies[1], loaded["trouble"]):
        assert strategy.task_template[0]["model"]["kwargs"]["alpha"] == 3.0


def test_none_that_can_begin_leave_an_empty_ledger(world, breaks):
    breaks |= {TROUBLE: ZeroDivisionError("no variance left"), 1.0: KeyError("REV9")}
    manager = two(world)
    with pytest.raises(OnlineError, match=r"trouble: .*ZeroDivisionError.*; well: .*KeyError"):
        manager.first_train()
    assert manager.head() is None
    breaks.clear()
    assert len(manager.first_train().states) == 2


def test_a_store_that_is_away_is_nobodys_trouble(world, breaks):
    breaks[TROUBLE] = StoreUnreachableError("The store is away.")
    manager = two(world)
    with pytest.raises(StoreUnreachableError):
        manager.first_train()
    assert manager.head() is None


def test_of_those_that_are_added_too(world, breaks):
    world.to(BEGIN)
    manager = world.manager(strategies=[world.strategy("old", 2.0)])
    manager.first_train()
    manager.routine()
    breaks[TROUBLE] = ZeroDivisionError("no variance left")
    entry = manager.add_strategy([world.strategy("trouble", TROUBLE), world.strategy("well")])

    assert [state.name_id for state in entry.states] == ["old", "well"]
    assert [str(one.effective.date()) for one in entry.switches] == ["2020-02-06"]  # what is published is published
    assert list(entry.extra["not_begun"]) == ["trouble"]
    assert [one.name_id for one in manager.strategies] == ["old", "well"]


def test_one_without_a_proof_keeps_none_from_it(world, monkeypatch):
    manager = two(world, require_proof=True)
    monkeypatch.setattr(proof_gate, "prove", _refusing("trouble", proof_gate.prove))
    entry = manager.first_train()
    assert [state.name_id for state in entry.states] == ["well"]
    assert all(one.proved for one in entry.switches)
    assert "ProofError" in entry.extra["not_begun"]["trouble"]


def _refusing(name, real):
    def prove(recorders, **kwargs):
        if any(_alpha(one) == TROUBLE for one in recorders):
            raise OnlineError(f"{name} looks ahead.")
        return real(recorders, **kwargs)

    return prove


def _alpha(recorder):
    return recorder.load_object("task")["model"]["kwargs"]["alpha"]


def test_a_routine_leaves_alone_what_has_not_begun(world, caplog):
    world.to(BEGIN)
    world.manager(strategies=[world.strategy("well")]).first_train()
    manager = two(world)
    plan = manager.plan()
    with caplog.at_level(logging.WARNING):
        entry = manager.routine()

    assert set(plan.frames["strategy"]) == {"well"}
    assert plan.folds.empty
    assert not entry.publications[-1].held
    assert not entry.publications[-1].partial
    assert any(
        "'trouble'" in record.getMessage() and "add_strategy" in record.getMessage() for record in caplog.records
    )
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
