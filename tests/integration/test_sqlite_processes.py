"""Many processes on one SQLite file, and files that cannot be opened."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from rollforward import settings
from rollforward.errors import StoreUnreachableError, TrackingError
from rollforward.testing import create_store, release_store
from rollforward.workflow.mlflow_backend.store import database
from rollforward.workflow.mlflow_backend.store.client import client_for, is_reachable
from rollforward.workflow.mlflow_backend.store.database import use_wal, uses_wal

SOURCE = Path(__file__).resolve().parents[2] / "src"

# MLflow is imported once and nothing is opened before the fork, so that all really come at the same moment.
CROWD = """
import os, sys, threading
import rollforward.workflow.mlflow_backend
from rollforward import settings
from rollforward.workflow import R

read, write = os.pipe()
children = []
for n in range(8):
    pid = os.fork()
    if pid == 0:
        os.close(write)
        os.read(read, 1)
        with R.start(experiment_name="crowd", recorder_name=str(n)):
            for step in range(30):
                R.log_metrics(step=step, a=float(n), b=float(step))
        sys.exit(0)
    children.append(pid)
os.close(write)
codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
sys.exit(max(map(abs, codes)))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_eight_processes_meet_at_a_new_file_and_write_thirty_times_each(tmp_path):
    database_path = tmp_path / "new" / "mlflow.db"
    variables = {"PYTHONPATH": str(SOURCE), "ROLLFORWARD_URI": f"sqlite:///{database_path}"}
    # Each call writes before it returns: 240 transactions, against each other.
    variables |= {"ROLLFORWARD_ASYNC_LOG": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    done = subprocess.run(
        [sys.executable, "-c", CROWD],
        cwd=tmp_path,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    with closing(sqlite3.connect(database_path)) as connection:
        assert connection.execute("SELECT count(*), count(DISTINCT run_uuid) FROM metrics").fetchone() == (480, 8)
        assert connection.execute("SELECT status, count(*) FROM runs GROUP BY status").fetchall() == [("FINISHED", 8)]
        assert connection.execute("SELECT count(*) FROM experiments WHERE name = 'crowd'").fetchone() == (1,)
    assert uses_wal(database_path)
    # Closed, it is one file again, which can be copied.
    assert sorted(path.name for path in database_path.parent.glob("mlflow.db*")) == ["mlflow.db", "mlflow.db.lock"]


def test_a_store_that_exists_is_left_as_it_is(template_store, tmp_path):
    path = tmp_path / "mlflow.db"
    path.write_bytes(template_store.read_bytes())
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    client_for(f"sqlite:///{path}")
    release_store(f"sqlite:///{path}")
    assert not uses_wal(path)
    assert use_wal(path)
    assert uses_wal(path)


def test_no_write_ahead_log_on_a_network_file_system(tmp_path, monkeypatch):
    monkeypatch.setattr(database, "is_on_network", lambda path: True)
    assert not use_wal(tmp_path / "new.db")
    uri = create_store(tmp_path / "mlflow.db")
    assert not uses_wal(tmp_path / "mlflow.db")
    assert client_for(uri).search_experiments()[0].name == "Default"
    release_store(uri)


@pytest.mark.parametrize(
    ("mounts", "expected"),
    [
        ("/dev/sda1 / ext4 rw 0 0", False),
        ("/dev/sda1 / ext4 rw 0 0\nfiler:/x {folder} nfs4 rw 0 0", True),
        ("filer:/ / nfs rw 0 0\n/dev/sda1 {folder} xfs rw 0 0", False),
        ("host /else cifs rw 0 0\n/dev/sda1 / ext4 rw 0 0", False),
    ],
)
def test_the_nearest_mount_says_whether_a_file_is_on_the_network(mounts, expected, tmp_path, monkeypatch):
    text = mounts.format(folder=tmp_path)
    monkeypatch.setattr(Path, "read_text", lambda self, **_: text)
    assert database.is_on_network(tmp_path / "sub" / "mlflow.db") is expected


def test_a_process_that_died_while_it_created_the_tables_leaves_a_store_that_can_be_opened(tmp_path):
    """Its tables are there, MLflow's own experiment is not."""
    uri = create_store(tmp_path / "mlflow.db")
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as connection, connection:
        connection.execute("DELETE FROM experiments")
    (default,) = client_for(uri).search_experiments()
    assert default.artifact_location == (tmp_path / "mlruns" / "0").as_uri()
    release_store(uri)


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
@pytest.mark.parametrize("path", ["/proc/x", "/proc/1/x.db", "/proc/new/x.db", "/dev/null/x.db"])
def test_where_no_file_can_be_made_is_an_error_at_once(path):
    with pytest.raises(TrackingError, match="cannot be created"):
        client_for(f"sqlite:///{path}")


def test_a_file_that_is_no_database(tmp_path):
    (tmp_path / "mlflow.db").write_text("notes\n" * 1000)
    with pytest.raises(TrackingError, match="is no SQLite database") as caught:
        client_for(f"sqlite:///{tmp_path}/mlflow.db")
    assert "Check the address" in caught.value.remedy
    assert not is_reachable(f"sqlite:///{tmp_path}/mlflow.db")


def test_a_lock_that_another_process_keeps_is_an_error_after_a_while(template_store, tmp_path, monkeypatch):
    import filelock

    monkeypatch.setattr(database, "LOCK_PATIENCE", 0.1)
    with (
        filelock.FileLock(tmp_path / "mlflow.db.lock"),
        pytest.raises(StoreUnreachableError, match="Another process has been opening") as caught,
    ):
        client_for(f"sqlite:///{tmp_path}/mlflow.db")
    assert "mlflow.db.lock" in caught.value.remedy


def test_a_store_that_someone_writes_to_is_reachable_and_one_nobody_may_write_to_is_not(tracking_uri, tmp_path):
    with closing(sqlite3.connect(tmp_path / "mlflow.db", isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        assert is_reachable(tracking_uri, timeout=0.1)
        connection.rollback()
    assert is_reachable(f"sqlite:///{tmp_path}/not/yet/there.db")
    assert is_reachable(f"offline:{tmp_path}/runs")
    assert not (tmp_path / "not").exists()
    (tmp_path / "folder.db").mkdir()
    assert not is_reachable(f"sqlite:///{tmp_path}/folder.db")


def test_looking_whether_a_store_is_reachable_does_not_drop_the_locks_of_this_process(tracking_uri, tmp_path):
    """POSIX gives up all locks of a process when it closes any handle of the file; SQLite knows, others do not."""
    with closing(sqlite3.connect(tmp_path / "mlflow.db", isolation_level=None)) as ours:
        # With a write-ahead log, the locks are on another file.
        ours.execute("PRAGMA journal_mode = DELETE")
        ours.execute("BEGIN IMMEDIATE")
        is_reachable(tracking_uri, timeout=0.1)
        intruder = (
            f"import sqlite3; sqlite3.connect({str(tmp_path / 'mlflow.db')!r}, timeout=0).execute('BEGIN IMMEDIATE')"
        )
        done = subprocess.run([sys.executable, "-c", intruder], capture_output=True, text=True, check=False)
        assert "database is locked" in done.stderr
        ours.rollback()


def test_a_newer_store_says_what_to_upgrade(template_store, tmp_path):
    from rollforward.errors import StoreRefusedError

    path = tmp_path / "mlflow.db"
    path.write_bytes(template_store.read_bytes())
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'f00f00f00f00'")
    with pytest.raises(StoreRefusedError, match="newer MLflow") as caught:
        client_for(f"sqlite:///{path}")
    assert caught.value.remedy == "pip install --upgrade mlflow"
    release_store(f"sqlite:///{path}")


def test_threads_may_read_while_one_writes(recording):
    """Without a write-ahead log a reader would wait for the writer."""
    uri = settings.current().uri
    with closing(sqlite3.connect(uri.removeprefix("sqlite:///"), isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("UPDATE experiments SET name = name")
        found = []
        reader = threading.Thread(target=lambda: found.append(list(recording.list_experiments())))
        reader.start()
        reader.join()
        writer.rollback()
    assert found == [["Default"]]
