"""A simulation gives the ledger and the signals of live routines, to the bit, also for models that multiply matrices."""

from __future__ import annotations

import copy

import numpy as np
import pandas as pd
import pytest
from online_world import BEGIN, SESSIONS, World, task, told, without_names
from pandas.testing import assert_frame_equal, assert_series_equal

from rollforward.workflow.online.strategy import RollingStrategy
from rollforward.workflow.task.gen import RollingGen
from rollforward.workflow.trainer import DelayTrainerR, DelayTrainerRM, TrainerR

UNTIL, BETWEEN = "2020-02-13", "2020-02-10"
FEATURES = ["REV1", "REV5", "MOM20", "VOL10", "MA5", "MA20", "MAX20", "RSI14", "BETA20", "RANK_REV5", "RES20"]
LEARNERS = {
    "ridge": {"estimator": "sklearn.linear_model.Ridge"},
    "trees": {"estimator": "sklearn.ensemble.HistGradientBoostingRegressor", "max_iter": 5, "random_state": 0},
    "net": {
        "estimator": "sklearn.neural_network.MLPRegressor",
        "hidden_layer_sizes": [9],
        "max_iter": 400,
        "random_state": 0,
    },
}


@pytest.fixture
def wide(recording, tracking_uri, tmp_path):
    """A world of 23 stocks, with two months more of prices."""
    world = World(tmp_path, tracking_uri)
    dates = pd.bdate_range("2019-09-02", "2020-03-31")
    returns = np.random.default_rng(5).normal(0, 0.02, (len(dates), 23))
    world.prices = pd.DataFrame(100 * np.exp(returns.cumsum(0)), dates, [f"S{n:02}" for n in range(23)])
    world.prices.index.name = "date"
    return world


def strategies(world, name, ahead):
    found = []
    for learner, kwargs in LEARNERS.items():
        template = copy.deepcopy(task(world.source))
        template["model"]["kwargs"] = kwargs
        template["dataset"]["kwargs"]["handler"]["kwargs"]["features"] = FEATURES
        rolling = RollingGen(step=5, rtype="sliding", gap=ahead)
        found.append(RollingStrategy(f"{name} {learner}", template, rolling, ahead=ahead))
    return found


def of_each(manager):
    """What each strategy said, as it is published."""
    entries = [entry for entry in manager.chain.entries() if entry.publications]
    found = pd.concat([manager.chain.recorder(one).load_object("strategy_signals.parquet") for one in entries])
    return found.set_axis([name.split()[-1] for name in found.columns], axis=1).sort_index(axis=1)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("ahead", [0, 1])
def test_a_simulation_is_what_live_routines_are(wide, ahead):
    live = wide.manager(name="live", strategies=strategies(wide, "live", ahead))
    wide.to(BEGIN)
    live.first_train()
    for day in pd.bdate_range(BEGIN, UNTIL):
        wide.to(day)
        live.routine()
    wide.to(SESSIONS[-1])

    for trainer in (TrainerR, DelayTrainerR, *([DelayTrainerRM] if not ahead else [])):
        name = trainer.__name__
        ends = [BETWEEN, UNTIL] if trainer is not DelayTrainerR else [UNTIL]
        for end in ends:  # done in one go, and gone on with
            found = wide.manager(trainer(), name=name, strategies=strategies(wide, name, ahead)).simulate(end)
        manager = wide.manager(name=name, strategies=strategies(wide, name, ahead))

        assert_series_equal(found, live.get_signals(), check_exact=True)
        assert_frame_equal(of_each(manager), of_each(live), check_exact=True)
        mine = [(row[:2], *row[3:]) for row in told(manager.chain)]
        assert without_names(mine, name) == without_names([(row[:2], *row[3:]) for row in told(live.chain)], "live")
