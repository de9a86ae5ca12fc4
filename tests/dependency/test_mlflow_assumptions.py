"""What rollforward takes for granted about MLflow: a failure here means that a new release needs a look."""

from __future__ import annotations

import inspect
import logging
import os
import subprocess
import sys

import mlflow
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunStatus
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import ErrorCode
from mlflow.tracking import fluent
from mlflow.tracking._tracking_service import utils
from mlflow.utils import validation

from rollforward.errors import TrackingError
from rollforward.workflow.mlflow_backend import serving, values
from rollforward.workflow.mlflow_backend.lookup import search
from rollforward.workflow.mlflow_backend.store import client as client_module
from rollforward.workflow.mlflow_backend.store import http_store, schema, store_errors
from rollforward.workflow.mlflow_backend.write import sending, sqlite


@pytest.fixture
def client(tracking_uri):
    return MlflowClient(tracking_uri=tracking_uri)


@pytest.fixture
def run(client):
    return client.create_run("0", run_name="a")


# -- private parts that are used, because the public ones cost requests or print --


def test_the_store_behind_a_client_ends_and_reopens_a_run_in_one_request(client, run):
    store = client._tracking_client.store
    store.update_run_info(run.info.run_id, RunStatus.KILLED, 5, None)
    ended = client.get_run(run.info.run_id).info
    assert (ended.status, ended.end_time, ended.run_name) == ("KILLED", 5, "a")
    store.update_run_info(run.info.run_id, RunStatus.RUNNING, None, None)
    assert client.get_run(run.info.run_id).info.status == "RUNNING"


def test_the_fluent_stack_is_a_list_of_active_runs_per_thread(client, run):
    stack = fluent._active_run_stack.get()
    assert stack == []
    stack.append(fluent.ActiveRun(run))
    assert mlflow.active_run().info.run_id == run.info.run_id
    stack.clear()
    assert mlflow.active_run() is None


def test_the_fluent_globals(tracking_uri):
    assert utils._tracking_uri is None
    assert fluent._active_experiment_id is None
    utils.set_tracking_uri(tracking_uri)
    assert utils._tracking_uri == os.environ["MLFLOW_TRACKING_URI"] == tracking_uri
    utils.set_tracking_uri(None)
    assert utils._tracking_uri is None
    assert "MLFLOW_TRACKING_URI" not in os.environ


def test_engines_and_stores_are_cached_where_they_can_be_forgotten(client, tracking_uri):
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    assert tracking_uri in SqlAlchemyStore._engine_map
    assert client._tracking_client.store.engine is SqlAlchemyStore._engine_map[tracking_uri]
    assert callable(utils._tracking_store_registry._get_store_with_resolved_uri.cache_clear)
    assert list(inspect.signature(utils._get_store).parameters) == ["store_uri", "artifact_uri"]


# -- limits and rules --


def test_limits_are_not_below_ours():
    assert sending.MAX_METRICS <= validation.MAX_METRICS_PER_BATCH
    assert max(sending.MAX_PARAMS, sending.MAX_TAGS) <= validation.MAX_PARAMS_TAGS_PER_BATCH
    assert sending.MAX_ALL <= validation.MAX_ENTITIES_PER_BATCH
    assert values.MAX_PARAM <= validation.MAX_PARAM_VAL_LENGTH
    assert values.MAX_TAG <= validation.MAX_TAG_VAL_LENGTH
    assert values.MAX_KEY <= validation.MAX_ENTITY_KEY_LENGTH


@given(st.text(alphabet=st.sampled_from("aZ9_-. /:@=%,()*#\n\\äß年'\""), max_size=6) | st.text(max_size=4))
def test_a_key_that_passes_here_passes_there_and_the_other_way_round(key):
    try:
        values.check_keys([key], "metric")
        ours = True
    except TrackingError:
        ours = False
    try:
        validation._validate_metric_name(key)
        theirs = True
    except MlflowException:
        theirs = False
    # MLflow's pattern lets one line feed at the end pass.
    assert ours == theirs or key.endswith("\n")


def test_a_changed_param_is_refused_as_an_invalid_value_and_nothing_of_the_batch_is_stored(client, run):
    run_id = run.info.run_id
    client.log_batch(run_id, params=[Param("a", "1")])
    with pytest.raises(MlflowException) as caught:
        client.log_batch(run_id, metrics=[Metric("m", 1, 0, 0)], params=[Param("b", "1"), Param("a", "2")])
    assert client_module.error_code(caught.value) in client_module.REFUSED
    data = client.get_run(run_id).data
    assert (data.params, data.metrics) == ({"a": "1"}, {})


def test_the_greatest_value_of_one_millisecond_and_step_is_the_last(client, run):
    run_id = run.info.run_id
    client.log_batch(run_id, metrics=[Metric("m", 2, 0, 0), Metric("m", 1, 0, 0)])
    assert client.get_run(run_id).data.metrics == {"m": 2}
    client.log_batch(run_id, metrics=[Metric("m", 0, 1, 0)])
    assert client.get_run(run_id).data.metrics == {"m": 0}


def test_the_tables_are_those_that_are_written_directly(client, run):
    """A failure here only means that everything goes the long way again, see `sqlite`."""
    points = [("m", 1.0, 5, 0), ("m", 2.0, 5, 1)]
    assert sqlite.insert(client._tracking_client.store, run.info.run_id, points, {"p": "1"}, {"t": "1"})
    data = client.get_run(run.info.run_id).data
    assert (data.metrics, data.params, data.tags["t"]) == ({"m": 2}, {"p": "1"}, "1")


def test_more_than_fifty_thousand_runs_at_once_are_refused(client):
    client.search_runs(["0"], max_results=50_000)
    with pytest.raises(MlflowException):
        client.search_runs(["0"], max_results=50_001)


def test_the_pattern_of_failed_runs_fits_failed_and_killed_only(client):
    for status in RunStatus.all_status():
        client._tracking_client.store.update_run_info(client.create_run("0").info.run_id, status, 1, None)
    found = client.search_runs(["0"], search.status_filter("FAILED"))
    assert sorted(run.info.status for run in found) == ["FAILED", "KILLED"]


def test_a_deleted_experiment_keeps_its_name_and_a_renamed_one_frees_it(client):
    first = client.create_experiment("demo")
    client.delete_experiment(first)
    with pytest.raises(MlflowException) as caught:
        client.create_experiment("demo")
    assert client_module.error_code(caught.value) == "RESOURCE_ALREADY_EXISTS"
    assert client.get_experiment_by_name("demo").lifecycle_stage == "deleted"

    second = client.create_experiment("other")
    client.rename_experiment(second, "other [deleted]")
    client.delete_experiment(second)
    client.create_experiment("other")


@pytest.mark.parametrize("call", [lambda c: c.get_run("0" * 32), lambda c: c.get_experiment("999")])
def test_what_does_not_exist_has_this_code(client, call):
    with pytest.raises(MlflowException) as caught:
        call(client)
    assert client_module.error_code(caught.value) in client_module.NOT_FOUND


def test_the_codes_in_the_table_of_errors_exist():
    used = {
        *client_module.NOT_FOUND,
        *client_module.REFUSED,
        *store_errors.TAKEN,
        *store_errors.REMEDIES,
        *store_errors.AWAY,
    }
    assert used <= set(ErrorCode.keys())


def test_artifacts_of_a_database_are_where_the_experiment_says(client, tmp_path):
    location = (tmp_path / "my artifacts").as_uri()
    run = client.create_run(client.create_experiment("demo", artifact_location=location))
    assert run.info.artifact_uri == f"{location}/{run.info.run_id}/artifacts"


def test_the_command_that_moves_a_file_store_is_there():
    from mlflow.store.fs2db.cli import migrate_filestore

    result = CliRunner().invoke(migrate_filestore, ["--help"])
    assert (migrate_filestore.name, result.exit_code) == ("migrate-filestore", 0)
    assert "--source" in result.output
    assert "--target" in result.output


def test_creating_a_schema_reports_through_these_loggers(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    MlflowClient(tracking_uri=f"sqlite:///{tmp_path}/new.db")
    names = {record.name.split(".")[0] for record in caplog.records if record.levelno >= logging.INFO}
    assert names <= set(client_module._QUIET)
    client_module.forget_client(f"sqlite:///{tmp_path}/new.db")


# -- what the server and the client of a server are made of --


def test_the_server_is_started_by_a_function_that_can_be_replaced_with_options_that_exist():
    """Without the function, a server still starts, as a child that a kill -9 would leave behind."""
    code = "import inspect, mlflow.cli, mlflow.server as s; print(*inspect.signature(s._exec_cmd).parameters)"
    code += "; mlflow.cli.cli(['server', '--help'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names = done.stdout.splitlines()[0].split()
    assert names[0] == "cmd"
    assert "extra_env" in names
    for option in serving.arguments(serving.Serving(store="x", auth=True), "sqlite:///mlflow.db"):
        assert not option.startswith("--") or option in done.stdout


def test_a_client_of_a_server_asks_for_everything_through_one_method():
    client = http_store.equip(MlflowClient("http://127.0.0.1:1"), "http://127.0.0.1:1")
    store = client._tracking_client.store
    assert store is client._tracking_client.store
    parameters = list(inspect.signature(http_store.RestStore._call_endpoint).parameters)
    assert parameters[:4] == ["self", "api", "json_body", "endpoint"]
    assert store._METHOD_TO_INFO[http_store.CreateRun] == ("/api/2.0/mlflow/runs/create", "POST")


def test_the_version_of_the_tables_is_known():
    from mlflow.store.db import utils as tables

    assert schema.age_of(tables._get_latest_schema_revision()) == "as expected"
    assert schema.age_of("f00f00f00f00") == "newer"


def test_the_requests_of_the_journal_and_what_they_use():
    """`rest` and `transfer` send what MLflow would send, with MLflow's own functions."""
    from mlflow.environment_variables import MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD
    from mlflow.protos.service_pb2 import LogBatch
    from mlflow.store.artifact.http_artifact_repo import HttpArtifactRepository
    from mlflow.store.artifact.mlflow_artifacts_repo import MlflowArtifactsRepository
    from mlflow.store.tracking.rest_store import RestStore
    from mlflow.utils import rest_utils

    from rollforward.workflow.mlflow_backend.write import rest

    assert RestStore._METHOD_TO_INFO[LogBatch] == (rest._LOG_BATCH, "POST")
    assert {"max_retries", "timeout", "raise_on_status"} <= set(inspect.signature(rest_utils.http_request).parameters)
    assert callable(rest_utils.verify_rest_response)
    assert callable(rest_utils.augmented_raise_for_status)
    assert issubclass(MlflowArtifactsRepository, HttpArtifactRepository)
    assert isinstance(HttpArtifactRepository._host_creds, property)
    assert not MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD.get()
