"""Addresses and names of task stores, and what is said about those that cannot be used."""

import logging
import pickle
import sqlite3
import subprocess
import sys

import pytest

from rollforward import settings
from rollforward.errors import MissingDependencyError, PoolError, StoreUnreachableError
from rollforward.workflow.task.manage import TaskManager
from rollforward.workflow.task.store import sqlite_file
from rollforward.workflow.task.store.ids import TaskId
from rollforward.workflow.task.store.opening import open_store


def test_the_default_is_a_file_in_the_working_directory(tmp_path):
    pool = TaskManager("pool")
    assert pool.task_stat() == {}
    assert list(tmp_path.iterdir()) == []
    pool.create_task([{"n": 1}])
    assert (tmp_path / "rollforward_tasks.db").exists()


def test_addresses_of_files_become_absolute(tmp_path, monkeypatch):
    wanted = f"sqlite:///{tmp_path / 'a.db'}"
    stores = [open_store("p", address) for address in ("sqlite:///a.db", "a.db", tmp_path / "a.db", wanted)]
    monkeypatch.chdir("/")
    assert {store.url for store in stores} == {wanted}


@pytest.mark.parametrize("name", ["", "a$b", "system.x", "_rollforward.x", "x" * 101, 3, None, "a\0"])
def test_names_that_cannot_be(name):
    with pytest.raises(PoolError, match="no name of a task pool"):
        open_store(name)


@pytest.mark.parametrize("address", ["redis://:secret@host", "postgresql://me:secret@host/db", "tasks", "sqlite://"])
def test_addresses_that_cannot_be(address):
    with pytest.raises(PoolError, match="no address of a task store") as caught:
        open_store("pool", address)
    assert "secret" not in str(caught.value)


def test_a_mongodb_server_without_pymongo_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "pymongo", None)
    for name in [name for name in sys.modules if ".task.store.mongo" in name]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(MissingDependencyError, match=r"rollforward\[mongo\]"):
        open_store("pool", "mongodb://host/")


def test_pools_in_files_need_no_pymongo(tmp_path):
    code = (
        "import sys; sys.modules['pymongo'] = sys.modules['bson'] = None\n"
        "from rollforward.workflow.task.manage import TaskManager\n"
        "TaskManager('p', 'x.db').create_task([{'n': 1}])\n"
        "assert 'mlflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)


def test_the_settings_choose_store_and_database(mongod):
    settings.init(mongo={"task_url": mongod.url, "task_db_name": "chosen"})
    assert "'chosen'" in repr(open_store("pool"))


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(StoreUnreachableError, match="no folder"):
        TaskManager("p", tmp_path / "gone" / "x.db").create_task([{"n": 1}])


def test_a_file_that_is_no_database(tmp_path):
    file = tmp_path / "x.db"
    file.write_text("no database, and long enough to be looked at " * 100)
    with pytest.raises(PoolError, match="not a database"):
        TaskManager("p", file).task_stat()


def test_a_file_of_a_newer_version(tmp_path):
    file = tmp_path / "x.db"
    TaskManager("p", file).create_task([{"n": 1}])
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(PoolError, match="newer version"):
        TaskManager("p", file).task_stat()


def test_a_full_disk_is_said_and_nothing_is_written(tmp_path):
    pool = TaskManager("p", tmp_path / "x.db")
    pool.create_task([{"n": 1}])
    with pool.store._file.write() as db:
        pages = db.execute("PRAGMA page_count").fetchone()[0]
    db.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(PoolError, match=r"disk is full(.|\n)*Make space"):
        pool.create_task([{"text": "x" * 100_000}])
    assert pool.task_stat() == {"waiting": 1}


def test_every_write_is_on_disk_when_it_returns(tmp_path):
    pool = TaskManager("p", tmp_path / "x.db")
    pool.create_task([{"n": 1}])
    with pool.store._file.read() as db:
        assert db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        assert db.execute("PRAGMA synchronous").fetchone()[0] == 2


def test_a_remote_disk_is_warned_of(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(sqlite_file, "_file_system", lambda path: "nfs4")
    with caplog.at_level(logging.WARNING):
        TaskManager("p", tmp_path / "x.db").create_task([{"n": 1}])
    assert "nfs4" in caplog.text


def test_a_manager_can_be_sent_to_another_process(tmp_path):
    pool = TaskManager("p", tmp_path / "x.db")
    pool.create_task([{"n": 1}])
    copy = pickle.loads(pickle.dumps(pool))
    assert copy.task_stat() == {"waiting": 1}


def test_ids_are_like_those_of_mongodb():
    bson = pytest.importorskip("bson")
    ids = [TaskId.new() for _ in range(50)]
    assert len(set(ids)) == 50
    assert {len(task_id) for task_id in ids} == {24}
    assert ids[0] == str(ids[0])
    assert ids[0] == bson.ObjectId(ids[0])
    assert bson.ObjectId(ids[0]) == ids[0]
    assert ids[0] != ids[1]
    assert {ids[0]: 1}[str(ids[0])] == 1
