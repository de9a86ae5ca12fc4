"""What an operator does: back to other models, promotions, simulations that differ; and what is scheduled meanwhile."""

from __future__ import annotations

import pandas as pd
import pytest
from online_world import BEGIN, LAST, SESSIONS, starts, task
from pandas.testing import assert_series_equal

from rollforward.errors import OnlineError
from rollforward.workflow.online.promoting import best_of
from rollforward.workflow.online.promotion import Decision, PromotionRule
from rollforward.workflow.online.strategy import RollingStrategy
from rollforward.workflow.task.gen import RollingGen


def online(manager, at=0):
    return [one.list_tags()["test_start"] for one in manager.strategies[at].tool.online_models()]


def served(manager, day):
    return [str(ref.test[0].date()) for models in manager.online_at(day).values() for ref in models]


def lived(world, until, **kwargs):
    world.to(SESSIONS[-1])
    manager = world.manager(**kwargs)
    manager.first_train()
    manager.routine(until)
    return manager


class TestRollingBack:
    def test_a_second_time_goes_one_further_back(self, world):
        manager = lived(world, "2020-02-20")
        assert served(manager, "2020-02-20") == ["2020-02-19"]

        manager.rollback()
        assert served(manager, "2020-02-21") == online(manager) == ["2020-02-12"]
        manager.rollback()  # on the same evening
        assert served(manager, "2020-02-21") == online(manager) == ["2020-02-05"]
        manager.routine("2020-02-24")
        with pytest.raises(OnlineError, match="anything else"):
            manager.rollback()
        manager.routine("2020-02-26")
        assert served(manager, "2020-02-26") == ["2020-02-26"]
        manager.rollback()
        assert served(manager, "2020-02-27") == ["2020-02-05"]

    def test_a_day_later_too(self, world):
        manager = lived(world, "2020-02-20")
        manager.rollback()
        manager.routine("2020-02-21")
        manager.rollback()
        assert served(manager, "2020-02-24") == ["2020-02-05"]

    def test_what_is_scheduled_for_later_comes(self, world):
        manager = lived(world, "2020-02-10", strategies=[self.ahead(world, 3)])
        assert [str(one.effective.date()) for one in manager.chain.head().states[0].switches] == [
            "2020-02-05",
            "2020-02-12",
        ]
        older = manager.chain.entries()[0].trained[0]
        recorder = manager.strategies[0].tool._experiment(None).get_recorder(recorder_id=older.recorder_id)

        manager.promote("ridge", models=[recorder], reason="calmer")

        assert served(manager, "2020-02-11") == ["2020-01-22"]
        assert served(manager, "2020-02-12") == ["2020-02-12"]
        manager.routine("2020-02-12")
        assert online(manager) == ["2020-02-12"]

    def test_what_is_scheduled_for_the_same_session_is_cancelled_and_that_is_said(self, world, caplog):
        manager = lived(world, "2020-02-18", strategies=[self.ahead(world, 1)])
        assert online(manager) == ["2020-02-19"]  # what serves tomorrow

        entry = manager.rollback(reason="worse")

        # Neither the one of today nor the one of tomorrow.
        assert served(manager, "2020-02-19") == online(manager) == ["2020-02-05"]
        assert entry.switches[0].reason == "worse; cancels the switch to Ridge 2020-02-19"
        assert "cancels the switch" in caplog.text
        manager.routine("2020-02-21")
        assert served(manager, "2020-02-21") == ["2020-02-05"]

    def test_adding_a_strategy_on_the_same_evening_leaves_the_pointer(self, world):
        manager = lived(world, "2020-02-13")
        manager.rollback()
        manager.add_strategy(world.strategy("second", 2.0))
        assert online(manager) == ["2020-02-05"]

    def ahead(self, world, n_sessions):
        rolling = RollingGen(step=5, rtype="sliding", gap=n_sessions)
        return RollingStrategy("ridge", task(world.source), rolling, ahead=n_sessions)


class TestPromotion:
    @pytest.mark.parametrize(
        ("against", "said"), [("nobody", "There is no strategy 'nobody'"), ("third", "shadow"), ("other", "itself")]
    )
    def test_by_hand_only_against_one_that_serves(self, world, against, said):
        shadows = [world.strategy(name, 2.0, role="shadow") for name in ("other", "third")]
        world.to(BEGIN)
        manager = world.manager(strategies=[world.strategy(), *shadows])
        manager.first_train()
        n_entries = len(manager.chain.entries())
        with pytest.raises(OnlineError, match=said):
            manager.promote("other", against=against)
        assert len(manager.chain.entries()) == n_entries

    @pytest.mark.parametrize(("against", "said"), [("nobody", "not there"), ("third", "shadow"), ("other", "itself")])
    def test_a_rule_against_one_that_does_not_serve_does_not_begin(self, world, against, said):
        world.to(BEGIN)
        other = world.strategy("other", 2.0, role="shadow", promotion=PromotionRule(against=against))
        third = world.strategy("third", 3.0, role="shadow")
        manager = world.manager(strategies=[world.strategy(), other, third])
        with pytest.raises(OnlineError, match=said):
            manager.first_train()
        assert manager.chain.head() is None

    def test_of_two_that_pass_the_better_one_is_promoted(self, world):
        rule = PromotionRule(metric="IC", window=5, min_sessions=4, margin=-5.0, against="ridge")
        shadows = [world.strategy(name, alpha, role="shadow", promotion=rule) for name, alpha in (("b", 1e3), ("a", 9))]
        manager = world.manager(strategies=[world.strategy(), *shadows])
        manager.first_train()
        manager.routine("2020-02-14")

        (entry,) = [one for one in manager.chain.entries() if "roles" in one.extra.get("promotions", {})]

        told = entry.extra["promotions"]
        figures = {name: one["challenger"] - one["champion"] for name, one in told["figures"].items()}
        assert set(figures) == {"a", "b"}
        winner = max(figures, key=figures.get)
        (loser,) = set(figures) - {winner}
        assert told["roles"] == {winner: "serving", "ridge": "shadow"}
        assert told["figures"][loser]["passes"]
        assert told["figures"][winner]["n_sessions"] == 4
        assert f"but {winner!r} is promoted" in told["decisions"][loser]
        after = manager.chain.head().extra["promotions"]["decisions"]
        assert list(after) == [loser]
        assert "in the shadow" in after[loser]

    def test_of_equals_the_first_by_name(self):
        def decision(gain, promote=True):
            return Decision(promote, 0.5 + gain, 0.5, 20, None, None, "")

        assert best_of({"b": decision(0.25), "a": decision(0.25), "c": decision(0.125)}) == "a"
        assert best_of({"b": decision(0.25, promote=False), "c": decision(0.125)}) == "c"
        assert best_of({}) is None

    def test_the_entries_that_are_read_do_not_depend_on_the_history(self, world, monkeypatch):
        monkeypatch.setattr("rollforward.workflow.online.ledger.recent._MORE", 0)
        rule = PromotionRule(metric="IC", window=2, min_sessions=2, margin=5.0, against="ridge")
        strategies = [world.strategy(), world.strategy("other", 1e3, role="shadow", promotion=rule)]
        manager = lived(world, "2020-02-12", strategies=strategies)
        n_read = []
        for before, day in (("2020-02-12", "2020-02-13"), ("2020-03-04", "2020-03-05")):
            manager.routine(before)
            fresh = world.manager(strategies=strategies)
            decisions = fresh.routine(day).extra["promotions"]["decisions"]
            assert "over 2 sessions" in decisions["other"]
            n_read.append(len(fresh.chain._plain))
        # The root has no entry, and where a state was written last is one more.
        assert n_read[1] <= n_read[0] + 1 < 12


class TestSimulatingAgain:
    def test_the_same_again_gives_the_same_and_a_later_end_goes_on(self, world):
        world.to(SESSIONS[-1])
        first = world.manager(name="trial").simulate("2020-02-12")
        n_entries = len(world.manager(name="trial").chain.entries())

        again = world.manager(name="trial").simulate("2020-02-12")
        assert_series_equal(again, first)
        assert len(world.manager(name="trial").chain.entries()) == n_entries
        longer = world.manager(name="trial").simulate("2020-02-14")
        assert_series_equal(longer[: pd.Timestamp("2020-02-12")], first)
        assert longer.index[-1][0] == pd.Timestamp("2020-02-14")
        assert_series_equal(world.manager(name="trial").simulate("2020-02-12"), first)

    @pytest.mark.parametrize("what", ["template", "begin_time", "strategies", "option", "role"])
    def test_something_else_under_the_same_name_is_refused(self, world, what):
        world.to(SESSIONS[-1])
        first = world.manager(name="trial")
        kept = first.simulate(BEGIN)
        changed = {
            "template": {"strategies": [world.strategy(alpha=9.0)]},
            "strategies": {"strategies": [world.strategy(), world.strategy("second", 2.0)]},
            "option": {"all_at_once": True},
            "role": {"strategies": [world.strategy(role="shadow")]},
        }
        other = world.manager(name="trial", **changed.get(what, {}))
        if what == "begin_time":
            other.begin_time = pd.Timestamp("2020-02-06")

        with pytest.raises(OnlineError, match="another simulation"):
            other.simulate(LAST)

        assert_series_equal(world.manager(name="trial").simulate(BEGIN), kept)


def test_the_pointer_says_on_the_morning_what_serves_that_day(world):
    rolling = RollingGen(step=5, rtype="sliding", gap=1)
    manager = lived(world, "2020-02-10", strategies=[RollingStrategy("ridge", task(world.source), rolling, ahead=1)])
    assert online(manager) == ["2020-02-05"]
    manager.routine("2020-02-11")
    assert online(manager) == ["2020-02-12"]
    assert starts(manager.history)["2020-02-11"] == ["2020-02-05"]


def test_arguments_that_no_strategy_takes_are_refused(world):
    world.to("2020-02-06")
    manager = world.manager()
    manager.first_train()
    with pytest.raises(OnlineError, match="'aheda', which no strategy takes"):
        manager.routine(task_kwargs={"aheda": 1})
    assert manager.routine(task_kwargs={"ahead": 0}).session == pd.Timestamp("2020-02-06")


def test_a_simulation_that_ends_before_it_begins_is_refused(world):
    manager = world.manager()

    with pytest.raises(OnlineError, match="ends on 2020-01-02"):
        manager.simulate("2020-01-02")

    assert manager.head() is None
