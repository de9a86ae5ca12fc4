"""`offline:DIR` and `sync`: what was logged without a server arrives in another store, each thing once."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing
from pathlib import Path

import filelock
import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, LoggedModelOutput

from rollforward import settings
from rollforward.cli.main import main
from rollforward.errors import SpoolError, StoreRefusedError, StoreUnreachableError, TrackingError
from rollforward.testing import copy_store, release_store
from rollforward.workflow import R
from rollforward.workflow.mlflow_backend.offline import upload as upload_module
from rollforward.workflow.mlflow_backend.offline.source import parents_first
from rollforward.workflow.mlflow_backend.offline.sync import sync
from rollforward.workflow.mlflow_backend.spool import replay
from rollforward.workflow.mlflow_backend.store.address import opened_uri

SOURCE = Path(__file__).resolve().parents[3] / "src"


@pytest.fixture
def folder(template_store, tmp_path):
    """Folder of an offline store; `R` logs to it."""
    place = tmp_path / "logged"
    place.mkdir()
    copy_store(template_store, place / "mlflow.db")
    settings.init(uri=f"offline:{place}", provenance=False, heartbeat=0, spool="off")
    yield place
    release_store(f"offline:{place}")


@pytest.fixture
def target(template_store, tmp_path):
    (tmp_path / "target").mkdir()
    uri = copy_store(template_store, tmp_path / "target" / "mlflow.db")
    yield uri
    release_store(uri)


def points(uri, run_id):
    """All points of a run, as the database has them."""
    with closing(sqlite3.connect(opened_uri(uri).removeprefix("sqlite:///"))) as connection:
        rows = connection.execute(
            "SELECT key, value, timestamp, step, is_nan FROM metrics WHERE run_uuid = ?", (run_id,)
        )
        return sorted(rows)


def everything(uri):
    """All runs of a store by experiment and name, without what every store decides for itself."""
    client = MlflowClient(opened_uri(uri))
    found = {}
    for experiment in client.search_experiments():
        for run in client.search_runs([experiment.experiment_id]):
            tags = {key: value for key, value in run.data.tags.items() if key != "offline_id"}
            files = {}
            root = Path(run.info.artifact_uri.removeprefix("file://"))
            if root.is_dir():
                files = {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
            info = run.info
            found[experiment.name, info.run_name] = (
                (info.status, info.start_time, info.end_time),
                run.data.params,
                {key: value for key, value in tags.items() if key != "mlflow.parentRunId"},
                points(uri, info.run_id),
                files,
            )
    return found


def log_a_bit():
    with R.start(experiment_name="demo", recorder_name="parent"):
        R.log_params(alpha=1, kind="ridge")
        R.set_tags(stage="first")
        for step in range(5):
            R.log_metrics(step=step, loss=1 / (step + 1), nothing=math.nan)
        R.save_objects(**{"a/b.pkl": {"x": 1}, "note.txt": "hello"})
        with R.start(recorder_name="child"):
            R.log_metrics(IC=0.5)
    with pytest.raises(ZeroDivisionError), R.start(experiment_name="other", recorder_name="failed"):
        1 / 0  # noqa: B018


def test_an_offline_store_is_a_store_like_any_other(folder):
    with R.start(experiment_name="demo", recorder_name="run"):
        R.log_metrics(IC=0.5)
        R.save_objects(**{"x.pkl": [1]})
        assert R.get_uri() == f"offline:{folder}"
        assert mlflow.get_tracking_uri() == f"sqlite:///{folder}/mlflow.db"
        mlflow.log_metric("by_mlflow", 1)
        recorder = R.get_recorder()

    assert recorder.list_metrics() == {"IC": 0.5, "by_mlflow": 1.0}
    assert R.get_recorder(experiment_name="demo", recorder_name="run").load_object("x.pkl") == [1]
    assert Path(recorder.get_local_dir()).is_relative_to(folder)
    assert len(R.search_records(["demo"])) == 1


def test_artifacts_of_an_offline_store_lie_beside_it_whatever_the_settings_say(folder, tmp_path):
    settings.init(uri=f"offline:{folder}", artifact_root=tmp_path / "elsewhere", spool="off")
    with R.start(experiment_name="demo"):
        R.log_text("x", "x.txt")
        assert Path(R.get_recorder().get_local_dir()).is_relative_to(folder)


def test_a_relative_offline_store_stays_where_it_was_named(folder, monkeypatch, tmp_path):
    monkeypatch.chdir(folder.parent)
    settings.init(uri=f"offline:{folder.name}", spool="off")
    monkeypatch.chdir("/")
    assert R.get_uri() == f"offline:{folder}"


@pytest.mark.parametrize("uri", ["offline:", "offline:  "])
def test_an_offline_store_needs_a_folder(uri):
    with pytest.raises(StoreRefusedError, match="names no folder"):
        R.exp_manager.checked_uri(uri)


def test_sync_copies_everything(folder, target):
    log_a_bit()

    report = sync(folder, target)

    assert everything(target) == everything(f"offline:{folder}")
    assert report.is_complete
    assert (report.created, report.updated, report.unchanged, report.live) == (3, 0, 0, 0)
    assert (report.experiments, report.points, report.artifacts) == (["other", "demo"], 11, 3)
    client = MlflowClient(target)
    runs = {
        run.info.run_name: run for run in client.search_runs([e.experiment_id for e in client.search_experiments()])
    }
    assert runs["child"].data.tags["mlflow.parentRunId"] == runs["parent"].info.run_id


def test_a_second_sync_sends_nothing(folder, target):
    log_a_bit()
    sync(folder, target)
    before = everything(target)

    report = sync(f"offline:{folder}", target)

    assert (report.created, report.updated, report.unchanged) == (0, 0, 3)
    assert (report.points, report.params, report.tags, report.artifacts) == (0, 0, 0, 0)
    assert everything(target) == before


def test_a_run_that_goes_on_gets_only_what_is_new(folder, target):
    with R.start(experiment_name="demo", recorder_name="live"):
        R.log_metrics(step=0, loss=1)
        R.save_objects(**{"old.pkl": 1})
        R.flush()
        first = sync(folder, target)
        assert first.live == 1
        status = MlflowClient(target).search_runs(["1"])[0].info.status
        R.log_metrics(step=1, loss=2)
        R.set_tags(stage="second")
        R.save_objects(**{"new.pkl": 2})
    second = sync(folder, target)

    assert status == "RUNNING"
    assert (second.created, second.updated, second.points, second.live) == (0, 1, 1, 0)
    assert second.artifacts == 1
    assert everything(target) == everything(f"offline:{folder}")


def test_without_its_notes_a_sync_still_doubles_nothing(folder, target):
    log_a_bit()
    sync(folder, target)
    before = everything(target)
    shutil.rmtree(folder / "uploads")

    report = sync(folder, target)

    assert report.created == 0
    assert everything(target) == before


def test_damaged_notes_are_no_obstacle(folder, target):
    log_a_bit()
    sync(folder, target)
    for path in folder.glob("uploads/*/*.json"):
        path.write_text('{"run_id": 3')
    assert sync(folder, target).is_complete
    assert everything(target) == everything(f"offline:{folder}")


def test_points_are_found_though_something_renumbers_the_rows(folder, target):
    for name in ("first", "second"):
        with R.start(experiment_name="demo", recorder_name=name):
            R.log_metrics(**{f"{name}{i}": i for i in range(10)})
    sync(folder, target)
    release_store(f"offline:{folder}")
    with closing(sqlite3.connect(folder / "mlflow.db", isolation_level=None)) as connection:
        first = connection.execute("SELECT run_uuid FROM runs WHERE name = 'first'").fetchone()
        connection.execute("DELETE FROM latest_metrics WHERE run_uuid = ?", first)
        connection.execute("DELETE FROM metrics WHERE run_uuid = ?", first)
        connection.execute("UPDATE metrics SET rowid = rowid - 10")
    with R.start(experiment_name="demo", recorder_name="second", resume=True):
        R.log_metrics(late=1)
    sync(folder, target)

    assert everything(target)["demo", "second"][3] == everything(f"offline:{folder}")["demo", "second"][3]


def test_a_folder_that_was_moved_is_uploaded_with_its_artifacts(folder, target, tmp_path):
    log_a_bit()
    expected = everything(f"offline:{folder}")
    release_store(f"offline:{folder}")
    moved = folder.rename(tmp_path / "moved")

    report = sync(moved, target)

    assert report.artifacts == 3
    assert everything(target) == expected
    release_store(f"offline:{moved}")


def test_what_is_changed_there_stays_and_what_is_changed_here_follows(folder, target):
    with R.start(experiment_name="demo", recorder_name="run"):
        R.set_tags(here="1", there="1", gone="1")
        run_id = R.get_recorder().id
    sync(folder, target)
    client = MlflowClient(target)
    copy = client.search_runs(["1"])[0].info.run_id
    client.set_tag(copy, "there", "2")
    client.set_tag(copy, "note", "mine")
    with R.start(experiment_name="demo", recorder_id=run_id, resume=True):
        R.set_tags(here="2")
        R.get_recorder().delete_tags("gone")
        R.get_recorder().set_recorder_name("renamed")
    sync(folder, target)

    run = client.get_run(copy)
    assert {key: run.data.tags.get(key) for key in ("here", "there", "gone", "note")} == {
        "here": "2",
        "there": "2",
        "gone": None,
        "note": "mine",
    }
    assert run.info.run_name == "renamed"


def test_a_run_that_is_deleted_there_stays_deleted(folder, target):
    log_a_bit()
    sync(folder, target)
    client = MlflowClient(target)
    child = next(run for run in client.search_runs(["1", "2"]) if run.info.run_name == "child")
    client.delete_run(child.info.run_id)
    with R.start(experiment_name="demo", recorder_name="child", resume=True):
        R.log_metrics(late=1)

    report = sync(folder, target)

    assert report.is_complete
    assert ("demo", "child") not in everything(target)


def test_a_param_that_differs_there_is_named_and_the_rest_arrives(folder, target):
    with R.start(experiment_name="demo", recorder_name="run"):
        R.log_params(a=1)
        R.flush()
        sync(folder, target)
        MlflowClient(target).log_param(MlflowClient(target).search_runs(["1"])[0].info.run_id, "b", "theirs")
        R.log_params(b="ours", c=3)
    report = sync(folder, target)

    assert report.refused == ["param 'b' is 'theirs' there, and 'ours' here"]
    assert everything(target)["demo", "run"][1] == {"a": "1", "b": "theirs", "c": "3"}


def test_a_run_is_found_by_the_id_it_had(folder, target):
    log_a_bit()
    offline = R.get_recorder(experiment_name="demo", recorder_name="parent")
    sync(folder, target)
    settings.init(uri=target, spool="off")

    found = R.get_recorder(recorder_id=offline.id)

    assert found.id != offline.id
    assert found.name == "parent"
    assert found.load_object("a/b.pkl") == {"x": 1}
    assert R.get_recorder(recorder_id=offline.id, experiment_name="demo").id == found.id
    with pytest.raises(LookupError):
        R.get_recorder(recorder_id="0" * 32)


def test_an_experiment_in_the_trash_is_left_and_the_others_are_uploaded(folder, target):
    log_a_bit()
    client = MlflowClient(target)
    client.delete_experiment(client.create_experiment("other"))

    report = sync(folder, target)

    assert list(report.left) == ["experiment 'other'"]
    assert "trash" in report.left["experiment 'other'"]
    assert set(everything(target)) == {("demo", "parent"), ("demo", "child")}
    client.restore_experiment(client.get_experiment_by_name("other").experiment_id)
    assert sync(folder, target).is_complete
    assert everything(target) == everything(f"offline:{folder}")


def test_two_at_once_exclude_each_other(folder, target):
    log_a_bit()
    with filelock.FileLock(folder / "upload.lock"), pytest.raises(TrackingError, match="Another process"):
        sync(folder, target)
    assert sync(folder, target).created == 3


@pytest.mark.parametrize("source", ["nowhere", "offline:nowhere", "sqlite:///nowhere.db", "http://localhost:1"])
def test_what_is_no_local_store_is_refused(source, target):
    with pytest.raises(StoreRefusedError):
        sync(source, target)


def test_a_store_is_not_uploaded_to_itself(folder):
    with pytest.raises(StoreRefusedError, match="itself"):
        sync(folder, f"sqlite:///{folder}/mlflow.db")


def test_a_target_that_does_not_answer_is_an_error_and_nothing_is_noted(folder):
    log_a_bit()
    with pytest.raises(StoreUnreachableError):
        sync(folder, "http://127.0.0.1:9")
    assert not (folder / "uploads").exists()


def test_a_target_that_goes_away_is_reported_with_what_is_left(folder, target, monkeypatch):
    log_a_bit()
    real, calls = upload_module.RunUpload.upload, []

    def upload(self):
        calls.append(self)
        if len(calls) == 2:
            raise StoreUnreachableError("gone")
        real(self)

    with monkeypatch.context() as patch:
        patch.setattr(upload_module.RunUpload, "upload", upload)
        report = sync(folder, target)
    assert len(report.left) == 2
    assert set(report.left.values()) == {"gone"}

    assert sync(folder, target).is_complete
    assert everything(target) == everything(f"offline:{folder}")


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs kill -9")
@pytest.mark.parametrize("moment", ["_send_artifacts"])
def test_a_sync_that_is_killed_goes_on_where_it_was(folder, target, moment):
    log_a_bit()
    program = f"""
        import os, signal
        from rollforward.workflow.mlflow_backend.offline import upload
        from rollforward.workflow.mlflow_backend.offline.sync import sync
        calls = []
        real = upload.RunUpload.{moment}
        def fatal(self):
            calls.append(self)
            if len(calls) == 2:
                os.kill(os.getpid(), signal.SIGKILL)
            real(self)
        upload.RunUpload.{moment} = fatal
        sync({str(folder)!r}, {target!r})
    """
    environment = os.environ | {"PYTHONPATH": str(SOURCE)}
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], env=environment, check=False)
    assert done.returncode == -signal.SIGKILL
    assert everything(target) != everything(f"offline:{folder}")

    report = sync(folder, target)

    assert report.is_complete
    assert report.created <= 2
    assert everything(target) == everything(f"offline:{folder}")


def test_parents_come_before_their_children():
    class Run:
        def __init__(self, run_id, parent=None):
            self.info = type("Info", (), {"run_id": run_id})
            self.data = type("Data", (), {"tags": {"mlflow.parentRunId": parent} if parent else {}})

    runs = [Run("c", "b"), Run("x", "y"), Run("y", "x"), Run("b", "a"), Run("a"), Run("d", "unknown")]
    assert [run.info.run_id for run in parents_first(runs)] == ["a", "b", "c", "y", "x", "d"]


def test_models_and_data_sets_arrive_too(folder, target, tmp_path):
    here = MlflowClient(opened_uri(f"offline:{folder}"))
    (tmp_path / "line").mkdir()
    (tmp_path / "line" / "MLmodel").write_text("flavors: {}")
    with R.start(experiment_name="demo", recorder_name="run"):
        run_id, home = R.get_recorder().id, R.get_exp().id
        model = here.create_logged_model(home, name="line", source_run_id=run_id, tags={"kind": "x"}, params={"a": "1"})
        here.log_model_artifacts(model.model_id, str(tmp_path / "line"))
        here.finalize_logged_model(model.model_id, "READY")
        here.log_outputs(run_id, [LoggedModelOutput(model.model_id, 3)])
        here.create_logged_model(home, name="unfinished", source_run_id=run_id)
        here.log_inputs(run_id, [DatasetInput(Dataset("prices", "d1", "local", "prices.csv"))])
        here.log_inputs(run_id, [DatasetInput(Dataset("same prices", "d1", "local", "prices.csv"))])
    report = sync(folder, target)
    assert report.models == 1
    shutil.rmtree(folder / "uploads")
    assert sync(folder, target).created == 0

    client = MlflowClient(target)
    (run,) = client.search_runs(["1"])
    assert sorted(item.dataset.name for item in run.inputs.dataset_inputs) == ["prices", "same prices"]
    (copy,) = client.search_logged_models(["1"])
    assert (copy.name, copy.source_run_id, copy.status, copy.params) == ("line", run.info.run_id, "READY", {"a": "1"})
    assert [(item.model_id, item.step) for item in run.outputs.model_outputs] == [(copy.model_id, 3)]
    assert (Path(copy.artifact_location.removeprefix("file://")) / "MLmodel").read_text() == "flavors: {}"


def test_a_journal_that_vanishes_while_they_are_listed_hides_no_other(tmp_path, monkeypatch):
    monkeypatch.setattr(replay, "store_folder", lambda _uri: tmp_path)
    (tmp_path / "b.2.jsonl").write_text("")
    (tmp_path / "a.1.jsonl").symlink_to(tmp_path / "gone")
    assert replay.journals_of("http://127.0.0.1:9") == [tmp_path / "b.2.jsonl"]


def test_a_stand_in_that_cannot_be_written_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    settings.init(uri="http://127.0.0.1:9", spool_dir=tmp_path / "file" / "spool")
    with pytest.raises(SpoolError, match="does not answer, and runs cannot be kept") as caught, R.start():
        pass
    assert "init(spool_dir=...)" in caught.value.remedy


# -- the command --------------------------------------------------------------


def test_the_command_uploads_a_folder(folder, target, capsys):
    log_a_bit()
    assert main(["sync", str(folder), "--uri", target]) == 0
    assert "3 new" in capsys.readouterr().out
    assert everything(target) == everything(f"offline:{folder}")

    assert main(["sync", str(folder), "--uri", target, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["complete"] is True
    assert report["runs"]["unchanged"] == 3


def test_the_command_says_what_is_left(folder, target, capsys):
    log_a_bit()
    client = MlflowClient(target)
    client.delete_experiment(client.create_experiment("other"))
    assert main(["sync", f"offline:{folder}", "--uri", target]) == 1
    assert "left: experiment 'other'" in capsys.readouterr().out


def test_the_command_says_that_the_store_is_away(folder, capsys):
    assert main(["sync", str(folder), "--uri", "http://127.0.0.1:9"]) == 1
    assert "does not answer" in capsys.readouterr().err
    assert main(["sync", str(folder), "--uri", "http://127.0.0.1:9", "--json"]) == 1
    assert "does not answer" in json.loads(capsys.readouterr().out)["error"]


def test_the_command_asks_where_to_when_the_store_itself_is_offline(folder, capsys):
    assert main(["sync"]) == 1
    assert f"rollforward sync {folder} --uri" in capsys.readouterr().err


def test_with_nothing_waiting_the_command_has_nothing_to_do(target, capsys, tmp_path):
    settings.init(uri=target, spool_dir=tmp_path / "spool")
    assert main(["sync"]) == 0
    assert capsys.readouterr().out == f"Nothing waits for {target}.\n"


def test_a_folder_is_not_uploaded_into_a_store_that_nobody_named(folder, capsys, tmp_path, monkeypatch):
    log_a_bit()
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    settings.reset()
    assert main(["sync", str(folder)]) == 2
    assert "--uri" in capsys.readouterr().err
    assert not any(empty.iterdir())

    (empty / "rollforward.toml").write_text('uri = "sqlite:///mine.db"\n')
    settings.reset()
    assert main(["sync", str(folder)]) == 0
    assert "3 new" in capsys.readouterr().out
    release_store(f"sqlite:///{empty}/mine.db")
