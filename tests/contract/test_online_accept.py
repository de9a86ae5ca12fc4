"""What an operator settles: a session whose data never come, and a set that serves before any routine has judged it."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from online_world import BEGIN, LAST_FOLD, live, told

from rollforward.cli.main import main
from rollforward.cli.online.shown import is_held
from rollforward.errors import OnlineError, ProofError
from rollforward.workflow.online import proof_gate
from rollforward.workflow.online.manager import OnlineManager
from rollforward.workflow.online.status import status

HELD = "2020-02-07"
MARK = f"{HELD}T00:00:00"


@pytest.fixture
def world(world):
    world.segments = LAST_FOLD
    return world


def bad(world):
    prices = world.prices.copy()
    prices.loc[HELD, list("CDE")] = np.nan
    return prices


def held(world, until="2020-02-11"):
    manager = live(world, ["2020-02-06"], "online")
    world.to(until, bad(world))
    manager.routine()
    return manager


def test_a_session_that_is_accepted_is_no_problem_any_more_and_not_tried_again(world):
    manager = held(world, "2020-02-10")
    assert list(manager.plan().again) == [MARK]

    entry = manager.accept(HELD, reason="the exchange was down")

    assert (entry.kind, entry.extra["accepts"], entry.extra["reason"]) == ("accept", MARK, "the exchange was down")
    assert MARK not in manager.chain.head().state("online_ridge").held
    assert HELD not in str(status(manager, max_age=None))
    assert MARK not in manager.plan().again
    world.to("2020-02-11")
    after = OnlineManager.load("online").routine()
    assert not is_held(after)
    assert HELD not in {str(day.date()) for day in manager.get_signals().index.get_level_values(0)}
    assert manager.routine(HELD, redo=True).extra["revises"] == MARK  # the data came after all
    assert len(manager.get_signals(HELD, HELD)) == 5


def test_what_is_not_held_cannot_be_accepted(world):
    manager = held(world, HELD)
    before = told(manager.chain)
    for session, strategy in (("2020-02-06", None), ("2020-02-06", "online_ridge"), (HELD, "nobody")):
        with pytest.raises(OnlineError):
            manager.accept(session, strategy)
    manager.accept(HELD)
    with pytest.raises(OnlineError, match="No strategy is held"):
        manager.accept(HELD)
    assert len(told(manager.chain)) == len(before) + 1


def test_on_the_command_line(world, capsys):
    held(world, HELD)

    def run(action, *more):
        code = main(["online", action, "online", "--uri", world.uri, "--calendar", str(world.source), *more])
        return code, capsys.readouterr().out

    assert run("status", "--max-age", "99999d")[0] == 3
    code, said = run("accept", "--time", HELD, "--reason", "no trade")
    assert code == 0
    assert f"{HELD} stays as it is: no trade" in said
    assert run("status", "--max-age", "99999d")[0] == 0
    assert json.loads(run("log", "--json")[1])[-1]["extra"]["reason"] == "no trade"
    assert run("log", "--as-known-at", "some day")[0] == 1
    assert run("routine")[0] == 0


def test_a_plan_says_which_sessions_are_tried_again(world):
    manager = held(world, HELD)
    plan = manager.plan()
    assert plan.to_dict()["again"] == {MARK: ["online_ridge"]}
    assert str(plan).splitlines() == [f"{HELD} is tried again: online_ridge.", "Nothing else is due."]
    world.to(HELD)
    manager.routine()
    assert not manager.plan().again


def test_a_hook_that_fails_while_several_sessions_are_done_is_told_with_the_next_command(world):
    heard = []

    def fails(_):
        raise OSError

    manager = live(world, ["2020-02-06"], "online")
    manager.on_hold = fails
    world.to("2020-02-10", bad(world))
    manager.routine()
    manager.on_hold = heard.append
    manager.routine()
    manager.routine()
    assert [info["session"] for info in heard] == [MARK]


@pytest.fixture
def leaks(monkeypatch):
    """Ids of runs that no proof is found for."""
    found = set()

    def prove(recorders, **_):
        ok = not found.intersection(one.id for one in recorders)
        return SimpleNamespace(ok=ok, problems=[] if ok else ["it knew the future"], attach=lambda _: None)

    monkeypatch.setattr(proof_gate, "prove", prove)
    return found


def online(manager):
    return [one.id for one in manager.strategies[0].tool.online_models()]


def test_a_simulation_is_not_adopted_without_a_proof(world, leaks):
    trial = world.manager(name="trial")
    trial.simulate("2020-02-10")
    (ref,) = trial.online_at("2020-02-10")["ridge"]
    leaks.add(ref.recorder_id)
    manager = OnlineManager.load("trial", require_proof=True)
    with pytest.raises(ProofError, match="knew the future"):
        manager.adopt()
    assert manager.chain.head().simulated

    leaks.clear()
    entry = manager.adopt()
    assert not entry.simulated
    assert entry.state("ridge").standing(pd.Timestamp("2020-02-11")).proved
    world.to("2020-02-11")
    assert not is_held(OnlineManager.load("trial").routine())


def test_before_the_first_routine_nothing_is_promoted_without_a_proof(world, leaks):
    manager = world.manager(require_proof=True)
    world.to(BEGIN)
    manager.first_train()
    other = world.manager(name="other", strategies=[world.strategy("elsewhere", 3.0)])
    other.first_train()
    (stranger,) = other.strategies[0].tool.online_models()
    leaks.add(stranger.id)
    served = online(manager)

    with pytest.raises(ProofError, match="knew the future"):
        manager.promote("ridge", models=[stranger])

    assert online(manager) == served
    assert len(manager.routine().publications) == 2
    assert len(manager.get_signals()) == 5
    leaks.clear()


def test_a_proved_promotion_before_the_first_routine_serves(world, leaks):
    manager = world.manager(require_proof=True)
    world.to(BEGIN)
    manager.first_train()
    other = world.manager(name="other", strategies=[world.strategy("elsewhere", 3.0)])
    other.first_train()
    (good,) = other.strategies[0].tool.online_models()
    entry = manager.promote("ridge", models=[good])
    assert [one.proved for one in entry.switches] == [True]
    assert online(manager) == [good.id]
    assert not is_held(manager.routine())
    assert not leaks
