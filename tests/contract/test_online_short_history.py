"""Where the data begin shortly before the training, a model can be proved all the same."""

from __future__ import annotations

import pandas as pd
from online_world import BEGIN

from rollforward import settings
from rollforward.data.calendar import Calendar


def test_a_model_is_proved_on_sessions_that_it_can_predict(world):
    prices = world.prices.loc["2019-12-20":]  # the first features are those of 2019-12-30

    def to(day):
        prices.loc[:day].to_csv(world.source)
        settings.init(uri=world.uri, calendar=Calendar(pd.DatetimeIndex(prices.index), day))

    to(BEGIN)
    manager = world.manager(require_proof=True)
    entry = manager.first_train()
    assert [one.proved for one in entry.switches if one.effective == pd.Timestamp(BEGIN)] == [True]
    to("2020-02-12")
    manager.routine()
    assert manager.chain.head().state("ridge").standing(pd.Timestamp("2020-02-12")).proved
    (model,) = manager.strategies[0].tool.online_models()
    proof = model.load_object("leak_proof.json")
    assert proof["ok"]
    assert {one["prediction"] for one in proof["comparisons"]} == {"same"}
