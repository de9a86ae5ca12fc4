"""``rollforward doctor``: each ailment is made, found, and cured where that can be done."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from importlib import metadata

import pandas as pd
import pytest

from rollforward import settings
from rollforward.cli.main import main
from rollforward.testing import release_store
from rollforward.workflow.mlflow_backend.alive.heartbeat import HEARTBEAT, OWNER
from rollforward.workflow.mlflow_backend.store.client import client_for
from rollforward.workflow.mlflow_backend.store.database import uses_wal


@pytest.fixture(autouse=True)
def _own_spool(tmp_path, monkeypatch):
    monkeypatch.setenv("ROLLFORWARD_SPOOL_DIR", str(tmp_path / "spool"))


@pytest.fixture
def examine(capsys):
    """Run the doctor; returns the exit code and the findings by what was looked at."""

    def run(*arguments):
        code = main(["doctor", "--json", *arguments])
        found = {}
        for finding in json.loads(capsys.readouterr().out):
            found.setdefault(finding["check"], []).append(finding)
        return code, found

    return run


def levels(found):
    return {check: max(item["level"] for item in items) for check, items in found.items()}


def change(path, statement, *values):
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement, values)


def version_in(path):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT version_num FROM alembic_version").fetchone()[0]


def test_a_store_that_is_well(tracking_uri, examine):
    code, found = examine("--uri", tracking_uri)
    assert code == 0
    assert set(levels(found).values()) == {"ok"}
    assert set(found) == {"packages", "folders", "store", "tables", "sharing", "runs", "spool"}


def test_the_store_of_this_directory_is_looked_at_and_not_created(examine, tmp_path):
    code, found = examine()
    assert code == 0
    assert f"{tmp_path}/mlflow.db does not exist yet" in found["store"][0]["says"]
    assert not (tmp_path / "mlflow.db").exists()


def test_the_text_says_what_to_do(tracking_uri, tmp_path, capsys):
    change(tmp_path / "mlflow.db", "UPDATE alembic_version SET version_num = 'f00f00f00f00'")
    assert main(["doctor", "--uri", tracking_uri]) == 1
    out = capsys.readouterr().out
    assert "BAD   tables" in out
    assert "-> pip install --upgrade mlflow" in out


def test_tables_of_an_older_mlflow_are_named_and_left_as_they_are(tracking_uri, tmp_path, examine):
    """Opening them would migrate them, and lock out whoever still has the older version."""
    from alembic.script import ScriptDirectory
    from mlflow.store.db import utils

    script = ScriptDirectory.from_config(utils._get_alembic_config(db_url=""))
    older = script.get_revision(script.get_heads()[0]).down_revision
    change(tmp_path / "mlflow.db", "UPDATE alembic_version SET version_num = ?", older)
    code, found = examine("--uri", tracking_uri, "--fix")
    # Runs are refused until then.
    assert (code, levels(found)["tables"]) == (1, "problem")
    assert f"mlflow db upgrade '{tracking_uri}'" in found["tables"][0]["remedy"]
    assert version_in(tmp_path / "mlflow.db") == older


def test_a_file_that_is_something_else(tmp_path, examine):
    (tmp_path / "mlflow.db").write_text("notes\n" * 1000)
    code, found = examine("--uri", f"sqlite:///{tmp_path}/mlflow.db")
    assert (code, levels(found)["writable"]) == (1, "problem")
    assert "backup" in found["writable"][0]["remedy"]
    with closing(sqlite3.connect(tmp_path / "other.db")) as connection, connection:
        connection.execute("CREATE TABLE a (b)")
    code, found = examine("--uri", f"sqlite:///{tmp_path}/other.db")
    assert (code, found["tables"][0]["says"]) == (1, "The database has no tables of MLflow.")


def test_a_damaged_file(tracking_uri, tmp_path, examine):
    path = tmp_path / "mlflow.db"
    change(path, "CREATE TABLE victim (a TEXT)")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executemany("INSERT INTO victim VALUES (?)", [("x" * 3000,)] * 20)
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'victim'").fetchone()
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xff" * 4096)
    code, found = examine("--uri", tracking_uri)
    assert code == 1
    assert "is damaged" in found["whole"][0]["says"]


def test_the_write_ahead_log_is_offered_and_switched_on(tracking_uri, tmp_path, examine):
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    code, found = examine("--uri", tracking_uri)
    assert (code, found["sharing"][0]["level"], found["sharing"][0]["can_fix"]) == (0, "note", True)
    _, found = examine("--uri", tracking_uri, "--fix")
    assert found["sharing"][0]["level"] == "ok"
    assert uses_wal(tmp_path / "mlflow.db")


def test_a_run_whose_process_is_gone_is_found_and_marked(tracking_uri, examine):
    client = client_for(tracking_uri)
    sign = {OWNER: "elsewhere/1/x.y.1", HEARTBEAT: "2024-05-06T07:08:09.000+00:00 every 30 s"}
    run = client.create_run("0", run_name="lost", tags=sign)
    code, found = examine("--uri", tracking_uri)
    assert (code, found["runs"][0]["can_fix"]) == (1, True)
    assert f"lost ({run.info.run_id})" in found["runs"][0]["says"]
    assert client.get_run(run.info.run_id).info.status == "RUNNING"

    code, found = examine("--uri", tracking_uri, "--fix")
    assert (code, levels(found)["runs"]) == (0, "ok")
    assert client.get_run(run.info.run_id).info.status == "KILLED"
    code, found = examine("--uri", tracking_uri)
    assert found["runs"][0]["says"].startswith("No run")
    release_store(tracking_uri)


def test_what_waits_for_a_store_is_named(tracking_uri, template_store, examine):
    from rollforward.workflow.spool_dir import store_folder

    waiting = store_folder("http://127.0.0.1:1") / "stand-in"
    waiting.mkdir(parents=True)
    shutil.copyfile(template_store, waiting / "mlflow.db")
    code, found = examine("--uri", "http://127.0.0.1:1")
    assert code == 1
    assert found["server"][0]["says"] == "http://127.0.0.1:1 does not answer."
    assert (found["spool"][0]["level"], found["spool"][0]["can_fix"]) == ("note", True)
    assert "rollforward sync" in found["spool"][0]["remedy"]


@pytest.mark.parametrize(
    ("days", "level"), [(-1, "problem"), (5, "note"), (100, "ok")], ids=["over", "nearly over", "long"]
)
def test_how_far_the_calendar_goes(days, level, examine, tmp_path):
    last = pd.Timestamp.today().normalize() + pd.Timedelta(days=days)
    settings.init(uri=f"sqlite:///{tmp_path}/mlflow.db", calendar=pd.date_range(end=last, periods=10))
    code, found = examine()
    assert (code, levels(found)["calendar"]) == (int(level == "problem"), level)
    assert f"{last:%Y-%m-%d}" in found["calendar"][0]["says"]


def test_packages_that_do_not_fit(examine, monkeypatch):
    real = metadata.version
    wrong = {"mlflow-skinny": "3.1.0", "pandas": "1.5.0"}
    monkeypatch.setattr(metadata, "version", lambda name: wrong.get(name) or real(name))
    monkeypatch.setattr(metadata, "requires", lambda _: ["pandas>=2.2.2", "not-there>=1", "mongo ; extra == 'mongo'"])
    code, found = examine()
    problems = [finding["says"] for finding in found["packages"] if finding["level"] == "problem"]
    assert code == 1
    assert problems[:2] == ["pandas is 1.5.0, which rollforward does not support.", "not-there is not installed."]
    assert "its part mlflow-skinny is 3.1.0" in problems[2]


@pytest.fixture
def file_store(tmp_path, monkeypatch):
    """A store of files with one run, in ``mlruns``."""
    from mlflow import MlflowClient

    folder = tmp_path / "mlruns"
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    client = MlflowClient(folder.as_uri())
    run = client.create_run("0", run_name="old")
    client.log_metric(run.info.run_id, "ic", 0.5)
    client.log_text(run.info.run_id, "kept", "a.txt")
    client.set_terminated(run.info.run_id)
    monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE")
    return folder


@pytest.mark.filterwarnings("ignore:.*filesystem tracking backend:FutureWarning")
def test_a_store_of_files_is_offered_the_exact_command_and_copied(file_store, tmp_path, examine):
    # A database of that name would be replaced by MLflow's command.
    (tmp_path / "mlflow.db").write_text("another one")
    code, found = examine("--uri", f"file:{file_store}")
    (finding,) = found["store"]
    target = f"sqlite:///{tmp_path}/mlruns.db"
    assert (code, finding["can_fix"]) == (1, True)
    assert finding["remedy"].startswith(f"mlflow migrate-filestore --source '{file_store}' --target '{target}'")

    code, found = examine("--uri", str(file_store), "--fix")
    assert code == 0
    assert f"init(uri='{target}')" in found["store"][0]["remedy"]
    assert (tmp_path / "mlflow.db").read_text() == "another one"
    settings.init(uri=target)
    from rollforward.workflow import R

    recorder = R.get_recorder(experiment_name="Default", recorder_name="old")
    assert recorder.metrics == {"ic": 0.5}
    assert recorder.load_object("a.txt") == "kept"
    settings.reset()
    release_store(target)


@pytest.mark.filterwarnings("ignore:.*filesystem tracking backend:FutureWarning")
def test_a_forgotten_store_of_files_beside_the_database_is_named(file_store, tracking_uri, examine):
    code, found = examine("--uri", tracking_uri)
    assert (code, found["store"][-1]["level"]) == (0, "note")
    assert str(file_store) in found["store"][-1]["remedy"]


def test_an_empty_folder_is_no_store(tmp_path, examine):
    (tmp_path / "runs").mkdir()
    code, found = examine("--uri", f"file:{tmp_path}/runs")
    assert (code, found["store"][0]["can_fix"]) == (1, False)


def test_an_offline_store_is_a_database(tmp_path, examine):
    code, found = examine("--uri", f"offline:{tmp_path}/runs")
    assert code == 0
    assert "does not exist yet" in found["store"][0]["says"]


def test_a_database_server_that_is_away(examine):
    pytest.importorskip("sqlalchemy")
    pytest.importorskip("psycopg2")
    code, found = examine("--uri", "postgresql+psycopg2://me:secret@127.0.0.1:1/x")
    assert code == 1
    assert "does not answer" in found["store"][0]["says"]
    assert "secret" not in found["store"][0]["says"]
