"""The manager of online models: the contract's worked example, and what a routine promises."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from online_world import BEGIN, LAST, SESSIONS, live, starts, told, without_names

from rollforward.errors import OnlineError
from rollforward.workflow.online.manager import OnlineManager
from rollforward.workflow.trainer import DelayTrainerR, DelayTrainerRM, TrainerR, TrainerRM

TRAINERS = [TrainerR, DelayTrainerR, TrainerRM, DelayTrainerRM]

EXPECTED = (
    {str(day.date()): ["2020-02-05"] for day in pd.bdate_range("2020-02-05", "2020-02-11")}
    | {str(day.date()): ["2020-02-12"] for day in pd.bdate_range("2020-02-12", "2020-02-18")}
    | {str(day.date()): ["2020-02-19"] for day in pd.bdate_range("2020-02-19", "2020-02-20")}
)


@pytest.mark.parametrize("trainer", TRAINERS, ids=lambda cls: cls.__name__)
def test_simulation_of_the_contract(world, trainer, recording):
    manager = world.manager(trainer())

    signals = manager.simulate(LAST)

    assert starts(manager.history) == EXPECTED
    recorders = recording.list_recorders(experiment_name="ridge")
    assert len(recorders) == 5
    assert [one.list_tags()["test_start"] for one in manager.strategies[0].tool.online_models()] == ["2020-02-19"]
    online = [one for one in recorders.values() if one.list_tags().get("online_status") == "online"]
    assert [one.list_tags()["test_start"] for one in online] == ["2020-02-19"]
    assert signals.index.is_unique
    assert list(signals.index.get_level_values(0).unique()) == list(pd.bdate_range(BEGIN, LAST))
    assert len(signals) == 12 * 5
    assert signals.name == "score"
    assert manager.status == manager.STATUS_ONLINE


def test_all_at_once_is_qlibs_first_training(world):
    manager = world.manager(all_at_once=True)

    manager.first_train()

    assert starts(manager.history) == {"2020-02-05": ["2020-01-22", "2020-01-29", "2020-02-05"]}


def predictions(recording, experiment):
    found = recording.list_recorders(experiment_name=experiment).values()
    return {one.list_tags()["test_start"]: one.load_object("pred.pkl") for one in found}


def test_a_routine_is_done_once(world, recording):
    manager = live(world, ["2020-02-10", "2020-02-12"], "online")
    before, recorders = told(manager.chain), recording.list_recorders(experiment_name="online_ridge")
    signals = manager.get_signals()

    again = manager.routine("2020-02-12")
    other = world.manager(name="online", strategies=[world.strategy("online_ridge")])
    other.first_train()
    third = other.routine("2020-02-12")

    assert again.run_id == third.run_id
    assert told(manager.chain) == before == told(other.chain)
    assert list(recording.list_recorders(experiment_name="online_ridge")) == list(recorders)
    pd.testing.assert_series_equal(other.get_signals(), signals)
    assert manager.routine("2020-02-07").session == pd.Timestamp("2020-02-07")


def test_missed_days_and_a_simulation_give_what_daily_calls_give(world, recording):
    days = pd.bdate_range(BEGIN, "2020-02-19")
    daily = live(world, days, "daily")
    late = live(world, [days[1], days[-1]], "late")
    world.to(SESSIONS[-1])
    simulated = world.manager(name="simulated", strategies=[world.strategy("simulated_ridge")])
    signals = simulated.simulate("2020-02-19")

    assert without_names(told(late.chain), "late") == without_names(told(daily.chain), "daily")
    pd.testing.assert_series_equal(late.get_signals(), daily.get_signals())
    mine, theirs = predictions(recording, "late_ridge"), predictions(recording, "daily_ridge")
    assert mine.keys() == theirs.keys()
    for start, frame in mine.items():
        if start >= BEGIN:
            pd.testing.assert_frame_equal(frame, theirs[start])
    assert starts(late.history) == starts(daily.history)
    pd.testing.assert_series_equal(signals, daily.get_signals())
    mine = [(row[:2], *row[3:]) for row in told(simulated.chain)]
    theirs = [(row[:2], *row[3:]) for row in told(daily.chain)]
    assert without_names(mine, "simulated") == without_names(theirs, "daily")
    assert all(entry.simulated for entry in simulated.chain.entries())


def test_a_simulation_goes_on_live(world):
    manager = world.manager()
    manager.simulate("2020-02-13")
    other = world.manager()

    with pytest.raises(OnlineError, match="simulation"):
        other.routine("2020-02-14")
    entry = manager.routine("2020-02-14")

    assert [one.kind for one in manager.chain.entries()][-2:] == ["adopt", "routine"]
    assert not entry.simulated
    assert other.routine("2020-02-14").run_id == entry.run_id
    with pytest.raises(OnlineError, match="serves already"):
        other.simulate(LAST)
    assert list(manager.get_signals().index.get_level_values(0).unique()) == list(pd.bdate_range(BEGIN, "2020-02-14"))


def test_another_machine_goes_on(world):
    live(world, ["2020-02-11"], "online")
    world.to("2020-02-12")

    loaded = OnlineManager.load("online")
    entry = loaded.routine()

    assert entry.session == pd.Timestamp("2020-02-12")
    assert starts(loaded.history)["2020-02-12"] == ["2020-02-12"]


def test_a_pickle_holds_no_calendar(world, tmp_path):
    manager = live(world, [BEGIN], "online")
    manager.to_pickle(tmp_path / "manager.pkl")
    world.to("2020-02-12")

    loaded = OnlineManager.load(tmp_path / "manager.pkl")
    loaded.routine()

    assert starts(loaded.history)["2020-02-12"] == ["2020-02-12"]
    assert loaded.cur_time == pd.Timestamp("2020-02-12")


def test_roll_back(world):
    manager = live(world, ["2020-02-13"], "online")

    manager.rollback(reason="worse")
    tool = manager.strategies[0].tool
    assert [one.list_tags()["test_start"] for one in tool.online_models()] == ["2020-02-05"]
    world.to("2020-02-19")
    manager.routine()

    found = starts(manager.history)
    assert found["2020-02-13"] == ["2020-02-12"]
    assert found["2020-02-14"] == found["2020-02-18"] == ["2020-02-05"]
    assert found["2020-02-19"] == ["2020-02-19"]
    assert manager.get_signals().index.is_unique


def test_a_shadow_enters_no_signal_until_it_is_promoted(world):
    strategies = [world.strategy("ridge"), world.strategy("other", 100.0, role="shadow")]
    manager = world.manager(
        strategies=strategies,
        prepare_func=lambda given: sum(rows for lines in given.values() for rows in lines.values()),
    )
    manager.first_train()
    manager.routine("2020-02-06")
    alone = manager.get_signals()
    manager.promote("other", against="ridge")
    manager.routine("2020-02-10")

    entry = manager.chain.head()
    assert {state.name_id: state.role for state in entry.states} == {"ridge": "shadow", "other": "serving"}
    strategy = manager.chain.recorder(entry).load_object("strategy_signals.parquet")
    assert set(strategy) == {"ridge", "other"}
    after = manager.get_signals("2020-02-07")
    assert np.allclose(after.loc["2020-02-10"], strategy["other"].loc["2020-02-10"])
    pd.testing.assert_series_equal(manager.get_signals(end="2020-02-06"), alone)


def test_shadows_alone_make_no_signal(world):
    manager = world.manager(strategies=[world.strategy("other", 100.0, role="shadow")])
    world.to(BEGIN)
    manager.first_train()
    manager.routine()
    assert manager.signals is None
    assert manager.chain.head().publications[0].n_rows == 5
    assert manager.prepare_signals().empty
    assert manager.prepare_signals(over_write=True).empty


def test_a_strategy_is_added(world):
    manager = live(world, ["2020-02-06"], "online")

    manager.add_strategy(world.strategy("second", 50.0))
    world.to("2020-02-07")
    entry = manager.routine()

    assert [one.kind for one in manager.chain.entries()] == [
        "first_train",
        "routine",
        "routine",
        "add_strategy",
        "routine",
    ]
    assert {one.strategy: one.n_rows for one in entry.publications} == {"online_ridge": 5, "second": 5, "": 5}
    assert sorted(one.name_id for one in manager.history[pd.Timestamp("2020-02-07")]) == ["online_ridge", "second"]


def test_a_bad_day_is_held_and_done_again(world):
    heard = []
    manager = live(world, ["2020-02-06"], "online")
    manager.on_hold = heard.append
    bad = world.prices.copy()
    bad.loc["2020-02-07", list("CDE")] = np.nan
    world.to("2020-02-07", bad)

    entry = manager.routine()

    assert "missing" in entry.state("online_ridge").held["2020-02-07T00:00:00"]
    assert "2020-02-07" not in manager.get_signals().index.get_level_values(0)
    assert heard[0]["held"].keys() == {"online_ridge"}
    world.to("2020-02-07")
    revised = manager.routine("2020-02-07", redo=True)
    assert not revised.state("online_ridge").held
    assert len(manager.get_signals("2020-02-07")) == 5
    assert len(manager.get_signals("2020-02-07", as_known_at=entry.recorded_at)) == 0
    assert manager.routine("2020-02-07", redo=True).run_id == revised.run_id
    world.to("2020-02-10")
    assert len(manager.routine().publications[-1].held) == 0
    assert manager.get_signals().index.is_unique


def test_a_session_that_is_done_is_itself_also_after_an_older_one_was_done_again(world):
    manager = live(world, ["2020-02-06"], "online")
    bad = world.prices.copy()
    bad.loc["2020-02-07", list("CDE")] = np.nan
    world.to("2020-02-10", bad)
    entry = manager.routine()
    world.to("2020-02-10")
    manager.routine("2020-02-07", redo=True)
    assert manager.routine("2020-02-10").run_id == entry.run_id


def test_nothing_is_done_before_the_first_training_or_in_the_future(world):
    world.to("2020-02-05")
    manager = world.manager()

    with pytest.raises(OnlineError, match="first_train"):
        manager.routine()
    manager.first_train()
    with pytest.raises(OnlineError, match="future"):
        manager.routine("2020-02-07")


def test_the_routine_does_what_was_planned(world):
    manager = live(world, ["2020-02-10"], "online")
    world.to(LAST)

    plan = manager.routine(plan=True)
    assert told(manager.chain)[-1][1] == pd.Timestamp("2020-02-10")
    manager.routine()

    done = manager.chain.entries()[-len(plan.sessions) :]
    assert [entry.session for entry in done] == list(plan.sessions)
    trained = [(entry.session, ref.model, *ref.test) for entry in done for ref in entry.trained]
    columns = ["session", "model", "test_start", "test_end"]
    assert [tuple(row) for row in plan.folds[columns].itertuples(index=False)] == trained
    switched = [
        (one.effective, tuple(f"{ref.model} {ref.test[0].date()}" for ref in one.models))
        for entry in done
        for one in entry.switches
    ]
    assert list(plan.switches[["effective", "models"]].itertuples(index=False, name=None)) == switched
    assert plan.frames["n_sessions"].sum() == len(plan.sessions)
    assert plan.expected_seconds > 0
    assert "2 folds" in str(plan)
    assert plan.to_dict()["folds"][0]["test_start"] == "2020-02-12T00:00:00"
    assert not manager.plan().sessions


def test_a_bad_new_model_leaves_the_old_set(world):
    manager = live(world, ["2020-02-11"], "online")
    (strategy,) = manager.strategies
    constant = {"class": "rollforward.SklearnModel", "kwargs": {"estimator": "sklearn.dummy.DummyRegressor"}}
    strategy.lines.templates = {"Ridge": {**strategy.task_template[0], "model": constant}}
    world.to("2020-02-12")

    entry = manager.routine()

    assert "different scores" in entry.state("online_ridge").held["2020-02-12T00:00:00"]
    assert not entry.switches
    assert len(manager.get_signals("2020-02-12")) == 5
    assert starts(manager.history)["2020-02-12"] == ["2020-02-05"]


def test_models_serve_only_with_a_proof(world):
    manager = world.manager(require_proof=True)
    world.to("2020-02-12")

    manager.first_train()
    manager.routine()

    for models in manager.history[pd.Timestamp("2020-02-12")].values():
        assert all(one.load_object("leak_proof.json")["ok"] for one in models)


class TestTrainedTheEveningBefore:
    def test_serves_from_its_own_session_and_gives_what_training_on_the_day_gives(self, world):
        def serve(name, ahead):
            strategy = world.strategy(name, ahead=ahead)
            manager = world.manager(name=name, strategies=[strategy])
            world.to(BEGIN)
            manager.first_train()
            trained = {}
            for day in SESSIONS[(SESSIONS > BEGIN) & (SESSIONS <= LAST)]:
                world.to(day)
                entry = manager.routine(day)
                trained |= {ref.test[0]: day for ref in entry.trained}
            return manager, trained

        same_day, on = serve("on", 0)
        evening_before, before = serve("before", 1)
        assert {first: day for first, day in before.items() if first <= pd.Timestamp(LAST)} == {
            first: SESSIONS[SESSIONS.get_loc(day) - 1] for first, day in on.items()
        }
        assert starts(evening_before.history) == starts(same_day.history)


class TestTwoLedgersOfOneStrategy:
    def test_a_simulation_changes_nothing_about_what_serves(self, world):
        live_one = world.manager(name="desk")
        world.to(BEGIN)
        live_one.first_train()
        world.to(SESSIONS[-1])
        tool = live_one.strategies[0].tool
        online = [one.id for one in tool.online_models()]
        simulation = world.manager(name="what if")
        simulation.simulate(LAST)
        assert [one.id for one in tool.online_models()] == online
        assert [one.list_tags()["online_status"] for one in tool.online_models()] == ["online"]
        with pytest.raises(OnlineError, match="'desk'"):
            simulation.adopt()

    def test_a_second_ledger_that_is_to_serve_is_refused_before_anything_is_trained(self, world):
        world.manager(name="desk").first_train()
        second = world.manager(name="second")
        with pytest.raises(OnlineError, match="serve by the ledger 'desk'"):
            second.first_train()
        assert second.chain.head() is None

    def test_what_was_simulated_before_gives_way_to_a_ledger_that_serves(self, world):
        world.manager(name="what if").simulate(LAST)
        live_one = world.manager(name="desk")
        live_one.first_train()
        serving = live_one.strategies[0].tool.online_models()
        assert [one.list_tags()["test_start"] for one in serving] == ["2020-02-05"]


def test_a_plan_leaves_nothing_behind(world, recording):
    plan = world.manager(name="only asked").plan()
    assert "ridge" in str(plan)
    assert "only asked" not in recording.list_experiments()


def test_a_refused_command_leaves_the_description_of_what_serves(world):
    world.manager(name="desk", require_proof=True).first_train()
    other = world.manager(name="desk", require_proof=False)
    with pytest.raises(OnlineError, match="serves already"):
        other.simulate(LAST)
    other.first_train()
    assert OnlineManager.load("desk").require_proof
