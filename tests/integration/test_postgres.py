"""A real PostgreSQL server as the store."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rollforward import settings
from rollforward.cli.main import main
from rollforward.errors import MissingDependencyError, StoreUnreachableError, TrackingError
from rollforward.testing import release_store
from rollforward.workflow import R
from rollforward.workflow.mlflow_backend.store.client import client_for, is_reachable

# The engine of a store that is given up keeps its connections until it is collected.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")

SOURCE = Path(__file__).resolve().parents[2] / "src"
CROWD = """
import os, sys
import rollforward.workflow.mlflow_backend
from rollforward.workflow import R

read, write = os.pipe()
children = []
for n in range(4):
    pid = os.fork()
    if pid == 0:
        os.close(write)
        os.read(read, 1)
        with R.start(experiment_name="crowd"):
            for step in range(20):
                R.log_metrics(step=step, a=float(n))
        sys.exit(0)
    children.append(pid)
os.close(write)
sys.exit(max(abs(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])) for pid in children))
"""


@pytest.fixture(scope="module")
def store(postgres, tmp_path_factory):
    """The database, after four processes met there while it was empty."""
    environment = os.environ | {"PYTHONPATH": str(SOURCE), "ROLLFORWARD_URI": postgres}
    done = subprocess.run(
        [sys.executable, "-c", CROWD],
        cwd=tmp_path_factory.mktemp("postgres"),
        env=environment | {"ROLLFORWARD_ARTIFACT_ROOT": "artifacts"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return postgres


@pytest.fixture
def recording_there(store, tmp_path):
    settings.init(uri=store, artifact_root=str(tmp_path / "artifacts"))
    yield R
    release_store(store)


def test_processes_that_meet_at_an_empty_database_all_get_in(recording_there):
    recorders = recording_there.list_recorders(experiment_name="crowd", rtype="list")
    assert sorted(recorder.metrics["a"] for recorder in recorders) == [0.0, 1.0, 2.0, 3.0]
    assert {recorder.status for recorder in recorders} == {"FINISHED"}


def test_a_run_with_all_it_may_have(recording_there):
    with recording_there.start(experiment_name="demo", recorder_name="first"):
        recording_there.log_params(depth=3, text="ä" * 7000)
        recording_there.set_tags(kind="test")
        for step in range(3):
            recording_there.log_metrics(step=step, ic=step / 10, nan=float("nan"))
        recording_there.save_objects(**{"a/b.pkl": [1, 2]})
    recorder = recording_there.get_recorder(experiment_name="demo", recorder_name="first")
    assert (recorder.params["depth"], recorder.tags["kind"], recorder.metrics["ic"]) == ("3", "test", 0.2)
    assert recorder.load_object("a/b.pkl") == [1, 2]
    frame = recording_there.search_records(filter_string="metrics.ic > 0.1")
    assert frame["run_id"].tolist() == [recorder.id]
    assert recorder.status == "FINISHED"


def test_a_run_that_fails_and_one_that_is_found_by_status(recording_there):
    with pytest.raises(ValueError, match="broken"), recording_there.start(experiment_name="failing"):
        raise ValueError("broken")
    assert len(recording_there.list_recorders(experiment_name="failing", status="FAILED")) == 1
    assert recording_there.list_recorders(experiment_name="failing", status="FINISHED") == {}


def test_what_cannot_work_fails_at_once(store):
    begin = time.monotonic()
    with pytest.raises(TrackingError, match="does not exist") as caught:
        client_for(store + "-of-nobody")
    assert not isinstance(caught.value, StoreUnreachableError)
    nowhere = "postgresql+psycopg2://tester:secret@127.0.0.1:1/tracking"
    assert not is_reachable(nowhere)
    assert is_reachable(store)
    with pytest.raises(StoreUnreachableError, match="does not answer") as caught:
        client_for(nowhere)
    assert "secret" not in str(caught.value)
    # MLflow itself tries for a minute and a half.
    assert time.monotonic() - begin < 60


@pytest.mark.skipif(importlib.util.find_spec("psycopg") is not None, reason="the driver is installed")
def test_a_driver_that_is_not_installed_is_named_with_the_package_that_has_it(store):
    with pytest.raises(MissingDependencyError) as caught:
        client_for(store.replace("psycopg2", "psycopg"))
    assert caught.value.remedy == "pip install 'psycopg[binary]'"


def test_the_doctor_finds_a_database_well(store, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("ROLLFORWARD_SPOOL_DIR", str(tmp_path / "spool"))
    assert main(["doctor", "--uri", store, "--json"]) == 0
    found = {item["check"]: item["level"] for item in json.loads(capsys.readouterr().out)}
    assert {found[name] for name in ("store", "tables", "clock", "runs", "spool")} == {"ok"}
    release_store(store)
