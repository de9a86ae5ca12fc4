"""Nothing that a call returned for is lost, and nothing is there twice: real server, real processes, a bad network."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rollforward import settings
from rollforward.cli.main import main
from rollforward.errors import SpoolError, StoreUnreachableError
from rollforward.workflow import R
from rollforward.workflow.mlflow_backend.alive.heartbeat import HEARTBEAT, OWNER
from rollforward.workflow.mlflow_backend.alive.owner import Owner, this_process
from rollforward.workflow.mlflow_backend.alive.superseded import supersede
from rollforward.workflow.mlflow_backend.spool import carrier, replay, spooled
from rollforward.workflow.mlflow_backend.spool.replay import journals_of, replay_journals
from rollforward.workflow.mlflow_backend.store.client import client_for
from rollforward.workflow.spool_dir import store_folder

SOURCE = Path(__file__).resolve().parents[2] / "src"
LOOP = """
import itertools
from rollforward.workflow import R

with R.start(experiment_name="killed"):
    R.log_params(a=1)
    recorder = R.get_recorder()
    for step in itertools.count(1):
        R.log_metrics(step=step, x=step, **{f"m{n}": 1.0 for n in range(9)})
        if step == 300:
            R.save_objects(**{"late.pkl": [1, 2]})
        print(recorder.id, step, flush=True)
"""


class Proxy:
    """A way to the server that can be cut, and that can lose the server's answers."""

    def __init__(self, port):
        self._port = port
        self._server = None
        self._open = set()
        self.swallows = self.cuts = 0
        self.delay = 0.0
        self.port = 0
        self.restore()
        self.uri = f"http://127.0.0.1:{self.port}"

    def restore(self):
        self._server = socket.create_server(("127.0.0.1", self.port))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._server,), daemon=True).start()

    def refuse(self):
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for connection in list(self._open):
            self._close(connection)

    def _accept(self, server):
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client):
        upstream = socket.create_connection(("127.0.0.1", self._port))
        self._open |= {client, upstream}
        threading.Thread(target=self._pass, args=(upstream, client, "swallows"), daemon=True).start()
        self._pass(client, upstream, "cuts")

    def _pass(self, source, target, fault):
        with suppress(OSError):
            while data := source.recv(1 << 16):
                if self.delay:
                    threading.Event().wait(self.delay)
                if getattr(self, fault) > 0:
                    setattr(self, fault, getattr(self, fault) - 1)
                    break
                target.sendall(data)
        self._close(source)
        self._close(target)

    def _close(self, connection):
        self._open.discard(connection)
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()


@pytest.fixture
def proxy(mlflow_server, monkeypatch):
    # A run ends when all has arrived, however long it takes; a test in which nothing will says so.
    monkeypatch.setattr(carrier, "FAREWELL", 60.0)
    proxy = Proxy(mlflow_server.port)
    yield proxy
    proxy.refuse()


def history(uri, run_id, key):
    return [(point.step, point.value) for point in client_for(uri).get_metric_history(run_id, key)]


def test_kill_9_while_the_server_is_away_loses_no_call_that_returned(proxy, tmp_path):
    variables = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_TRACKING")}
    variables |= {"PYTHONPATH": str(SOURCE), "ROLLFORWARD_URI": proxy.uri}
    with subprocess.Popen(
        [sys.executable, "-c", LOOP],
        cwd=tmp_path,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        for line in process.stdout:
            run_id, step = line.split()
            if step == "200":
                proxy.refuse()
            if step == "400":
                process.send_signal(signal.SIGKILL)
                break
        # A kill can cut the last line.
        said = [line for line in process.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
    last = int(said[-1].split()[1]) if said else 400
    (path,) = journals_of(proxy.uri)
    # While the server is away nothing happens.
    assert replay_journals(proxy.uri).left == {str(path): "the store does not answer"} or path.exists()
    proxy.restore()
    # Two at once, and the reply to one of them is lost.
    proxy.swallows = 1
    together = [threading.Thread(target=replay_journals, args=(proxy.uri,)) for _ in range(2)]
    for thread in together:
        thread.start()
    for thread in together:
        thread.join()
    replay_journals(proxy.uri)

    steps = [step for step, _ in history(proxy.uri, run_id, "x")]
    assert len(steps) in (last, last + 1), "the last call may not have returned"
    assert sorted(steps) == list(range(1, len(steps) + 1))
    run = client_for(proxy.uri).get_run(run_id)
    assert (run.info.status, run.data.params["a"]) == ("KILLED", "1")
    assert run.info.start_time <= run.info.end_time
    settings.init(uri=proxy.uri)
    assert R.get_exp(experiment_name="killed").get_recorder(run_id).load_object("late.pkl") == [1, 2]
    assert journals_of(proxy.uri) == []
    assert list(store_folder(proxy.uri).iterdir()) == []


def test_a_server_that_is_killed_and_started_again_in_mid_run_misses_nothing(own_server, caplog):
    settings.init(uri=own_server.uri)
    caplog.set_level(logging.INFO, logger="rollforward")
    with R.start(experiment_name="restart"):
        recorder = R.get_recorder()
        R.log_metrics(step=1, x=1)
        R.flush()
        own_server.kill()
        for step in range(2, 3000):
            R.log_metrics(step=step, x=step)
        R.set_tags(kind="away", old=1)
        recorder.delete_tags("old")
        R.save_objects(**{"a/b.pkl": {"c": 1}})
        assert recorder.load_object("a/b.pkl") == {"c": 1}
        assert recorder.list_artifacts("a") == ["a/b.pkl"]
        own_server.start()
        R.log_metrics(step=3000, x=3000)
        recorder.flush()
        assert recorder.list_tags()["kind"] == "away"
    assert sorted(history(own_server.uri, recorder.id, "x")) == [(step, step) for step in range(1, 3001)]
    assert "old" not in recorder.list_tags()
    assert recorder.load_object("a/b.pkl") == {"c": 1}
    assert client_for(own_server.uri).get_run(recorder.id).info.status == "FINISHED"
    assert journals_of(own_server.uri) == []
    said = [record.levelname for record in caplog.records if record.name.endswith("carrier")]
    assert said in ([], ["WARNING", "WARNING"]), "once when it goes away, once when it is back"


def test_requests_that_are_cut_and_answers_that_are_lost_change_nothing(proxy):
    settings.init(uri=proxy.uri)
    with R.start(experiment_name="bad network"):
        recorder = R.get_recorder()
        for fault in ("swallows", "cuts"):
            for step in range(3):
                setattr(proxy, fault, 1)
                R.log_metrics(step=step, **{fault: step})
                R.log_params(**{f"{fault}{step}": step})
                recorder.flush()
        proxy.delay = 0.05
        R.log_metrics(step=9, slow=1)
        proxy.swallows = 1
        R.save_objects(**{"x.pkl": 5})
        proxy.delay = 0
        recorder.flush()
        proxy.swallows = 1
    for fault in ("swallows", "cuts"):
        assert history(proxy.uri, recorder.id, fault) == [(step, float(step)) for step in range(3)]
    assert recorder.load_object("x.pkl") == 5
    params = recorder.list_params()
    assert [params[f"cuts{step}"] for step in range(3)] == ["0", "1", "2"]
    assert client_for(proxy.uri).get_run(recorder.id).info.status == "FINISHED"


def test_a_run_that_ends_while_the_server_is_away_is_uploaded_by_the_next_start(proxy, caplog):
    settings.init(uri=proxy.uri)
    with pytest.MonkeyPatch.context() as patch:
        # The store stays away for this process, even when it is back.
        patch.setattr(spooled.reach, "is_reachable", lambda *_: False)
        patch.setattr(carrier, "FAREWELL", 0.3)
        with R.start(experiment_name="later"):
            recorder = R.get_recorder()
            R.log_metrics(step=1, x=1)
            recorder.flush()
            proxy.refuse()
            R.log_metrics(step=2, x=2)
            R.log_text("hello", "note.txt")
        assert "rollforward sync" in caplog.text
        patch.setattr(spooled, "PATIENCE", 0.1)
        with pytest.raises(StoreUnreachableError, match="Nothing is lost"):
            recorder.list_metrics()
        _die(recorder)
    proxy.restore()
    replay._begun.clear()
    with R.start(experiment_name="later"):
        for thread in threading.enumerate():
            if thread.name == "rollforward-replay":
                thread.join()
    run = client_for(proxy.uri).get_run(recorder.id)
    assert (run.info.status, run.data.metrics) == ("FINISHED", {"x": 2.0})
    assert "note.txt" in R.get_exp(experiment_name="later").get_recorder(recorder.id).list_artifacts()


def test_whatever_is_logged_while_the_server_is_away_arrives_later(proxy):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    settings.init(uri=proxy.uri)
    figure = pyplot.figure()
    with R.start(experiment_name="all kinds"):
        recorder = R.get_recorder()
        R.log_dict({"a": 1}, "config.json")
        R.log_table({"year": [2020]}, "table.json")
        recorder.flush()
        proxy.refuse()
        R.log_dict({"a": 2}, "config.json")
        R.log_figure(figure, "plots/ic.png")
        R.log_image(np.zeros((4, 4, 3), dtype=np.uint8), "plots/black.png")
        R.log_image(np.zeros((4, 4, 3), dtype=np.uint8), key="weights", step=3)
        R.log_input(pd.DataFrame({"close": [1.0]}), context="train", name="prices")
        # Whether there are rows already, nobody can say.
        with pytest.raises(StoreUnreachableError, match=r"append to 'table\.json'"):
            R.log_table({"year": [2021]}, "table.json")
        assert recorder.load_object("config.json") == {"a": 2}
        proxy.restore()
    pyplot.close(figure)
    run = client_for(proxy.uri).get_run(recorder.id)
    (data,) = run.inputs.dataset_inputs
    assert (data.dataset.name, [tag.value for tag in data.tags]) == ("prices", ["train"])
    assert run.data.tags["mlflow.loggedImages"] == "True"
    stored = R.get_recorder(recorder_id=recorder.id)
    assert stored.load_object("config.json") == {"a": 2}
    assert stored.list_artifacts("plots") == ["plots/black.png", "plots/ic.png"]
    assert len(stored.list_artifacts("images")) == 2


def test_the_doctor_leaves_runs_alone_whose_end_waits_here(proxy, capsys, monkeypatch):
    settings.init(uri=proxy.uri, provenance=False, heartbeat=0)
    with pytest.MonkeyPatch.context() as patch:
        # The store stays away for this process, even when it is back.
        patch.setattr(spooled.reach, "is_reachable", lambda *_: False)
        patch.setattr(carrier, "FAREWELL", 0.3)
        with R.start(experiment_name="doctor", recorder_name="kept"):
            recorder = R.get_recorder()
            R.set_tags(**{OWNER: str(this_process()), HEARTBEAT: "2024-05-06T07:08:09.000+00:00 every 30 s"})
            recorder.flush()
            proxy.refuse()
            R.log_metrics(x=1)
        _die(recorder)
    assert main(["sync"]) == 1
    said = capsys.readouterr().err
    assert "does not answer" in said
    assert "1 journal of 1 run in " in said
    monkeypatch.setattr(Owner, "is_gone", lambda _: True)
    proxy.restore()

    main(["doctor"])
    said = capsys.readouterr().out
    assert f"1 run ended while the store was away, or died: kept ({recorder.id})" in said
    assert f"RUNNING, and the process is gone: 1 run, kept ({recorder.id})" not in said
    assert client_for(proxy.uri).get_run(recorder.id).info.status == "RUNNING"

    main(["doctor", "--fix"])
    said = capsys.readouterr().out
    assert f"says how runs ended: kept ({recorder.id}) is FINISHED" in said
    assert "Uploaded: 1 journal of 1 run in " in said
    assert client_for(proxy.uri).get_run(recorder.id).info.status == "FINISHED"
    assert main(["sync"]) == 0
    assert "Nothing waits for" in capsys.readouterr().out


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_a_run_in_whose_place_another_counts_is_not_finished_by_its_journal(proxy, when):
    settings.init(uri=proxy.uri, provenance=False)  # no artifact, which has a journal of its own
    with pytest.MonkeyPatch.context() as patch:
        # The store stays away for this process, even when it is back.
        patch.setattr(spooled.reach, "is_reachable", lambda *_: False)
        patch.setattr(carrier, "FAREWELL", 0.3)
        with R.start(experiment_name="superseded"):
            recorder = R.get_recorder()
            proxy.refuse()
            R.log_metrics(x=1)
        _die(recorder)
    proxy.restore()

    def replace(uri):
        supersede(uri, recorder.id, "its worker died", "b" * 32)

    if when == "before":
        replace(proxy.uri)
    else:
        patch, carry = pytest.MonkeyPatch(), replay.Courier.carry

        def late(courier):
            patch.undo()
            replace(proxy.uri)
            return carry(courier)

        # In the last moment before the end is carried.
        patch.setattr(replay.Courier, "carry", late)
    done = replay_journals(proxy.uri)
    run = client_for(proxy.uri).get_run(recorder.id)
    assert (done.runs, run.info.status, run.data.metrics) == ([recorder.id], "KILLED", {"x": 1.0})
    assert (run.data.tags["successor"], run.data.tags["killed_because"]) == ("b" * 32, "its worker died")


def _die(recorder):
    """Leave a run's journal as a process that ended would."""
    spool = recorder._spool
    with spool._carrier._sending:
        spool._carrier.stop()
        spool._journal.close()


def test_a_forked_child_has_a_journal_of_its_own(proxy):
    settings.init(uri=proxy.uri)
    with R.start(experiment_name="forked"):
        recorder = R.get_recorder()
        R.log_metrics(step=1, x=1)
        pid = os.fork()
        if pid == 0:
            # Leaves as a killed worker would: nothing is sent, the line in the journal stays.
            recorder._spool._rouse = lambda: None
            recorder.log_metrics(step=2, child=2)
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        assert len(journals_of(proxy.uri)) == 2
        done = replay_journals(proxy.uri)
        assert (done.runs, done.points, done.live) == ([recorder.id], 1, 1)
        assert client_for(proxy.uri).get_run(recorder.id).info.status == "RUNNING"
        R.log_metrics(step=3, x=3)
    assert history(proxy.uri, recorder.id, "x") == [(1, 1.0), (3, 3.0)]
    assert history(proxy.uri, recorder.id, "child") == [(2, 2.0)]


def test_what_the_store_refuses_is_reported_and_the_rest_arrives(proxy):
    from rollforward.errors import TrackingError

    settings.init(uri=proxy.uri)
    R.start_exp(experiment_name="refused")
    recorder = R.get_recorder()
    R.log_params(a=1)
    recorder._spool.drain()
    R.log_params(a=2, b=2)
    R.log_metrics(x=float("nan"), y=float("inf"))
    with pytest.raises(TrackingError, match="param 'a' is '1', and '2' was logged"):
        R.end_exp()
    assert recorder.list_params()["b"] == "2"
    assert "logging_errors.txt" in recorder.list_artifacts()
    metrics = recorder.list_metrics()
    assert metrics["x"] != metrics["x"]
    assert metrics["y"] > 1e308


def test_without_a_place_for_the_journal_a_start_is_a_clear_error_and_leaves_no_run(proxy, tmp_path):
    (tmp_path / "file").write_text("")
    settings.init(uri=proxy.uri, spool_dir=str(tmp_path / "file"))
    with pytest.raises(SpoolError, match="spool"):
        R.start_exp(experiment_name="no place")
    settings.init(uri=proxy.uri, spool="off")
    assert R.list_recorders(experiment_name="no place") == {}


def test_the_journal_names_the_store_without_credentials(proxy):
    settings.init(uri=proxy.uri.replace("http://", "http://me:secret@"))
    with R.start(experiment_name="masked"):
        (path,) = journals_of(proxy.uri)
        header = json.loads(path.read_text().splitlines()[0])
        assert header["store"] == proxy.uri
        assert "secret" not in path.read_text()
