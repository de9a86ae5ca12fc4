"""A server that is away when a run starts: the run goes on in a stand-in on this machine, and is uploaded later."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import socket
import socketserver
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
from mlflow import MlflowClient

from rollforward import settings
from rollforward.cli.main import main
from rollforward.errors import StoreUnreachableError
from rollforward.testing import release_store
from rollforward.workflow import MLflowExpManager, R
from rollforward.workflow.mlflow_backend.offline import standin
from rollforward.workflow.mlflow_backend.offline.leftovers import stand_in_address
from rollforward.workflow.mlflow_backend.offline.standin import stand_in_for
from rollforward.workflow.mlflow_backend.store.address import folder_of

SOURCE = Path(__file__).resolve().parents[2] / "src"
LONG = 300


class Door:
    """A way to a server that can be shut: whoever knocks then finds nobody, as if the server were down."""

    def __init__(self, port):
        self._inside = port
        self._server = None
        self._open = set()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self.port}"

    def open(self):
        door = self

        class Visitor(socketserver.BaseRequestHandler):
            def handle(self):
                with socket.create_connection(("127.0.0.1", door._inside)) as inside:
                    both = {self.request, inside}
                    door._open |= both
                    back = threading.Thread(target=pump, args=(inside, self.request), daemon=True)
                    back.start()
                    pump(self.request, inside)
                    back.join()
                    door._open -= both

        class Threads(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True
            block_on_close = False

        self._server = Threads(("127.0.0.1", self.port), Visitor)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def shut(self):
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def pump(source, sink):
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


@pytest.fixture
def door(mlflow_server, tmp_path, template_store, monkeypatch):
    """A door that is shut, and `R` in front of it. The template makes the stand-in be there at once."""
    monkeypatch.setattr(standin, "_FIRST_PAUSE", 0.05)
    monkeypatch.setattr(standin, "_EVERY", 0.05)
    monkeypatch.setattr(standin, "_SHARE", 0)
    found = Door(mlflow_server.port)
    settings.init(uri=found.uri, spool_dir=tmp_path / "spool", provenance=False, heartbeat=0, capture_output=False)
    prepare(template_store, found.uri)
    yield found
    found.shut()
    stop()
    release_store(stand_in_address(found.uri))
    release_store(found.uri)


def prepare(template_store, uri):
    import shutil

    folder = folder_of(stand_in_address(uri))
    folder.mkdir(parents=True)
    shutil.copyfile(template_store, folder / "mlflow.db")


def stop():
    for stand_in in standin._stand_ins.values():
        stand_in._leave()
    standin._stand_ins.clear()


def until_uploaded(uri):
    """Wait until the thread of the stand-in has nothing left to do."""
    thread = stand_in_for(uri)._thread
    thread.join(LONG)
    assert not thread.is_alive()


def on_server(server, experiment):
    client = MlflowClient(server.uri)
    stored = client.get_experiment_by_name(experiment)
    return {run.info.run_name: run for run in client.search_runs([stored.experiment_id])} if stored else {}


def test_a_run_starts_though_the_server_is_away_and_is_uploaded_when_it_is_back(door, mlflow_server, caplog):
    caplog.set_level(logging.INFO, logger="rollforward")
    with R.start(experiment_name="away", recorder_name="parent"):
        R.log_params(alpha=1)
        R.log_metrics(step=0, loss=1)
        R.save_objects(**{"a/b.pkl": [1, 2]})
        assert R.get_uri() == stand_in_address(door.uri)
        with R.start(recorder_name="child"):
            assert R.get_uri() == stand_in_address(door.uri)
            R.log_metrics(IC=1)
        assert set(R.list_recorders(rtype="list")) == set(R.get_exp().list_recorders(rtype="list"))
        assert R.get_recorder(recorder_name="child").list_metrics() == {"IC": 1}
        assert list(R.search_records(["away"])["run_name"]) == ["child", "parent"]
    with R.start(experiment_name="away", recorder_name="sibling"):
        offline_id = R.get_recorder().id
    assert R.get_recorder(recorder_id=offline_id).name == "sibling"
    warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len([text for text in warnings if "does not answer" in text]) == 1

    door.open()
    until_uploaded(door.uri)

    runs = on_server(mlflow_server, "away")
    assert set(runs) == {"parent", "child", "sibling"}
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    assert runs["child"].data.tags["mlflow.parentRunId"] == runs["parent"].info.run_id
    assert runs["parent"].data.params == {"alpha": "1"}
    assert R.get_uri() == door.uri
    assert R.get_recorder(recorder_id=offline_id).id == runs["sibling"].info.run_id
    assert R.get_recorder(experiment_name="away", recorder_name="parent").load_object("a/b.pkl") == [1, 2]
    assert "is back" in caplog.text
    with R.start(experiment_name="away", recorder_name="after"):
        assert R.get_uri() == door.uri
    assert "after" in on_server(mlflow_server, "away")


def test_a_run_that_goes_on_is_uploaded_while_it_does(door, mlflow_server):
    with R.start(experiment_name="live", recorder_name="run"):
        R.log_metrics(step=0, loss=1)
        R.flush()
        door.open()
        stand_in = stand_in_for(door.uri)
        run = wait_for(lambda: on_server(mlflow_server, "live").get("run"), stand_in)
        assert run.info.status == "RUNNING"
        R.log_metrics(step=1, loss=0.5)
        with R.start(recorder_name="child"):
            assert R.get_uri() == stand_in.address
    until_uploaded(door.uri)

    runs = on_server(mlflow_server, "live")
    client = MlflowClient(mlflow_server.uri)
    assert [point.value for point in client.get_metric_history(runs["run"].info.run_id, "loss")] == [1, 0.5]
    assert runs["run"].info.status == "FINISHED"
    assert runs["child"].data.tags["mlflow.parentRunId"] == runs["run"].info.run_id


def wait_for(condition, stand_in):
    """Wait for something that the thread of the stand-in does."""
    found = condition()
    while not found:
        stand_in._thread.join(0.05)
        assert stand_in._thread.is_alive()
        found = condition()
    return found


def test_a_child_of_a_run_on_the_server_keeps_its_parent(door, mlflow_server):
    door.open()
    with R.start(experiment_name="lost", recorder_name="parent"):
        R.flush()
        door.shut()
        with R.start(recorder_name="child"):
            R.log_metrics(IC=1)
        door.open()
    until_uploaded(door.uri)

    runs = on_server(mlflow_server, "lost")
    assert runs["child"].data.tags["mlflow.parentRunId"] == runs["parent"].info.run_id
    assert runs["child"].data.metrics == {"IC": 1}


def test_what_only_the_server_knows_is_an_error_that_says_so(door):
    with pytest.raises(StoreUnreachableError, match="named by its id"), R.start(experiment_id="3"):
        pass
    with pytest.raises(StoreUnreachableError, match="is to go on"), R.start(recorder_id="0" * 32, resume=True):
        pass
    with pytest.raises(StoreUnreachableError, match="does not answer"):
        R.delete_exp(experiment_name="away")


def test_without_spool_a_server_that_is_away_is_an_error(door, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    settings.init(uri=door.uri, spool="off")
    with pytest.raises(StoreUnreachableError), R.start(experiment_name="none"):
        pass


def test_logging_outside_a_block_goes_on_too(door, mlflow_server):
    manager = MLflowExpManager(door.uri, "outside")
    recorder = manager.running_recorder()
    recorder.log_metrics(loss=1)
    manager.end_exp("FINISHED")
    door.open()
    until_uploaded(door.uri)
    assert on_server(mlflow_server, "outside")["mlflow_recorder"].data.metrics == {"loss": 1}


def script(door, tmp_path, text):
    """Run a program that logs; returns how it ended."""
    environment = os.environ | {
        "PYTHONPATH": str(SOURCE),
        "ROLLFORWARD_URI": door.uri,
        "ROLLFORWARD_SPOOL_DIR": str(tmp_path / "spool"),
        "ROLLFORWARD_HEARTBEAT": "1",
    }
    program = "import os, signal\nfrom rollforward.workflow import R\n" + textwrap.dedent(text)
    return subprocess.run(
        [sys.executable, "-c", program], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs kill -9")
def test_what_a_killed_process_left_is_uploaded_by_sync(door, mlflow_server, tmp_path, capsys):
    done = script(
        door,
        tmp_path,
        """
        with R.start(experiment_name="killed", recorder_name="run"):
            for step in range(2000):
                R.log_metrics(step=step, loss=step)
            os.kill(os.getpid(), signal.SIGKILL)
        """,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert main(["sync"]) == 1
    said = capsys.readouterr().err
    assert "does not answer" in said
    assert f"a stand-in with 1 run in {folder_of(stand_in_address(door.uri))}" in said
    assert main(["sync", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["waiting"]["stand_in_runs"] == 1

    door.open()
    assert main(["sync", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["runs"]["points"] == 2000

    run = on_server(mlflow_server, "killed")["run"]
    history = MlflowClient(mlflow_server.uri).get_metric_history(run.info.run_id, "loss")
    assert sorted(point.value for point in history) == list(range(2000))
    assert run.info.status == "KILLED"
    assert not folder_of(stand_in_address(door.uri)).exists()
    assert main(["sync"]) == 0
    assert capsys.readouterr().out.endswith(f"Nothing waits for {door.uri}.\n")


def test_what_a_process_left_is_uploaded_by_the_next_start(door, mlflow_server, tmp_path):
    done = script(door, tmp_path, "with R.start(experiment_name='left', recorder_name='run'): R.log_metrics(IC=1)")
    assert done.returncode == 0, done.stderr
    assert "does not answer" in done.stderr

    door.open()
    with R.start(experiment_name="next"):
        until_uploaded(door.uri)

    assert on_server(mlflow_server, "left")["run"].info.status == "FINISHED"
    assert not folder_of(stand_in_address(door.uri)).exists()
