"""Five stocks whose prices come day by day, a store, and managers over them; and what their ledgers say."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rollforward import settings
from rollforward.data.calendar import Calendar
from rollforward.workflow.online.manager import OnlineManager
from rollforward.workflow.online.strategy import RollingStrategy
from rollforward.workflow.task.gen import RollingGen

SESSIONS = pd.bdate_range("2020-01-01", "2020-03-31")
BEGIN, LAST = "2020-02-05", "2020-02-20"


# Three folds up to the beginning; or only the last of them, where nothing is asked about those before.
SEGMENTS = {"train": ("2020-01-02", "2020-01-16"), "test": ("2020-01-22", BEGIN)}
LAST_FOLD = {"train": ("2020-01-16", "2020-01-30"), "test": (BEGIN, BEGIN)}


def task(source, alpha=1.0, segments=SEGMENTS):
    handler = {
        "class": "rollforward.PriceHandler",
        "kwargs": {"source": str(source), "horizon": 1, "features": ["REV1", "REV5"], "infer_processors": []},
    }
    return {
        "model": {
            "class": "rollforward.SklearnModel",
            "kwargs": {"estimator": "sklearn.linear_model.Ridge", "alpha": alpha},
        },
        "dataset": {"class": "rollforward.DatasetH", "kwargs": {"handler": handler, "segments": dict(segments)}},
        "record": ["SignalRecord"],
    }


class World:
    """Prices that come day by day, and a store."""

    def __init__(self, folder, uri):
        self.source = folder / "prices.csv"
        self.uri = uri
        self.segments = SEGMENTS
        dates = pd.bdate_range("2019-11-01", "2020-03-31")
        rng = np.random.default_rng(3)
        returns = rng.normal(0, 0.02, (len(dates), 5))
        self.prices = pd.DataFrame(100 * np.exp(returns.cumsum(0)), dates, list("ABCDE"))
        self.prices.index.name = "date"
        self.to(SESSIONS[-1])

    def to(self, day, prices=None):
        """Let it be the evening of a day."""
        (self.prices if prices is None else prices).loc[:day].to_csv(self.source)
        settings.init(uri=self.uri, calendar=Calendar(SESSIONS, day))

    def strategy(self, name="ridge", alpha=1.0, **kwargs):
        return RollingStrategy(
            name, task(self.source, alpha, self.segments), RollingGen(step=5, rtype="sliding"), **kwargs
        )

    def manager(self, trainer=None, name="online", **kwargs):
        strategies = kwargs.pop("strategies", None) or [self.strategy()]
        return OnlineManager(strategies, trainer, BEGIN, name=name, **kwargs)


def starts(history):
    """Sessions to the test starts of what served."""
    return {
        str(day.date()): sorted(one.list_tags()["test_start"] for models in found.values() for one in models)
        for day, found in history.items()
    }


def told(chain):
    """Everything that a ledger says, but for ids and times."""
    return [
        (
            entry.kind,
            entry.session,
            entry.simulated,
            [(state.name_id, state.role, state.published_to, dict(state.held)) for state in entry.states],
            [
                (one.strategy, one.effective, [(ref.model, ref.test, ref.cutoff) for ref in one.models])
                for one in entry.switches
            ],
            [
                (
                    one.strategy,
                    one.first,
                    one.last,
                    one.n_rows,
                    one.sha256 if not one.strategy else "",
                    one.partial,
                    dict(one.held),
                )
                for one in entry.publications
            ],
            [(ref.model, ref.test) for ref in entry.trained],
        )
        for entry in chain.entries()
    ]


def live(world, days, name, grows=True):
    manager = world.manager(name=name, strategies=[world.strategy(f"{name}_ridge")])
    world.to(BEGIN) if grows else world.to(SESSIONS[-1])
    manager.first_train()
    for day in days:
        if grows:
            world.to(day)
        manager.routine(day)
    return manager


def without_names(rows, name):
    return repr(rows).replace(name, "?")
