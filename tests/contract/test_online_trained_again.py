"""Training that failed is tried again by the next call on the same evening, and nothing else is repeated."""

from __future__ import annotations

import itertools
import json

import pytest
from online_world import BEGIN, LAST_FOLD, starts, told
from pandas.testing import assert_series_equal

from rollforward.cli.main import main
from rollforward.cli.online.shown import is_held
from rollforward.model.sklearn import SklearnModel
from rollforward.workflow.online.ledger.entry import TRAIN
from rollforward.workflow.online.manager import OnlineManager
from rollforward.workflow.trainer import DelayTrainerR, TrainerR

DAY, NEXT = "2020-02-12", "2020-02-13"
MARK = f"{DAY}T00:00:00"


@pytest.fixture
def world(world):
    world.segments = LAST_FOLD
    return world


@pytest.fixture
def breaks(monkeypatch):
    """The alphas of models whose training fails."""
    real, broken, attempts = SklearnModel.fit, set(), itertools.count(1)

    def fit(self, *args, **kwargs):
        if self.estimator.alpha in broken:
            raise ZeroDivisionError(f"no variance left in attempt {next(attempts)}")
        return real(self, *args, **kwargs)

    monkeypatch.setattr(SklearnModel, "fit", fit)
    return broken


def failed(world, broken, *alphas, trainer=None):
    """A ledger whose last routine could not train some strategies, beside one that is well."""
    strategies = [world.strategy(f"trouble{alpha:.0f}", alpha) for alpha in alphas]
    manager = world.manager(trainer, strategies=[*strategies, world.strategy("well")])
    world.to(BEGIN)
    manager.first_train()
    broken |= set(alphas)
    world.to(DAY)
    manager.routine()
    return manager


@pytest.mark.parametrize("trainer", [TrainerR, DelayTrainerR], ids=lambda cls: cls.__name__)
def test_it_is_trained_and_serves_from_the_next_session_on(world, breaks, trainer):
    manager = failed(world, breaks, 100.0, trainer=trainer())
    signals, before = manager.get_signals(), manager.chain.head()
    assert "no variance left" in before.state("trouble100").held[MARK]
    breaks.clear()
    plan = manager.plan()

    again = OnlineManager.load("online", trainer=trainer())
    assert again.routine().run_id == before.run_id  # of the session; its publications say what is published

    head = again.chain.head()
    assert (head.kind, str(head.session.date()), head.seq) == (TRAIN, DAY, before.seq + 1)
    assert [(ref.experiment, str(ref.test[0].date())) for ref in head.trained] == [("trouble100", DAY)]
    assert [(one.strategy, str(one.effective.date())) for one in head.switches] == [("trouble100", NEXT)]
    assert not is_held(head)
    assert_series_equal(again.get_signals(), signals)
    assert starts(again.history)[DAY] == ["2020-02-05", DAY]
    (tool,) = (one.tool for one in again.strategies if one.name_id == "trouble100")
    assert [one.list_tags()["test_start"] for one in tool.online_models()] == [DAY]

    assert plan.untrained == ("trouble100",)
    assert [(row.strategy, str(row.test_start.date())) for row in plan.folds.itertuples()] == [("trouble100", DAY)]
    assert [str(row.effective.date()) for row in plan.switches.itertuples()] == [NEXT]
    assert str(plan).splitlines()[:2] == ["Training that failed is tried again: trouble100.", "Nothing else is due."]
    assert str(again.plan()) == "Nothing is due."

    again.routine()
    assert again.chain.head() == head
    world.to(NEXT)
    entry = again.routine()
    assert not entry.trained
    assert not entry.switches
    assert starts(again.history)[NEXT] == [DAY, DAY]


def test_what_fails_again_is_recorded_nowhere_and_what_does_not_is(world, breaks):
    manager = failed(world, breaks, 100.0, 200.0)
    before = told(manager.chain)
    manager.routine()
    assert told(manager.chain) == before

    breaks.discard(200.0)
    manager.routine()
    head = manager.chain.head()
    assert [ref.experiment for ref in head.trained] == ["trouble200"]
    assert [bool(state.held) for state in head.states] == [True, False, False]
    assert manager.plan().untrained == ("trouble100",)

    world.to(NEXT)
    breaks.clear()
    assert not manager.plan().untrained  # the session that is due trains it
    entry = manager.routine()
    assert [ref.experiment for ref in entry.trained] == ["trouble100"]
    assert not is_held(entry)


def test_what_failed_for_one_reason_and_then_another_is_well_at_last(world, breaks):
    manager = failed(world, breaks, 100.0, 200.0)
    breaks.discard(200.0)
    manager.routine()
    breaks.clear()
    manager.routine()
    head = manager.chain.head()
    assert [ref.experiment for ref in head.trained] == ["trouble100"]
    assert not is_held(head)


def test_what_is_accepted_waits_for_the_next_session(world, breaks):
    manager = failed(world, breaks, 100.0)
    breaks.clear()
    manager.accept(DAY, reason="tomorrow is soon enough")
    head = manager.chain.head()
    assert not is_held(head)
    manager.routine()
    assert manager.chain.head() == head
    world.to(NEXT)
    assert [ref.experiment for ref in manager.routine().trained] == ["trouble100"]


def test_on_the_command_line(world, breaks, capsys):
    failed(world, breaks, 100.0)

    def run(action, *more):
        code = main(["online", action, "online", "--uri", world.uri, "--calendar", str(world.source), *more])
        return code, capsys.readouterr().out

    assert run("routine")[0] == 3
    breaks.clear()
    code, said = run("routine")
    assert code == 0
    assert said.startswith(f"train {DAY}: 1 fold trained, 1 switch (")
    code, said = run("routine")
    assert code == 0
    assert said.startswith("Nothing was to be done.")
    assert [one["kind"] for one in json.loads(run("log", "--json")[1])][-2:] == ["routine", "train"]
