"""A real server, started as a user starts it."""

from __future__ import annotations

import importlib.util
import json
import signal
import socket
import sqlite3
import sys
import urllib.request
from contextlib import closing
from pathlib import Path

import pytest

from rollforward import settings
from rollforward.cli.main import main
from rollforward.errors import SettingsError, StoreUnreachableError, TrackingError
from rollforward.workflow import R
from rollforward.workflow.mlflow_backend.doctor import server as examined
from rollforward.workflow.mlflow_backend.serving import Serving, arguments, environment, serve
from rollforward.workflow.mlflow_backend.store.client import is_reachable
from rollforward.workflow.mlflow_backend.store.database import uses_wal
from rollforward.workflow.mlflow_backend.store.http_store import brief

PASSWORD = "correct horse battery"  # noqa: S105  # of a server that lives for seconds
EVERYWHERE = "0.0.0.0"  # noqa: S104  # nothing is bound


def test_a_run_over_http(mlflow_server):
    settings.init(uri=mlflow_server.uri)
    with R.start(experiment_name="over http"):
        R.log_metrics(x=1.0)
        R.save_objects(**{"a.json": {"b": 1}})
    (recorder,) = R.list_recorders(experiment_name="over http", rtype="list")
    assert recorder.metrics == {"x": 1.0}
    assert recorder.load_object("a.json") == {"b": 1}
    # Beside the database, whatever the directory that the server was started in.
    (kept,) = mlflow_server.folder.glob("mlartifacts/*/*/artifacts/a.json")
    assert json.loads(kept.read_text()) == {"b": 1}


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_the_server_is_one_process(mlflow_server):
    """Nothing is left behind whatever ends it, and half the memory is enough."""
    pid = mlflow_server.process.pid
    assert b"uvicorn" in Path(f"/proc/{pid}/cmdline").read_bytes()
    assert Path(f"/proc/{pid}/task/{pid}/children").read_text() == ""


def test_an_address_with_a_name_that_is_not_ours_is_refused(mlflow_server):
    request = urllib.request.Request(f"{mlflow_server.uri}/", headers={"Host": "evil.example"})  # noqa: S310  # http
    with pytest.raises(urllib.request.HTTPError, match="403") as caught:
        urllib.request.urlopen(request)  # noqa: S310  # http
    caught.value.close()


def test_the_doctor_finds_a_server_well(mlflow_server, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("ROLLFORWARD_SPOOL_DIR", str(tmp_path / "spool"))
    assert main(["doctor", "--uri", mlflow_server.uri, "--json"]) == 0
    found = {item["check"]: item for item in json.loads(capsys.readouterr().out)}
    assert {found[name]["level"] for name in ("server", "access", "clock", "runs", "spool")} == {"ok"}
    assert found["server"]["says"].startswith("MLflow ")


def test_the_doctor_names_a_slow_server_and_a_wrong_clock(mlflow_server, capsys, monkeypatch):
    monkeypatch.setattr(examined, "_STALL", 0.0)
    real = examined.time.time
    monkeypatch.setattr(examined.time, "time", lambda: real() + 100)
    assert main(["doctor", "--uri", mlflow_server.uri, "--json"]) == 1
    found = {item["check"]: item for item in json.loads(capsys.readouterr().out)}
    assert found["speed"]["level"] == "note"
    assert "several workers" in found["speed"]["remedy"]
    assert found["clock"]["level"] == "problem"


@pytest.fixture(scope="module")
def guarded(new_server):
    """A server that asks for a password, on a database that it creates itself."""
    if importlib.util.find_spec("flask_wtf") is None:
        new_server.unavailable("Flask-WTF", "pip install 'mlflow[auth]'")
    server = new_server(environment={"MLFLOW_AUTH_ADMIN_PASSWORD": PASSWORD}, options=["--auth"])
    yield server
    server.stop()


def test_a_server_with_passwords(guarded, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("ROLLFORWARD_SPOOL_DIR", str(tmp_path / "spool"))
    settings.init(uri=guarded.uri)
    with pytest.raises(TrackingError) as caught:
        R.list_experiments()
    assert not isinstance(caught.value, StoreUnreachableError)
    assert "MLFLOW_TRACKING_USERNAME" in caught.value.remedy
    assert is_reachable(guarded.uri)
    assert main(["doctor", "--uri", guarded.uri]) == 1
    assert "MLFLOW_TRACKING_USERNAME" in capsys.readouterr().out

    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORD)
    with R.start(experiment_name="guarded"):
        R.log_metrics(x=1.0)
        R.save_objects(**{"a.pkl": [1]})
    (recorder,) = R.list_recorders(experiment_name="guarded", rtype="list")
    assert (recorder.metrics, recorder.load_object("a.pkl")) == ({"x": 1.0}, [1])


def test_what_a_server_creates_is_safe_and_lies_beside_the_database(guarded):
    assert uses_wal(guarded.database)
    with closing(sqlite3.connect(guarded.database)) as connection:
        (location,) = connection.execute("SELECT artifact_location FROM experiments WHERE experiment_id = 0").fetchone()
    assert location == "mlflow-artifacts:/0"
    assert (guarded.folder / "basic_auth.db").exists()
    assert (guarded.folder / "basic_auth.ini").stat().st_mode & 0o777 == 0o600


def test_a_server_ends_when_it_is_told_to_and_is_missed(guarded, monkeypatch):
    settings.init(uri=guarded.uri, spool="off")
    process = guarded.process
    process.send_signal(signal.SIGTERM)
    process.wait(120)
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", guarded.port))
    assert not is_reachable(guarded.uri)
    with brief(), pytest.raises(StoreUnreachableError, match="rollforward doctor"):
        R.list_experiments()


# -- what is refused before anything starts --


@pytest.fixture
def taken():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        yield held.getsockname()[1]


def test_a_port_that_is_taken(taken):
    with pytest.raises(SettingsError, match=f"Port {taken}") as caught:
        serve(Serving(store="sqlite:///mlflow.db", port=taken))
    assert "--port" in caught.value.remedy


@pytest.mark.parametrize(("workers", "says"), [(0, "cannot serve"), (4, "uvloop")])
def test_workers_that_would_be_slower(workers, says, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=says):
        serve(Serving(store="sqlite:///mlflow.db", workers=workers, port=0))


@pytest.mark.parametrize("command", ["server", "ui"])
def test_a_store_of_files_is_refused(command, tmp_path, capsys):
    option = "--store" if command == "server" else "--uri"
    assert main([command, option, f"file:{tmp_path}/mlruns", "--port", "5000"]) == 1
    assert "migrate-filestore" in capsys.readouterr().err


def test_a_server_needs_a_database_and_the_pages_of_a_server_are_its_own(capsys):
    assert main(["server", "--store", "http://me:secret@there:5000"]) == 1
    assert main(["ui", "--uri", "http://me:secret@there:5000"]) == 0
    captured = capsys.readouterr()
    assert "is a server itself" in captured.err
    assert "pages of its own" in captured.out
    assert "secret" not in captured.out + captured.err


def test_a_password_is_asked_for_before_anything_starts(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.setenv("MLFLOW_AUTH_ADMIN_PASSWORD", "short")
    with pytest.raises(TrackingError, match="shorter than 12"):
        serve(Serving(store="sqlite:///mlflow.db", port=0, auth=True))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="Flask-WTF"):
        serve(Serving(store="sqlite:///mlflow.db", port=0, auth=True))


def test_who_may_call_the_server(monkeypatch):
    assert environment(Serving(store="x")) == {}
    assert environment(Serving(store="x", host="::1")) == {}
    hosts = environment(Serving(store="x", host=EVERYWHERE))["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")
    assert {"localhost", "localhost:*", socket.gethostname(), f"{socket.gethostname()}:*", "10.*"} <= set(hosts)
    assert not {"*", EVERYWHERE} & set(hosts)
    chosen = environment(Serving(store="x", host=EVERYWHERE, allowed_hosts="runs.example"))
    assert chosen == {"MLFLOW_SERVER_ALLOWED_HOSTS": "runs.example"}
    monkeypatch.setenv("MLFLOW_SERVER_ALLOWED_HOSTS", "mine")
    assert environment(Serving(store="x", host=EVERYWHERE)) == {}


def test_where_the_server_keeps_artifacts(tmp_path):
    def destination(**options):
        words = arguments(Serving(store="x", **options), options.pop("at", f"sqlite:///{tmp_path}/a/mlflow.db"))
        return words[words.index("--artifacts-destination") + 1]

    assert destination() == str(tmp_path / "a" / "mlartifacts")
    assert destination(artifacts="s3://bucket/x") == "s3://bucket/x"
    words = arguments(Serving(store="x"), "postgresql://h/db")
    assert words[words.index("--artifacts-destination") + 1] == str(tmp_path / "mlartifacts")
