"""The checker finds each kind of broken promise: else its silence would mean nothing."""

import json
import os
import sqlite3
import time
from dataclasses import replace

import pytest
from faults_rig.checker import check
from faults_rig.log import Log
from faults_rig.watched import WatchedStore

from rollforward.errors import StaleClaimError
from rollforward.workflow.task.manage import TaskManager
from rollforward.workflow.task.store.opening import open_store


@pytest.fixture
def log(tmp_path):
    return Log(tmp_path / "chaos.log")


@pytest.fixture
def pool(log, tmp_path):
    return TaskManager("chaos", WatchedStore(open_store("chaos", tmp_path / "tasks.db"), log))


@pytest.fixture
def one(pool, log):
    (found,) = pool.create_task([{"n": 1}])
    log.write("submitted", str(found), n="1")
    return str(found)


def finish(pool, log, token, lease=60.0):
    claim = pool.claim(lease=lease)
    log.write("start", "1", token=token)
    log.write("end", "1", token=token)
    return claim, {"n": 1, "token": token}


def broken(pool, log):
    return check(log.read(), pool.store).broken


def change(tmp_path, sql, *values):
    with sqlite3.connect(tmp_path / "tasks.db") as db:
        db.execute(sql, values)
    db.close()


def test_nothing_is_broken(pool, log, one):
    late, _ = finish(pool, log, "late", lease=0.0)
    claim, result = finish(pool, log, "a")
    claim.commit(result)
    with pytest.raises(StaleClaimError):
        late.commit({"n": 1, "token": "late"})
    verdict = check(log.read(), pool.store)
    assert verdict.broken == []
    assert (verdict.n_tasks, verdict.n_done, verdict.n_attempts, verdict.n_refused) == (1, 1, 2, 1)


def test_a_lost_task(pool, log, one):
    pool.remove()
    assert broken(pool, log) == [f"task 1 ({one}) is lost"]


def test_a_task_that_nobody_submitted(pool, log, one):
    claim, result = finish(pool, log, "a")
    claim.commit(result)
    (other,) = pool.create_task([{"n": 2}])
    assert broken(pool, log) == [f"task {other} was never submitted", f"task {other} is waiting"]


def test_a_lost_commit(pool, log, one, tmp_path):
    claim, result = finish(pool, log, "a")
    claim.commit(result)
    change(tmp_path, "UPDATE task SET status = 'failed', attempts = '[]'")
    assert broken(pool, log) == [f"task {one}: the commit of attempt 1 was acknowledged, and is lost"]


def test_two_commits(pool, log, one, tmp_path):
    claim, result = finish(pool, log, "a")
    claim.commit(result)
    log.write("ended", one, 2, "b", outcome="committed")
    found = broken(pool, log)
    assert f"task {one} is committed twice: [1], [(1, 'a'), (2, 'b')]" in found


def test_the_result_of_a_refused_attempt(pool, log, one, tmp_path):
    claim, result = finish(pool, log, "a")
    claim.commit(result)
    log.write("refused", one, 2, "a", outcome="committed")
    assert broken(pool, log) == [f"task {one} has the result of an attempt that was refused"]


def test_a_result_from_nowhere(pool, log, one):
    pool.claim().commit({"n": 1, "token": "a"})
    assert broken(pool, log) == [f"task {one} has a result that none of its attempts made"]


def test_done_without_a_result(pool, log, one, tmp_path):
    claim, result = finish(pool, log, "a")
    claim.commit(result)
    change(tmp_path, "DELETE FROM result")
    assert f"task {one} is done without a result" in broken(pool, log)


def test_a_claim_that_two_have(pool, log, one):
    claim, result = finish(pool, log, "a")
    log.write("claimed", one, 1, started=time.time())
    claim.commit(result)
    assert broken(pool, log) == [f"attempt 1 at task {one} was claimed 2 times"]


@pytest.mark.parametrize("is_late", [False, True])
def test_a_claim_that_a_crash_of_the_server_has_undone(pool, log, one, is_late):
    began = time.time()
    if not is_late:
        log.write("claimed", one, 1, nonce="undone", started=began)
    log.write("restart", time=time.time())
    claim, result = finish(pool, log, "a")
    if is_late:
        log.write("claimed", one, 1, nonce="undone", started=began)
    log.write("refused", one, 1, "b", outcome="committed")
    claim.commit(result)
    assert broken(pool, log) == []


def test_a_claim_of_the_name_of_another_one(pool, log, one):
    log.write("claimed", one, 1, nonce="same", started=time.time())
    log.write("restart", time=time.time())
    claim, result = finish(pool, log, "a")
    log.write("claimed", one, 1, nonce="same", started=time.time())
    claim.commit(result)
    assert broken(pool, log) == [f"attempt 1 at task {one} was claimed 2 times", "2 claims have the nonce same"]


def test_a_claim_after_the_commit(pool, log, one):
    claim, result = finish(pool, log, "a")
    claim.commit(result)
    log.write("claimed", one, 2, started=time.time())
    assert broken(pool, log) == [f"task {one} was claimed again after its commit"]


def test_a_killed_attempt_that_nobody_repeats(pool, log, one):
    pool.claim()
    log.write("kill", victim=os.getpid())
    assert broken(pool, log) == [f"task {one} is running", f"task {one}: attempt 1 was killed and nobody tried again"]


def test_how_long_a_rerun_took(pool, log, one):
    pool.claim(lease=0.0)
    log.write("kill", victim=os.getpid())
    claim, result = finish(pool, log, "a")
    claim.commit(result)
    entries = log.read()
    second = [entry for entry in entries if entry.what == "claimed"][1]
    entries = [replace(entry, at=entry.at + 3.0) if entry.at >= second.at else entry for entry in entries]
    verdict = check(entries, pool.store)
    assert verdict.broken == []
    assert verdict.median_rerun == pytest.approx(3.0, abs=0.5)
    assert verdict.share_of_reruns_within(2.7) == 0.0


def test_a_line_that_is_not_whole_yet_is_read_later(log):
    log.write("start", "1")
    whole = json.dumps({"at": 9e9, "what": "end", "pid": 1, "task": "1"})
    with log.path.open("a") as file:
        file.write(whole[:10])
        file.flush()
        assert [entry.what for entry in log.read()] == ["start"]
        file.write(whole[10:] + "\n")
    assert [entry.what for entry in log.read()] == ["start", "end"]
