"""The registry's alias behind a real server."""

from __future__ import annotations

import os
import warnings

import mlflow
from online_world import World

from rollforward.workflow.mlflow_backend.store.client import client_for


def test_the_alias_follows_behind_a_server(mlflow_server, tmp_path):
    world, name = World(tmp_path, mlflow_server.uri), f"ridge {os.urandom(4).hex()}"
    manager = world.manager(name=f"online {name}", strategies=[world.strategy(name)], registry=True)
    world.to("2020-02-11")
    manager.first_train()
    client = client_for(world.uri)
    first = client.get_model_version_by_alias(name, "champion")
    world.to("2020-02-12")
    manager.routine()

    second = client.get_model_version_by_alias(name, "champion")
    (recorder,) = manager.strategies[0].tool.online_models()
    assert second.run_id == recorder.id != first.run_id
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of MLflow's
        mlflow.set_tracking_uri(world.uri)
        model = mlflow.pyfunc.load_model(f"models:/{name}@champion")
    found = model.predict({"start": "2020-02-12", "end": "2020-02-12"})
    pred = recorder.load_object("pred.pkl")["score"].loc["2020-02-12":"2020-02-12"]
    assert found.set_index(["datetime", "instrument"])["score"].equals(pred)
