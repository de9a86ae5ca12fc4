"""Every trainer and every kind of strategy in every operation of a manager; and what a killed one leaves behind."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from online_world import LAST, starts, task, told, without_names

from rollforward import settings
from rollforward.errors import OnlineBusyError, OnlineError
from rollforward.workflow.online import promoting
from rollforward.workflow.online import work as work_module
from rollforward.workflow.online.ledger.draft import Draft
from rollforward.workflow.online.manager import OnlineManager
from rollforward.workflow.online.promotion import PromotionRule
from rollforward.workflow.online.strategy import OnlineStrategy, RollingStrategy
from rollforward.workflow.task.collect import RecorderCollector
from rollforward.workflow.task.gen import RollingGen
from rollforward.workflow.trainer import DelayTrainerR, DelayTrainerRM, TrainerR, TrainerRM

TRAINERS = [TrainerR, DelayTrainerR, TrainerRM, DelayTrainerRM]


class Fixed(OnlineStrategy):
    """Trains one task at the beginning and another one on a certain day, by rules of its own."""

    def __init__(self, name_id, source, day="2020-02-07", **kwargs):
        super().__init__(name_id, **kwargs)
        self.source, self.day = source, day

    def first_tasks(self):
        return [self._task(1.0, "2020-02-05")]

    def prepare_tasks(self, cur_time=None, alpha=100.0):
        return [self._task(alpha, self.day)] if cur_time == pd.Timestamp(self.day) else []

    def get_collector(self, **kwargs):
        return RecorderCollector(self.name_id, **kwargs)

    def _task(self, alpha, start):
        made = task(self.source, alpha)
        made["dataset"]["kwargs"]["segments"] = {"train": ("2020-01-02", "2020-01-29"), "test": (start, "2020-03-31")}
        return made


@pytest.mark.parametrize("trainer", TRAINERS, ids=lambda cls: cls.__name__)
def test_every_trainer_serves(world, recording, trainer):
    manager = world.manager(trainer())
    world.to("2020-02-11")
    manager.first_train()
    manager.routine()
    manager.add_strategy(world.strategy("second", 10.0))
    world.to("2020-02-13")

    loaded = OnlineManager.load("online")
    entry = loaded.routine()

    assert type(loaded.trainer) is trainer
    assert {name: len(models) for name, models in loaded.online_at("2020-02-13").items()} == {"ridge": 1, "second": 1}
    assert {one.strategy: one.n_rows for one in entry.publications} == {"ridge": 5, "second": 5, "": 5}
    for name in ("ridge", "second"):
        recorders = recording.list_recorders(experiment_name=name).values()
        assert sorted(one.list_tags()["test_start"] for one in recorders)[-2:] == ["2020-02-05", "2020-02-12"]
        assert {one.status for one in recorders} == {"FINISHED"}


def test_rules_of_ones_own(world):
    manager = world.manager(strategies=[Fixed("fixed", str(world.source))])
    manager.first_train()

    manager.routine("2020-02-11", task_kwargs={"alpha": 3.0})

    assert starts(manager.history)["2020-02-06"] == ["2020-02-05"]
    assert starts(manager.history)["2020-02-07"] == starts(manager.history)["2020-02-11"] == ["2020-02-07"]
    (model,) = manager.history[pd.Timestamp("2020-02-11")][manager.strategies[0]]
    assert model.list_params()["model.kwargs.alpha"] == "3.0"
    assert manager.strategies[0].tool.online_models() == [model]
    assert len(manager.get_collector()()) == 1


def test_models_may_be_trained_the_evening_before(world):
    strategy = RollingStrategy("ridge", task(world.source), RollingGen(step=5, rtype="sliding", gap=1), ahead=1)
    manager = world.manager(strategies=[strategy])
    manager.first_train()

    entry = manager.routine("2020-02-11")

    assert [str(ref.test[0].date()) for ref in entry.trained] == ["2020-02-12"]
    assert [one.effective for one in entry.switches] == [pd.Timestamp("2020-02-12")]
    assert starts(manager.history)["2020-02-11"] == ["2020-02-05"]
    manager.routine("2020-02-12")
    assert starts(manager.history)["2020-02-12"] == ["2020-02-12"]
    assert [one.list_tags()["test_start"] for one in strategy.tool.online_models()] == ["2020-02-12"]


def test_a_challenger_is_promoted_by_its_rule(world):
    rule = PromotionRule(metric="IC", window=5, min_sessions=4, margin=-5.0, against="ridge")
    challenger = world.strategy("challenger", 1e3, role="shadow", promotion=rule)
    manager = world.manager(strategies=[world.strategy(), challenger])
    manager.first_train()

    manager.routine(LAST)

    entries = [one for one in manager.chain.entries() if "roles" in one.extra.get("promotions", {})]
    assert len(entries) == 1
    # Labels are known two sessions later: four of them at the close of the sixth.
    assert entries[0].session == pd.Timestamp("2020-02-12")
    assert entries[0].extra["promotions"]["roles"] == {"challenger": "serving", "ridge": "shadow"}
    head = manager.chain.head()
    assert {state.name_id: state.role for state in head.states} == {"challenger": "serving", "ridge": "shadow"}


def test_a_challenger_whose_labels_may_know_the_future_is_not_judged(world, monkeypatch):
    monkeypatch.setattr(promoting, "label_lookahead", lambda _task: None)
    rule = PromotionRule(metric="IC", window=5, min_sessions=4, margin=-5.0, against="ridge")
    challenger = world.strategy("challenger", 1e3, role="shadow", promotion=rule)
    manager = world.manager(strategies=[world.strategy(), challenger])
    manager.first_train()

    head = manager.routine(LAST)

    assert {state.name_id: state.role for state in head.states} == {"challenger": "shadow", "ridge": "serving"}
    assert "not judged" in head.extra["promotions"]["decisions"]["challenger"]
    assert head.publications[-1].n_rows


class DiedError(BaseException):
    pass


@pytest.mark.parametrize(
    ("trainer", "where"),
    [
        (TrainerR, "before"),
        (TrainerR, "after"),
        (DelayTrainerR, "before"),
        (TrainerRM, "before"),
        (DelayTrainerRM, "before"),
    ],
)
def test_a_killed_routine_is_taken_up(world, recording, monkeypatch, trainer, where):
    whole = world.manager(trainer(), name="whole", strategies=[world.strategy("whole_ridge")])
    manager = world.manager(trainer(), name="dying", strategies=[world.strategy("dying_ridge")])
    world.to("2020-02-12")
    whole.begin_time = manager.begin_time = pd.Timestamp("2020-02-11")
    whole.first_train()
    whole.routine()
    manager.first_train()
    commit, done = Draft.commit, []

    def die(self, entry, files=None):
        if where == "before" and entry.session == pd.Timestamp("2020-02-12"):
            raise DiedError
        found = commit(self, entry, files)
        if found.session == pd.Timestamp("2020-02-12"):
            done.append(found)
            raise DiedError
        return found

    with monkeypatch.context() as patch:
        patch.setattr(Draft, "commit", die)
        with pytest.raises(DiedError):
            manager.routine()
    again = world.manager(trainer(), name="dying", strategies=[world.strategy("dying_ridge")])
    again.routine()

    assert without_names(told(again.chain), "dying") == without_names(told(whole.chain), "whole")
    mine, theirs = (
        {
            (one.list_tags()["test_start"], one.status, one.list_tags().get("online_status"))
            for one in recording.list_recorders(experiment_name=name).values()
        }
        for name in ("dying_ridge", "whole_ridge")
    )
    assert mine == theirs
    assert len(recording.list_recorders(experiment_name="dying_ridge")) == len(mine)
    assert np.allclose(again.get_signals(), whole.get_signals())


def test_who_does_not_wait_is_told_who_works(world):
    manager = world.manager()
    manager.first_train()
    other = world.manager(wait=False)

    with manager.chain.lease(), pytest.raises(OnlineBusyError, match="at work"):
        other.routine("2020-02-06")

    assert other.routine("2020-02-06").session == pd.Timestamp("2020-02-06")


def test_nothing_to_roll_back_to(world):
    manager = world.manager()
    manager.first_train()

    with pytest.raises(OnlineError, match="anything else"):
        manager.rollback()
    assert work_module.Standing.of(manager.chain.head()).done is None


def test_tags_are_repaired_after_a_kill_between_ledger_and_tags(world, monkeypatch):
    manager = world.manager()
    manager.first_train()
    manager.routine("2020-02-10")

    def die(*_args):
        raise DiedError

    with monkeypatch.context() as patch:
        patch.setattr(work_module.Mirrors, "follow", die)
        with pytest.raises(DiedError):
            manager.routine("2020-02-12")
    tool = manager.strategies[0].tool
    assert [one.list_tags()["test_start"] for one in tool.online_models()] == ["2020-02-05"]
    world.manager().routine("2020-02-14")

    (online,) = tool.online_models()
    assert online.list_tags()["test_start"] == "2020-02-12"
    assert online.list_tags()["online_status"] == "online"


def test_all_signals_are_kept_together_now_and_then(world, monkeypatch):
    monkeypatch.setattr("rollforward.workflow.online.routine.CHECKPOINT_EVERY", 4)
    manager = world.manager()
    signals = manager.simulate("2020-02-18")

    entries = manager.chain.entries()
    marked = [entry for entry in entries if entry.extra.get("so_far")]
    assert [entry.seq for entry in marked] == [4, 8]
    read = []
    other = world.manager()
    record = other._records()
    monkeypatch.setattr(
        record, "_published", lambda name, found: read.extend(found) or type(record)._published(record, name, found)
    )
    pd.testing.assert_series_equal(other.get_signals(), signals)
    assert [entry.seq for entry in read] == [9, 10]
    early = other.get_signals(as_known_at=entries[6].recorded_at)
    pd.testing.assert_series_equal(early, signals[: pd.Timestamp("2020-02-12")])


def test_a_calendar_of_the_data_alone(world):
    """It ends today: the newest fold is open until its end is known."""
    manager = world.manager()
    for day in ("2020-02-06", "2020-02-13", "2020-02-19"):
        world.to(day)
        settings.init(uri=world.uri, calendar=str(world.source))
        if day == "2020-02-06":
            manager.first_train()
        manager.routine()

    assert starts(manager.history)["2020-02-13"] == ["2020-02-12"]
    assert starts(manager.history)["2020-02-19"] == ["2020-02-19"]
    assert manager.chain.head().trained[0].test == (pd.Timestamp("2020-02-19"), None)
    assert len(manager.get_signals()) == 11 * 5


def test_a_changed_template_counts_from_the_next_fold_on(world):
    world.to("2020-02-06")
    manager = world.manager()
    manager.first_train()
    manager.routine()
    changed = world.manager(strategies=[world.strategy(alpha=7.0)])
    world.to("2020-02-12")
    changed.routine()

    loaded = OnlineManager.load("online")
    (new,) = loaded.history[pd.Timestamp("2020-02-12")].values()
    assert new[0].list_params()["model.kwargs.alpha"] == "7.0"
    assert loaded.strategies[0].task_template[0]["model"]["kwargs"]["alpha"] == 7.0


def test_a_first_training_that_died_before_it_told_others_tells_them_when_it_is_run_again(world, monkeypatch):
    def die(*_args, **_kwargs):
        raise DiedError

    with monkeypatch.context() as patched:
        patched.setattr(work_module.Mirrors, "follow", die)
        with pytest.raises(DiedError):
            world.manager().first_train()
    manager = world.manager()
    manager.first_train()
    online = manager.strategies[0].tool.online_models()
    assert [one.list_tags()["online_status"] for one in online] == ["online"]
