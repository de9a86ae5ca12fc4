"""``rollforward doctor`` and what it says of task pools, on both stores; of ledgers; and of folders."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from rollforward import settings
from rollforward.cli.main import main
from rollforward.workflow import R
from rollforward.workflow.mlflow_backend.doctor import machine
from rollforward.workflow.task.manage import TaskManager
from rollforward.workflow.task.pulse import Presence
from rollforward.workflow.task.store.base import Owner


@pytest.fixture
def examine(capsys, tracking_uri):
    """Run the doctor; gives the exit code, and the level, text and remedy of what it says of one thing."""

    def run(check, *arguments):
        code = main(["doctor", "--json", "--uri", tracking_uri, *map(str, arguments)])
        found = [item for item in json.loads(capsys.readouterr().out) if item["check"] == check]
        return code, [(item["level"], item["says"], item["remedy"]) for item in found]

    return run


def test_a_pool_that_is_well(task_store, examine):
    pool = TaskManager("rolling")
    pool.create_task([{"n": 1}])
    pool.claim().commit(1)
    code, found = examine("pool")
    assert code == 0
    assert [level for level, _, _ in found] == ["ok", "ok"]
    assert "answers" in found[0][1]
    assert found[1][1] == "'rolling': 1 task, 0 workers alive."


def test_tasks_that_wait_for_nobody_and_tasks_that_failed(task_store, examine):
    pool = TaskManager("rolling")
    pool.create_task([{"n": i} for i in range(3)])
    pool.claim().fail("no luck", retry=False)
    code, found = examine("pool")
    assert code == 0
    assert (
        "note",
        "'rolling': 2 tasks wait, and no worker is alive.",
        "Start one: rollforward worker rolling",
    ) in found
    assert any(says == "'rolling': 1 task failed." and "pool retry rolling" in remedy for _, says, remedy in found)


def test_a_task_whose_worker_is_gone(task_store, examine):
    pool = TaskManager("rolling")
    pool.create_task([{"n": 1}])
    claim = pool.claim(lease=0.05)
    time.sleep(0.1)
    _, found = examine("pool")
    assert "'rolling': the workers of 1 task are gone, and their leases have passed." in [says for _, says, _ in found]
    assert claim is not None


def test_a_worker_that_is_alive(task_store, examine):
    pool = TaskManager("rolling")
    pool.create_task([{"n": 1}])
    with Presence(pool.store, Owner("host-1", "host", 1)).beating():
        _, found = examine("pool")
    assert [says for level, says, _ in found if level != "ok"] == []


def test_clocks_that_are_apart(task_store, examine, monkeypatch):
    TaskManager("rolling").create_task([{"n": 1}])
    kind = type(TaskManager("rolling").store)
    monkeypatch.setattr(kind, "now", lambda _: datetime.now(UTC) + timedelta(seconds=90))
    code, found = examine("pool")
    assert code == 1
    assert any("clock is 90 s away" in says for _, says, _ in found)


def test_without_a_pool_there_is_nothing_to_say(examine, tmp_path):
    assert examine("pool") == (0, [])
    code, found = examine("pool", "--pool", "sqlite:///none.db")
    assert (code, found[0][0]) == (1, "problem")
    assert not (tmp_path / "none.db").exists()


def test_files_that_are_no_task_store(examine, tmp_path, tracking_uri):
    before = (tmp_path / "mlflow.db").read_bytes()
    assert examine("pool", "--pool", "mlflow.db")[1][0][1].endswith("is a database, and no task store.")
    assert (tmp_path / "mlflow.db").read_bytes() == before
    (tmp_path / "text.db").write_text("notes\n" * 1000)
    assert "is no task store" in examine("pool", "--pool", "text.db")[1][0][1]
    assert examine("pool", "--pool", "http://host")[0] == 1


def test_an_index_that_is_gone(examine, tmp_path):
    TaskManager("rolling", tmp_path / "tasks.db").create_task([{"n": 1}])
    with closing(sqlite3.connect(tmp_path / "tasks.db")) as db, db:
        db.execute("DROP INDEX task_queue")
    code, found = examine("pool", "--pool", "tasks.db")
    assert code == 1
    assert "task_queue" in found[0][1]


def test_a_server_that_does_not_answer(examine, monkeypatch):
    pytest.importorskip("pymongo")
    monkeypatch.setattr("rollforward.workflow.examination.pools._PATIENCE", 0.2)
    code, found = examine("pool", "--pool", "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=200")
    assert (code, found[0][0]) == (1, "problem")
    assert "did not answer" in found[0][1]


@pytest.mark.skipif(os.name != "posix" or os.getuid() == 0, reason="root may write everywhere")
def test_a_task_store_that_cannot_be_written(examine, tmp_path):
    TaskManager("rolling", tmp_path / "tasks.db").create_task([{"n": 1}])
    (tmp_path / "tasks.db").chmod(0o400)
    assert examine("pool", "--pool", "tasks.db")[0] == 1


def test_folders_that_cannot_be_written(examine, monkeypatch, tmp_path):
    monkeypatch.setenv("ROLLFORWARD_SPOOL_DIR", str(tmp_path / "spool"))
    (tmp_path / "spool").write_text("a file")
    code, found = examine("folders")
    assert code == 1
    assert f"{tmp_path}/spool cannot be written, for journals" in found[0][1]


@pytest.mark.parametrize(("free", "level", "code"), [(5e7, "problem", 1), (5e8, "note", 0), (5e9, "ok", 0)])
def test_a_disk_that_is_nearly_full(examine, monkeypatch, free, level, code):
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    got, found = examine("folders")
    assert (got, found[0][0]) == (code, level)


@pytest.mark.parametrize(("days", "level"), [(3, "ok"), (30, "note")])
def test_a_ledger_that_nobody_keeps_up_to_date(examine, recording, days, level):
    """The newest entry is the run that the experiment's tag names."""
    session = (datetime.now(UTC) - timedelta(days=days)).date().isoformat()
    experiment = R.get_exp(experiment_name="desk")
    entry = experiment.add_run("routine", {"online.session": f"{session}T00:00:00"})
    experiment.set_tags(**{"online.root": entry.id, "online.head": entry.id})
    settings.reset()
    code, found = examine("online")
    assert (code, found[0][0]) == (0, level)
    assert f"'desk' is done up to {session}" in found[0][1]
