"""Sessions that are held: tried again by themselves, marked until there is something, and told of at least once."""

from __future__ import annotations

import json
import sys

import numpy as np
import pandas as pd
import pytest
from online_world import BEGIN, LAST_FOLD, SESSIONS, live, told

from rollforward import settings
from rollforward.cli.main import main
from rollforward.cli.online.shown import is_held
from rollforward.errors import OnlineError
from rollforward.workflow.online import work
from rollforward.workflow.online.announcing import TOLD
from rollforward.workflow.online.manager import OnlineManager
from rollforward.workflow.online.sessions import session_at
from rollforward.workflow.online.status import status

HELD = "2020-02-07"
MARK = f"{HELD}T00:00:00"


@pytest.fixture
def world(world):
    world.segments = LAST_FOLD
    return world


def bad(world, *days):
    prices = world.prices.copy()
    prices.loc[pd.DatetimeIndex(days), list("CDE")] = np.nan
    return prices


def held(world, hook=None):
    manager = live(world, ["2020-02-06"], "online")
    manager.on_hold = hook
    world.to(HELD, bad(world, HELD))
    manager.routine()
    return manager


def days(manager):
    return [str(day.date()) for day in manager.get_signals().index.get_level_values(0).unique()]


def test_a_held_session_is_tried_again_by_the_next_routine(world):
    manager = held(world)
    world.to("2020-02-10")

    entry = manager.routine()

    assert [one.extra.get("revises") for one in manager.chain.entries()][-2:] == [MARK, None]
    assert days(manager) == ["2020-02-05", "2020-02-06", HELD, "2020-02-10"]
    assert manager.get_signals().index.is_unique
    assert not is_held(entry)
    assert status(manager, max_age=None).ok


def test_it_is_tried_again_on_the_same_evening_and_nothing_is_recorded_until_it_is_good(world):
    manager = held(world)
    before = told(manager.chain)
    assert manager.routine().session == pd.Timestamp(HELD)
    assert told(manager.chain) == before
    world.to(HELD)
    assert manager.routine().extra["revises"] == MARK
    after = told(manager.chain)
    manager.routine()
    assert told(manager.chain) == after


def test_an_earlier_session_that_is_published_on_an_evening_that_is_done_is_said(world, capsys):
    manager = held(world)
    world.to("2020-02-10", bad(world, HELD))
    manager.routine()
    world.to("2020-02-10")

    assert main(["online", "routine", "online", "--uri", world.uri, "--calendar", str(world.source)]) == 0

    assert capsys.readouterr().out.startswith(f"routine {HELD}: ")
    last = manager.prepare_signals()  # of the last session, whatever was published after it
    assert {str(day.date()) for day in last.index.get_level_values(0)} == {"2020-02-10"}


def test_the_mark_stays_until_there_is_a_publication(world):
    manager = held(world)
    for day in ("2020-02-10", "2020-02-11"):
        world.to(day, bad(world, HELD))
        entry = manager.routine()
        assert MARK in entry.state("online_ridge").held  # and today's, for a feature looks back on that day
        assert is_held(entry)
        assert any(HELD in problem for problem in status(manager, max_age=None).problems)
    world.to("2020-02-11")
    manager.routine()
    assert not is_held(manager.chain.head())
    assert HELD not in str(status(manager, max_age=None))


def test_only_the_last_five_sessions_are_tried_again_by_themselves(world):
    manager = held(world)
    late = SESSIONS[SESSIONS.get_loc(pd.Timestamp(HELD)) + 5]
    world.to(late, bad(world, HELD))
    manager.routine()
    world.to(late)
    assert is_held(manager.chain.head())
    manager.routine()
    assert manager.chain.head().state("online_ridge").held.keys() == {MARK}
    revised = manager.routine(HELD, redo=True)
    assert not is_held(revised)
    assert HELD in days(manager)


def test_other_strategies_stay_as_they_were_published(world):
    strategies = [world.strategy("ridge"), world.strategy("other", 100.0)]
    manager = world.manager(strategies=strategies)
    world.to(BEGIN)
    manager.first_train()
    manager.routine()
    world.to("2020-02-06")
    from rollforward.model.sklearn import SklearnModel

    real = SklearnModel.predict
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            SklearnModel, "predict", lambda self, *a, **k: real(self, *a, **k) if self.estimator.alpha == 1 else 1 / 0
        )
        first = manager.routine()
    strategy = manager.chain.recorder(first).load_object("strategy_signals.parquet")
    again = manager.routine()
    both = manager.chain.recorder(again).load_object("strategy_signals.parquet")
    assert set(both) == {"ridge", "other"}
    pd.testing.assert_series_equal(both["ridge"], strategy["ridge"])
    assert again.publications[-1].n_rows == 5
    assert not again.publications[-1].held


class TestTheHook:
    def test_it_is_told_once(self, world):
        heard = []
        manager = held(world, heard.append)
        manager.routine()
        OnlineManager.load("online", on_hold=heard.append).routine()
        assert len(heard) == 1
        assert heard[0]["session"] == MARK

    def test_after_a_kill_between_the_record_and_the_hook_the_next_one_tells(self, world, monkeypatch):
        heard = []
        with monkeypatch.context() as patch:

            def killed(_desk, _chain, entry):
                if is_held(entry):
                    raise KeyboardInterrupt

            patch.setattr(work, "tell_hold", killed)
            with pytest.raises(KeyboardInterrupt):
                held(world)
        manager = OnlineManager.load("online", on_hold=heard.append)
        world.to("2020-02-10")
        manager.routine()
        assert [info["session"] for info in heard] == [MARK]
        assert heard[0]["held"].keys() == {"online_ridge"}

    def test_a_promotion_in_between_does_not_swallow_it(self, world, monkeypatch):
        heard = []
        monkeypatch.setattr(work, "tell_hold", lambda *_: None)
        held(world)
        monkeypatch.undo()
        OnlineManager.load("online", on_hold=heard.append).promote("online_ridge", reason="as it is")
        assert [info["session"] for info in heard] == [MARK]

    def test_it_comes_after_the_tags(self, world):
        """A new set begins to serve on a day on which another strategy is held: who is told sees the new set."""
        seen = []
        manager = world.manager(strategies=[world.strategy("ridge"), world.strategy("other", 100.0)])
        world.to(BEGIN)
        manager.first_train()
        world.to("2020-02-11")
        manager.routine()
        other, ridge = manager.strategies[1], manager.strategies[0]
        constant = {"class": "rollforward.SklearnModel", "kwargs": {"estimator": "sklearn.dummy.DummyRegressor"}}
        other.lines.templates = {"Ridge": {**other.task_template[0], "model": constant}}
        manager.on_hold = lambda _: seen.extend(one.list_tags()["test_start"] for one in ridge.tool.online_models())
        world.to("2020-02-12")
        manager.routine()
        assert seen == ["2020-02-12"]

    def test_one_that_fails_is_told_again(self, world):
        heard = []

        def fails(info):
            heard.append(info)
            raise OSError

        manager = held(world, fails)
        manager.on_hold = heard.append
        manager.routine()
        manager.routine()
        assert len(heard) == 2
        assert TOLD in manager.chain.recorder(manager.chain.head()).list_tags()

    def test_a_command_is_told_of_a_shadow_too(self, world, tmp_path):
        out = tmp_path / "told.json"
        script = f"import sys; open({str(out)!r}, 'w').write(sys.stdin.read())"
        manager = world.manager(strategies=[world.strategy("ridge", role="shadow"), world.strategy("other", 100.0)])
        manager.on_hold = [sys.executable, "-c", script]
        world.to(BEGIN)
        manager.first_train()
        world.to("2020-02-06")
        manager.routine()
        world.to(HELD, bad(world, HELD))
        manager.routine()
        assert "ridge" in json.loads(out.read_text())["held"]


class TestAnExchange:
    @pytest.fixture(autouse=True)
    def _needs_the_extra(self):
        pytest.importorskip("exchange_calendars")

    def test_a_session_that_trades_is_not_done_yet(self, world, monkeypatch):
        def at(time):
            monkeypatch.setattr("rollforward.data.exchanges.now", lambda: pd.Timestamp(time).value)

        world.to("2020-02-06")
        settings.init(uri=world.uri, calendar="XNYS")
        at("2020-02-05 22:00")
        manager = world.manager()
        manager.first_train()
        manager.routine()
        at("2020-02-06 18:00")  # it trades: there are prices, and they are not those of the close
        assert str(session_at(None).date()) == "2020-02-05"
        assert not manager.plan().sessions
        assert status(manager, max_age=None).behind == 0
        assert manager.routine().session == pd.Timestamp("2020-02-05")
        with pytest.raises(OnlineError, match="future"):
            manager.routine("2020-02-06")
        at("2020-02-06 21:00")
        assert manager.routine().session == pd.Timestamp("2020-02-06")
