"""What `status` says of a ledger: how far behind, what comes next, what somebody has to look at."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pandas as pd
import pytest

from rollforward import settings
from rollforward.data.calendar import Calendar
from rollforward.workflow.online.ledger.entry import Entry, ModelRef, StrategyState, Switch
from rollforward.workflow.online.status import status
from rollforward.workflow.online.strategy import RollingStrategy
from rollforward.workflow.task.gen import RollingGen

SESSIONS = pd.bdate_range("2020-01-01", "2020-03-31")
TEMPLATE = {
    "model": {"class": "Ridge", "module_path": "sklearn.linear_model"},
    "dataset": {
        "class": "DatasetH",
        "kwargs": {"segments": {"train": ("2020-01-02", "2020-01-14"), "test": ("2020-01-22", None)}},
    },
}


def day(text):
    return pd.Timestamp(text)


def entry_of(done="2020-02-10", **changes):
    model = ModelRef("r1", "1", "ridge", "Ridge", test=(day("2020-02-05"), day("2020-02-11")))
    switch = Switch("ridge", (model,), day("2020-02-05"), "new fold")
    state = StrategyState("ridge", switches=(switch,), published_to=day(done))
    extra = {"done": day(done).isoformat(), "newest": {"ridge": {"Ridge": "2020-02-05T00:00:00"}}}
    return replace(Entry("routine", day(done), states=(state,), extra=extra, seq=4, run_id="e4"), **changes)


def manager(entry, holder=None, step=5, **kwargs):
    settings.init(calendar=Calendar(SESSIONS, "2020-02-10"))
    strategies = [RollingStrategy("ridge", TEMPLATE, RollingGen(step=step, rtype="sliding", purge=0), **kwargs)]
    chain = SimpleNamespace(head=lambda: entry, holder=lambda: holder)
    return SimpleNamespace(name="desk", chain=chain, calendar=None, strategies=strategies)


def test_all_is_well():
    found = status(manager(entry_of()), today="2020-02-11")

    assert found.ok
    assert (found.behind, found.done, found.entries) == (0, "2020-02-10T00:00:00", 5)
    assert (found.horizon, found.known_until) == (36, "2020-03-31T00:00:00")
    (ridge,) = found.strategies
    assert ridge.models == ("Ridge 2020-02-05",)
    assert ridge.since == "2020-02-05T00:00:00"
    assert [(one.session, one.in_sessions) for one in ridge.next_folds] == [("2020-02-12T00:00:00", 2)]
    assert json.loads(found.to_json())["ok"] is True
    assert "in 2 sessions, 2020-02-12" in str(found)


@pytest.mark.parametrize(("ahead", "expected"), [(1, ("2020-02-11T00:00:00", 1)), (2, ("2020-02-10T00:00:00", 0))])
def test_a_fold_may_be_trained_ahead(ahead, expected):
    (ridge,) = status(manager(entry_of(), ahead=ahead), max_age=None).strategies

    assert [(one.session, one.in_sessions) for one in ridge.next_folds] == [expected]


def test_the_next_fold_is_after_the_end_of_the_calendar():
    (ridge,) = status(manager(entry_of(), step=60), max_age=None).strategies

    assert ridge.next_folds[0].session is None
    assert ridge.next_folds[0].in_sessions == 57


def test_sessions_that_are_not_done():
    found = status(manager(entry_of("2020-02-06")), max_age=None)

    assert found.behind == 2
    assert found.problems == ("2 sessions are not done: rollforward online routine desk",)
    assert status(manager(entry_of("2020-02-06")), max_age=None, max_behind=2).ok
    begun = replace(entry_of("2020-02-10"), extra={})
    assert status(manager(begun), max_age=None).behind == 1  # the session of the first training is one of them


def test_what_somebody_has_to_look_at():
    state = entry_of().states[0]
    held = replace(state, held={"2020-02-10T00:00:00": "3 instruments are missing"})
    shadow = replace(state, role="shadow", switches=())

    assert "held on 2020-02-10: 3 instruments" in str(status(manager(entry_of(states=(held,))), max_age=None))
    problems = status(manager(entry_of(states=(shadow,))), max_age=None).problems
    assert problems == ("strategy 'ridge' has no model", "all strategies are in the shadow: there is no signal")
    assert "simulation" in status(manager(entry_of(simulated=True)), max_age=None).problems[0]
    assert "nothing was trained" in status(manager(None), max_age=None).problems[0]
    assert status(manager(None), max_age=None).behind is None


def test_data_that_do_not_come_any_more_are_a_problem_though_nothing_is_behind():
    assert status(manager(entry_of()), today="2020-02-17 18:00").ok
    found = status(manager(entry_of()), today="2020-02-20")
    assert found.behind == 0
    assert "10 days ago" in found.problems[0]


def test_who_is_at_work():
    found = status(manager(entry_of(), holder="process 7 on desk"), max_age=None)

    assert found.working == "process 7 on desk"
    assert "at work: process 7" in str(found)
