"""A session that is done again, and strategies that begin later: what was published otherwise stays to the bit."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import pytest
from online_world import BEGIN, starts
from pandas.testing import assert_frame_equal, assert_series_equal

from rollforward.errors import LedgerError
from rollforward.workflow.online.manager import OnlineManager
from rollforward.workflow.online.mirrors import Mirrors
from rollforward.workflow.online.strategy import RollingStrategy
from rollforward.workflow.task.gen import RollingGen

BAD = "2020-02-07"


class DiedError(BaseException):
    pass


def die(*_args, **_kwargs):
    raise DiedError


def partly_bad(world, names=("slow",)):
    """Two strategies; on one day the second one's file lacks most prices."""
    other = world.source.with_name("other.csv")
    template = world.strategy("slow", 100.0).task_template[0]
    template["dataset"]["kwargs"]["handler"]["kwargs"]["source"] = str(other)
    slow = RollingStrategy("slow", template, RollingGen(step=5, rtype="sliding"))
    prices = world.prices.copy()
    prices.loc[BAD, list("CDE")] = np.nan

    def to(day, source=world.prices):
        world.to(day)
        source.loc[:day].to_csv(other)

    to(BEGIN)
    manager = world.manager(strategies=[world.strategy("ridge"), slow])
    manager.first_train()
    to("2020-02-06")
    manager.routine()
    to(BAD, prices)
    manager.routine()
    assert manager.chain.head().publications[1].held
    return manager, to


def rows(manager, entry):
    return manager.chain.recorder(entry).load_object("strategy_signals.parquet")


def test_only_the_strategy_that_was_held_is_published_again(world):
    manager, to = partly_bad(world)
    before = rows(manager, manager.chain.head())
    corrected = world.prices.copy()
    corrected.loc[BAD] *= 1.1
    corrected.loc[:BAD].to_csv(world.source)
    to(BAD)
    corrected.loc[:BAD].to_csv(world.source)  # the file of the other one, whose rows stay all the same

    entry = manager.routine(BAD, redo=True)

    assert [one.strategy for one in entry.publications] == ["slow", ""]
    after = rows(manager, entry)
    assert_series_equal(after["ridge"], before["ridge"], check_exact=True)
    assert after["slow"].notna().all()
    signal = manager.get_signals(BAD, BAD)
    expected = ((after - after.mean()) / after.std()).mean(axis=1)
    assert np.allclose(signal, expected)


def test_a_session_is_done_again_with_the_roles_and_strategies_of_then(world):
    manager, to = partly_bad(world)
    manager.add_strategy(world.strategy("late", 7.0))
    manager.promote("ridge", against="slow")
    held = manager.chain.head()
    to(BAD)

    again = OnlineManager.load("online")
    entry = again.routine(BAD, redo=True)

    after = rows(again, entry)
    assert sorted(after) == ["ridge", "slow"]
    expected = ((after - after.mean()) / after.std()).mean(axis=1)  # both served then
    assert np.allclose(again.get_signals(BAD, BAD), expected)
    assert [(one.name_id, one.role) for one in entry.states] == [(one.name_id, one.role) for one in held.states]
    assert entry.states[0].switches == held.states[0].switches
    assert not entry.states[1].held


def test_what_is_published_for_later_sessions_stays(world):
    manager, to = partly_bad(world)
    manager.future = True
    to("2020-02-13")
    manager.routine()
    later = manager.get_signals("2020-02-10")
    manager.rollback("ridge")

    manager.routine(BAD, redo=True)

    assert_series_equal(manager.get_signals("2020-02-10"), later, check_exact=True)


def test_a_strategy_that_is_added_begins_with_the_next_session(world):
    world.to(BEGIN)
    manager = world.manager()
    manager.first_train()
    world.to("2020-02-06")
    manager.routine()
    published = manager.get_signals()

    entry = manager.add_strategy(world.strategy("second", 50.0))

    assert entry.session == pd.Timestamp("2020-02-06")
    assert [str(one.effective.date()) for one in entry.switches] == ["2020-02-07"]
    assert list(manager.online_at("2020-02-06")) == ["ridge"]
    assert list(manager.online_at("2020-02-07")) == ["ridge", "second"]
    second = next(one for one in manager.strategies if one.name_id == "second")
    assert len(second.tool.online_models()) == 1  # tomorrow morning's set
    assert_series_equal(manager.get_signals(), published)
    world.to("2020-02-07")
    assert {one.strategy: one.n_rows for one in manager.routine().publications} == {"ridge": 5, "second": 5, "": 5}
    assert {one.name_id for one in manager.history[pd.Timestamp("2020-02-06")]} == {"ridge"}


def test_a_strategy_that_is_added_before_the_first_routine_begins_with_it(world):
    world.to(BEGIN)
    manager = world.manager()
    manager.first_train()

    entry = manager.add_strategy(world.strategy("second", 50.0))

    assert [str(one.effective.date()) for one in entry.switches] == [BEGIN]
    assert {one.strategy: one.n_rows for one in manager.routine().publications} == {"ridge": 5, "second": 5, "": 5}


@pytest.mark.parametrize("what", ["adopt", "redo", "add_strategy"])
def test_tags_are_repaired_by_whatever_is_done_next(world, monkeypatch, what):
    world.to("2020-02-12")
    manager = world.manager()
    if what == "adopt":
        manager.simulate("2020-02-12")
        doomed = manager.adopt
        tool = manager.strategies[0].tool
        tool.reset_online_tag([])
    else:
        manager.begin_time = pd.Timestamp("2020-02-11")
        manager.first_train()
        manager.routine("2020-02-11")
        doomed = partial(manager.routine, "2020-02-12")
        tool = manager.strategies[0].tool
    with monkeypatch.context() as patch:
        patch.setattr(Mirrors, "follow", die)
        with pytest.raises(DiedError):
            doomed()

    again = world.manager()
    if what == "adopt":
        again.adopt()
    elif what == "redo":
        again.routine("2020-02-12", redo=True)
    else:
        again.add_strategy(world.strategy("second", 2.0))

    assert [one.list_tags()["test_start"] for one in tool.online_models()] == ["2020-02-12"]
    assert tool.holder() == "online"


def test_reading_a_ledger_that_is_not_there_writes_nothing(world, recording):
    manager = world.manager(name="nowhere")

    for read in (
        manager.get_signals,
        lambda: manager.history,
        lambda: manager.online_at(BEGIN),
        manager.prepare_signals,
        manager.routine,
        manager.rollback,
        lambda: manager.signals,
    ):
        with pytest.raises(LedgerError, match="no ledger 'nowhere'"):
            read()

    assert "nowhere" not in recording.list_experiments()


def test_several_signals(world):
    def two(given):
        (scores,) = next(iter(given.values())).values()
        return pd.DataFrame({"long": scores, "short": -scores})

    world.to("2020-02-06")
    manager = world.manager(prepare_func=two)
    manager.first_train()
    manager.routine()

    found = manager.get_signals("2020-02-06")

    assert list(found) == ["long", "short"]
    assert_frame_equal(found, manager.prepare_signals())


def test_a_checkpoint_is_made_up_for(world, monkeypatch):
    monkeypatch.setattr("rollforward.workflow.online.routine.CHECKPOINT_EVERY", 4)
    world.to(BEGIN)
    manager = world.manager()
    manager.first_train()
    for day in ("2020-02-05", "2020-02-06", "2020-02-07"):
        world.to(day)
        manager.routine()
    manager.add_strategy(world.strategy("second", 2.0))  # has the number that is due
    world.to("2020-02-11")
    manager.routine()

    marked = [entry.seq for entry in manager.chain.entries() if entry.extra.get("so_far")]
    assert marked == [5]
    assert_series_equal(world.manager().get_signals(), manager.get_signals())
    assert starts(manager.history)["2020-02-10"] == ["2020-02-05", "2020-02-05"]
