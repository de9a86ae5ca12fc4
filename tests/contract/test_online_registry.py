"""The registry's alias follows the models that serve, and whoever loads it gets what the routine predicts."""

from __future__ import annotations

import logging
import warnings

import mlflow
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException
from online_world import SESSIONS

from rollforward.errors import OnlineError
from rollforward.workflow.mlflow_backend import registry
from rollforward.workflow.mlflow_backend.store.client import client_for
from rollforward.workflow.online.manager import OnlineManager

NAME = "served ridge"


@pytest.fixture
def manager(world):
    made = world.manager(registry={"ridge": NAME})
    world.to("2020-02-05")
    made.first_train()
    return made


def champion(world):
    return client_for(world.uri).get_model_version_by_alias(NAME, "champion")


def loaded(world):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of MLflow's
        mlflow.set_tracking_uri(world.uri)
        return mlflow.pyfunc.load_model(f"models:/{NAME}@champion")


def served(manager):
    (recorder,) = manager.strategies[0].tool.online_models()
    return recorder


def test_the_alias_follows_what_serves(world, manager):
    first = champion(world)
    head = manager.chain.head()
    world.to("2020-02-12")
    manager.routine()
    second = champion(world)

    assert first.tags["rollforward.recorder_id"] == first.run_id
    assert first.tags["rollforward.strategy"] == "ridge"
    assert first.tags["rollforward.line"] == "Ridge"
    assert first.tags["rollforward.ledger"] == "online"
    assert first.tags["rollforward.effective"] == "2020-02-05"
    assert first.tags["rollforward.entry"] == head.run_id
    assert second.version != first.version
    assert second.run_id == served(manager).id


def test_nothing_is_registered_twice(world, manager):
    world.to("2020-02-07")
    manager.routine()
    manager.routine()
    OnlineManager.load(name="online").routine()

    assert len(client_for(world.uri).search_model_versions(f"name='{NAME}'")) == 1


def test_a_version_comes_back_with_its_model(world, manager):
    first = champion(world)
    world.to("2020-02-12")
    manager.routine()
    manager.rollback()
    world.to("2020-02-13")
    manager.routine()

    again = champion(world)
    assert again.version == first.version
    assert again.tags["rollforward.effective"] > first.tags["rollforward.effective"]


def test_the_loaded_model_predicts_a_range_as_the_routine_does(world, manager):
    world.to("2020-02-10")
    manager.routine()
    model = loaded(world)

    pred = served(manager).load_object("pred.pkl")["score"].loc["2020-02-06":"2020-02-10"]
    found = model.predict({"start": "2020-02-06", "end": "2020-02-10"})
    assert list(found.columns) == ["datetime", "instrument", "score"]
    assert found.set_index(["datetime", "instrument"])["score"].equals(pred)
    frame = pd.DataFrame({"start": ["2020-02-06"], "end": ["2020-02-10"]})
    pd.testing.assert_frame_equal(model.predict(frame), found)


def test_the_loaded_model_predicts_from_features(world, manager):
    world.to("2020-02-10")
    manager.routine()
    model, recorder = loaded(world), served(manager)
    dataset = recorder.load_object("dataset")
    dataset.config(
        handler_kwargs={"start_time": "2020-02-06", "end_time": "2020-02-10"},
        segments={"test": ("2020-02-06", "2020-02-10")},
    )
    dataset.setup_data(handler_kwargs={"init_type": "load_state"})
    x = dataset.prepare("test", col_set="feature", data_key="infer")

    expected = model.predict({"start": "2020-02-06", "end": "2020-02-10"})
    pd.testing.assert_frame_equal(model.predict(x), expected)
    pd.testing.assert_frame_equal(model.predict(x.reset_index().sample(frac=1, random_state=0)), expected)
    for wrong in (x.reset_index(drop=True), "2020-02-06", x.iloc[:0]):
        with pytest.raises(OnlineError, match="start and end"):
            model.predict(wrong)


def test_a_registry_that_is_away_stops_nothing_and_the_next_routine_repairs(world, manager, monkeypatch, caplog):
    first = champion(world)

    def away(*_):
        raise MlflowException("the registry is away")

    world.to("2020-02-12")
    with monkeypatch.context() as patch:
        patch.setattr(registry.RegisteredModel, "point", away)
        manager.routine()
        world.to("2020-02-13")
        entry = manager.routine()
    assert entry.session == SESSIONS[SESSIONS.get_loc("2020-02-13")]
    assert "does not say what serves" in caplog.text
    assert champion(world).version == first.version

    caplog.clear()
    caplog.set_level(logging.INFO)
    manager.routine()
    assert champion(world).run_id == served(manager).id != first.run_id


def test_of_several_models_each_is_a_version_and_the_newest_is_the_champion(world):
    manager = world.manager(registry={"ridge": NAME}, all_at_once=True)
    world.to("2020-02-05")
    manager.first_train()

    versions = client_for(world.uri).search_model_versions(f"name='{NAME}'")
    starts = {one.id: one.list_tags()["test_start"] for one in manager.strategies[0].tool.online_models()}
    assert {one.run_id for one in versions} == set(starts)
    assert starts[champion(world).run_id] == max(starts.values())


def test_a_shadow_and_a_simulation_have_no_champion(world):
    shadow = world.manager(registry=True, strategies=[world.strategy(), world.strategy("lasso", 2.0, role="shadow")])
    shadow.simulate("2020-02-06")
    client = client_for(world.uri)
    assert client.search_registered_models() == []

    shadow.adopt()
    assert client.get_model_version_by_alias("ridge", "champion")
    assert [one.name for one in client.search_registered_models()] == ["ridge"]

    shadow.promote("lasso", against="ridge")
    assert client.get_model_version_by_alias("lasso", "champion")
    with pytest.raises(MlflowException):
        client.get_model_version_by_alias("ridge", "champion")


def test_what_cannot_name_models_is_refused(world):
    with pytest.raises(OnlineError, match="registry="):
        world.manager(registry="champion")
