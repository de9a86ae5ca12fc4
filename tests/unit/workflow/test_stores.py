from __future__ import annotations

import logging
import os
import sqlite3
import threading
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException

from rollforward.errors import ExpAlreadyExistError, StoreRefusedError, TrackingError
from rollforward.testing import create_store, release_store
from rollforward.workflow.mlflow_backend.store import client as client_module
from rollforward.workflow.mlflow_backend.store.client import checked_uri, client_for, database_file, mapped


@pytest.mark.parametrize(
    "uri",
    [
        "sqlite:////a/mlflow.db",
        "http://host:5000",
        "https://host",
        "postgresql://h/db",
        "mysql+pymysql://h/db",
        "databricks",
    ],
)
def test_databases_and_servers_pass(uri):
    assert checked_uri(uri) == uri


@pytest.mark.parametrize("uri", ["mlruns", "./mlruns", "{cwd}/mlruns", "file:{cwd}/mlruns", "file://{cwd}/mlruns"])
def test_file_stores_are_refused_with_the_command_that_moves_them(uri, tmp_path):
    with pytest.raises(StoreRefusedError) as caught:
        checked_uri(uri.format(cwd=tmp_path))
    assert f"mlflow migrate-filestore --source '{tmp_path}/mlruns'" in caught.value.remedy
    assert f"--target 'sqlite:///{tmp_path}/mlflow.db'" in caught.value.remedy


def test_a_path_of_a_database_is_refused_with_its_address(tmp_path):
    with pytest.raises(StoreRefusedError, match=f"sqlite:///{tmp_path}/x.db"):
        checked_uri("x.db")


def test_the_file_of_a_store():
    assert database_file("sqlite:////a/b.db?timeout=5") == Path("/a/b.db")
    assert database_file("sqlite:///:memory:") is None
    assert database_file("http://host") is None


def test_one_client_per_store_and_process(tracking_uri):
    assert client_for(tracking_uri) is client_for(tracking_uri)


def test_a_forked_process_gets_a_client_and_connections_of_its_own(tracking_uri, monkeypatch):
    parent = client_for(tracking_uri)
    pid = os.getpid()
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: pid + 1)
        child = client_for(tracking_uri)
        assert child is not parent
        assert child.search_experiments()[0].name == "Default"
        release_store(tracking_uri)


def test_a_store_in_a_new_folder_is_created_quietly_and_whole(tmp_path, capfd, caplog):
    caplog.set_level(logging.INFO)
    uri = create_store(tmp_path / "new folder" / "mlflow.db")

    with sqlite3.connect(tmp_path / "new folder" / "mlflow.db") as connection:
        (location,) = connection.execute("SELECT artifact_location FROM experiments").fetchone()
    connection.close()
    assert location == f"file://{tmp_path}/new%20folder/mlruns/0"
    assert uri == f"sqlite:///{tmp_path}/new folder/mlflow.db"
    assert capfd.readouterr() == ("", "")
    assert [record for record in caplog.records if record.name.startswith(("mlflow", "alembic"))] == []


def test_a_place_that_cannot_be_written_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(TrackingError, match="cannot be created"):
        client_for(f"sqlite:///{tmp_path}/file/mlflow.db")


def test_threads_open_a_store_once(tracking_uri, monkeypatch):
    opened = []
    real = client_module._open
    monkeypatch.setattr(client_module, "_open", lambda uri: opened.append(uri) or real(uri))
    threads = [threading.Thread(target=client_for, args=(tracking_uri,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert opened == [tracking_uri]


@pytest.mark.parametrize(
    ("code", "kind", "says"),
    [
        ("RESOURCE_ALREADY_EXISTS", ExpAlreadyExistError, ""),
        ("UNAUTHENTICATED", TrackingError, "MLFLOW_TRACKING_TOKEN"),
        ("PERMISSION_DENIED", TrackingError, "MLFLOW_TRACKING_USERNAME"),
        ("ENDPOINT_NOT_FOUND", TrackingError, "Check the address"),
        ("INTERNAL_ERROR", TrackingError, "server's log"),
        ("INVALID_PARAMETER_VALUE", TrackingError, ""),
    ],
)
def test_errors_of_mlflow_become_ours_with_what_to_do(code, kind, says):
    from mlflow.protos.databricks_pb2 import ErrorCode

    with pytest.raises(kind) as caught, mapped("do it"):
        raise MlflowException("because", error_code=ErrorCode.Value(code))
    assert "Could not do it: " in caught.value.given
    assert "because" in caught.value.given
    assert says in caught.value.remedy
    assert isinstance(caught.value.__cause__, MlflowException)
