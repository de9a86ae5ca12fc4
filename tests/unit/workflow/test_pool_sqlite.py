"""How the SQLite store waits for its lock, and finds the next task."""

import sqlite3
import threading
from contextlib import closing

import pytest

from rollforward.errors import PoolError
from rollforward.workflow.task.manage import TaskManager
from rollforward.workflow.task.store import sqlite_file


@pytest.fixture
def manager(tmp_path):
    found = TaskManager("p", tmp_path / "tasks.db")
    found.create_task([{"number": number} for number in range(30)])
    return found


def held(path):
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    return other


def test_a_writer_waits_until_another_one_has_ended(manager, tmp_path):
    other = held(tmp_path / "tasks.db")
    release = threading.Timer(0.05, other.rollback)
    release.start()
    assert manager.claim().definition == {"number": 0}
    release.join()
    other.close()


def test_a_lock_that_is_never_released_is_an_error_that_says_what_to_look_for(manager, tmp_path, monkeypatch):
    monkeypatch.setattr(sqlite_file, "_PATIENCE", 0.05)
    other = held(tmp_path / "tasks.db")
    with pytest.raises(PoolError, match="lsof"):
        manager.claim()
    other.close()
    assert manager.claim().definition == {"number": 0}


def test_every_commit_is_on_disk_when_it_returns(manager):
    with manager.store._file.write() as db:
        assert db.execute("PRAGMA synchronous").fetchone()[0] == 2
        assert db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"


@pytest.mark.parametrize("query", [None, {"filter.number": {"$gte": 7}}, {"status": "waiting"}])
def test_the_next_task_is_found_in_the_order_of_the_queue_without_sorting(manager, query):
    asked = []
    with manager.store._file.write() as db:
        db.set_trace_callback(asked.append)
    claim = manager.claim(query)
    assert claim.definition == {"number": 7 if query and "filter.number" in query else 0}
    with manager.store._file.write() as db:
        db.set_trace_callback(None)
        (select,) = [sql for sql in asked if sql.startswith("SELECT")]
        plan = [row["detail"] for row in db.execute(f"EXPLAIN QUERY PLAN {select}")]
    assert "task_queue" in plan[0]
    assert not any("TEMP B-TREE" in step for step in plan)


def test_a_look_makes_no_task_store_of_the_database_of_another_program(tmp_path):
    path = tmp_path / "customers.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE customer (name TEXT)")
    before = path.read_bytes()

    pool = TaskManager("p", path)
    assert pool.store.pools() == []
    assert pool.task_stat() == {}
    assert list(pool.store.workers()) == []
    assert path.read_bytes() == before
