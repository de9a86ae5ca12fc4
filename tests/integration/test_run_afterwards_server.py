"""The end of a short run over HTTP does not wait for files, and nobody who reads notices."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from rollforward import settings
from rollforward.workflow import R, background
from rollforward.workflow.mlflow_backend.run import afterwards as module
from rollforward.workflow.mlflow_backend.run.afterwards import afterwards
from rollforward.workflow.mlflow_backend.spool import carrier
from rollforward.workflow.mlflow_backend.spool.replay import journals_of
from rollforward.workflow.mlflow_backend.store.client import client_for

pytestmark = pytest.mark.xdist_group("server")

SOURCE = Path(__file__).resolve().parents[2] / "src"
ARGV = "cmd-sys.argv"


@pytest.fixture
def later(monkeypatch, tmp_path):
    """Nothing is written afterwards but by who needs it."""
    monkeypatch.setattr(module, "PAUSE", 60.0)
    monkeypatch.setattr(module, "LONGEST", 60.0)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    return lambda server: settings.init(uri=server.uri, spool_dir=str(tmp_path / "spool"))


def short_run(name, **logged):
    with R.start(experiment_name=name):
        recorder = R.get_recorder()
        if logged:
            R.log_metrics(**logged)
    return recorder


@pytest.mark.parametrize("spool", ["on", "off"])
def test_what_is_not_there_at_the_end_is_there_for_who_reads(mlflow_server, later, spool):
    later(mlflow_server)
    settings.change(spool=spool)
    name = f"afterwards {spool}"
    client = client_for(mlflow_server.uri)
    recorder = short_run(name)
    there = client.get_run(recorder.id)
    assert (there.info.status, there.data.params) == ("FINISHED", {})
    assert client.list_artifacts(recorder.id) == []

    assert recorder.list_artifacts() == ["requirements.txt"]
    assert ARGV in client.get_run(recorder.id).data.params
    ways = (
        lambda run: R.get_recorder(recorder_id=run.id, experiment_name=name).params,
        lambda run: R.list_recorders(experiment_name=name)[run.id].params,
        lambda run: R.search_records([name]).set_index("run_id").loc[run.id].rename(lambda key: key.split(".", 1)[-1]),
        lambda run: run.params,
        lambda run: run.list_params(),
    )
    for way in ways:
        assert ARGV in way(short_run(name))
    assert short_run(name).load_object("requirements.txt")
    assert Path(short_run(name).download_artifact("requirements.txt")).read_text(encoding="utf-8")
    assert journals_of(mlflow_server.uri) == []


def test_params_go_with_what_the_block_logged(mlflow_server, later):
    later(mlflow_server)
    recorder = short_run("afterwards together", x=1)
    there = client_for(mlflow_server.uri).get_run(recorder.id).data
    assert ARGV in there.params
    assert there.metrics == {"x": 1.0}
    afterwards.settle(mlflow_server.uri)


def test_a_run_goes_on_and_is_deleted_without_a_word(mlflow_server, later, caplog):
    later(mlflow_server)
    recorder = short_run("afterwards again")
    with R.start(experiment_name="afterwards again", recorder_id=recorder.id, resume=True):
        assert client_for(mlflow_server.uri).list_artifacts(recorder.id)[0].path == "requirements.txt"
    gone = short_run("afterwards again")
    R.get_exp(experiment_name="afterwards again").delete_recorder(recorder_id=gone.id)
    afterwards.settle(mlflow_server.uri)
    short_run("afterwards again")
    R.delete_exp(experiment_name="afterwards again")
    afterwards.settle(mlflow_server.uri)
    assert caplog.text == ""


@pytest.mark.parametrize("spool", ["on", "off"])
def test_the_exit_of_a_process_waits_for_it(mlflow_server, later, tmp_path, spool):
    later(mlflow_server)
    code = (
        "from rollforward import init\nfrom rollforward.workflow import R\n"
        f"init(uri={mlflow_server.uri!r}, spool={spool!r})\n"
        f"with R.start(experiment_name='afterwards exit {spool}'):\n    print('said')\n"
        f"R.start_exp(experiment_name='afterwards exit {spool}')\nprint('said too')"
    )
    subprocess.run(["git", "init", "-q", str(tmp_path / "work")], check=True)
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path / "work",
        env=os.environ | {"PYTHONPATH": str(SOURCE), "ROLLFORWARD_SPOOL_DIR": str(tmp_path / "spool")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    first, second = R.list_recorders(experiment_name=f"afterwards exit {spool}", rtype="list")
    for run in (first, second):
        assert ARGV in run.params
        assert {"output.txt", "requirements.txt", "code_diff.txt", "code_status.txt"} <= set(run.list_artifacts())
    assert journals_of(mlflow_server.uri) == []


def test_a_server_that_goes_away_after_the_end_gets_it_when_it_is_back(mlflow_server, later, caplog, monkeypatch):
    later(mlflow_server)
    others = set(background._queues)
    recorder = short_run("afterwards away")

    def refuse(*_arguments, **_keywords):
        raise requests.ConnectionError("refused")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(requests.Session, "request", refuse)
        patch.setattr(carrier, "FAREWELL", 0.1)
        afterwards.settle(mlflow_server.uri)
        assert len(journals_of(mlflow_server.uri)) == 1
    monkeypatch.setattr(carrier, "FAREWELL", 60.0)
    for pending in [found for found in set(background._queues) - others if isinstance(found, carrier.Carrier)]:
        pending.farewell()
    assert journals_of(mlflow_server.uri) == []
    client = client_for(mlflow_server.uri)
    assert [found.path for found in client.list_artifacts(recorder.id)] == ["requirements.txt"]
    assert client.get_run(recorder.id).info.status == "FINISHED"
    assert ARGV in client.get_run(recorder.id).data.params
    assert "is not kept" not in caplog.text
