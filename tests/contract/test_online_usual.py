"""How many instruments are usual: bad days do not become usual, however few days there are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from online_world import BEGIN

from rollforward.model.sklearn import SklearnModel

NEW = "2020-02-12"


def begun(world):
    world.to(BEGIN)
    manager = world.manager()
    manager.first_train()
    return manager


def published(manager):
    return [str(day.date()) for day in manager.get_signals().index.get_level_values(0).unique()]


@pytest.mark.parametrize("last_good", ["2020-02-05", "2020-02-10"])
def test_bad_days_do_not_become_usual(world, last_good):
    """Those of a model that has just begun too, whose predecessor is as bad."""
    manager, bad = begun(world), world.prices.copy()
    world.to(last_good)
    manager.routine()
    first_bad = pd.Timestamp(last_good) + pd.offsets.BDay()
    bad.loc[first_bad:, list("BCDE")] = np.nan
    bad_days = pd.bdate_range(first_bad, periods=4)
    for day in bad_days:
        world.to(day, bad)
        entry = manager.routine()
        assert "4 of usually 5" in entry.state("ridge").held[day.isoformat()]

    assert published(manager) == [str(day.date()) for day in pd.bdate_range(BEGIN, last_good)]


def test_a_set_that_waits_is_not_judged_by_its_own_bad_days(world, monkeypatch):
    """The new model knows one instrument, the old one all of them: which are published, whatever time it takes."""
    manager = begun(world)
    world.to("2020-02-11")
    manager.routine()
    (model,) = manager.strategies[0].tool.online_models()
    old, predict = model.load_object("params.pkl").estimator_.coef_, SklearnModel.predict

    def few(self, dataset, segment="test"):
        found = predict(self, dataset, segment)
        return found if np.array_equal(self.estimator_.coef_, old) else found.groupby(level=0).head(1)

    monkeypatch.setattr(SklearnModel, "predict", few)
    for day in pd.bdate_range(NEW, periods=5):
        world.to(day)
        entry = manager.routine()
        assert "4 of usually 5" in entry.extra["refused"]["ridge"]
        assert len(manager.get_signals(day)) == 5
    monkeypatch.setattr(SklearnModel, "predict", predict)
    world.to("2020-02-19")
    manager.routine()
    assert manager.online_at("2020-02-19")["ridge"][0].test[0] >= pd.Timestamp(NEW)
    few_days = world.prices.copy()
    few_days.loc["2020-02-20", list("BCDE")] = np.nan
    world.to("2020-02-20", few_days)

    assert "4 of usually 5" in manager.routine().state("ridge").held["2020-02-20T00:00:00"]


def test_a_universe_that_has_become_smaller_becomes_usual(world):
    manager, smaller = begun(world), world.prices.copy()
    smaller.loc["2020-02-06":, "E"] = np.nan
    world.to("2020-02-26", smaller)
    manager.routine()

    entries = [one for one in manager.chain.entries() if one.publications]
    assert [one.publications[-1].n_rows for one in entries] == [5] + [4] * 15
    partial = [bool(one.publications[-1].partial) for one in entries]
    assert partial[:5] == [False, True, True, True, True]
    assert not any(partial[-5:])
