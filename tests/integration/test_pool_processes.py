"""Several processes on one pool, and a server that goes away."""

import multiprocessing
import os
import signal
import threading

import pytest

from rollforward import settings
from rollforward.errors import StaleClaimError, StoreUnreachableError
from rollforward.workflow.task.manage import TaskManager
from rollforward.workflow.task.store.base import Owner
from rollforward.workflow.task.store.opening import open_store
from rollforward.workflow.task.store.query import EVERYTHING

SPAWN = multiprocessing.get_context("spawn")


def submit_and_work(given, barrier, answers):
    settings.install(given)
    pool = TaskManager("pool")
    tasks = [{"n": n, "model": {"class": "M", "kwargs": {"a": 1, "b": [n]}}} for n in range(100)]
    barrier.wait()
    ids = pool.create_task(tasks)
    barrier.wait()
    mine = []
    while (claim := pool.claim()) is not None:
        mine.append(claim.definition["n"])
        claim.commit(os.getpid())
    answers.put(([str(task_id) for task_id in ids], mine))


def test_processes_submit_the_same_and_share_the_work(task_store):
    """The first contact of all of them with the store is at once."""
    barrier, answers = SPAWN.Barrier(3), SPAWN.Queue()
    given = (settings.current(), barrier, answers)
    processes = [SPAWN.Process(target=submit_and_work, args=given) for _ in range(3)]
    for process in processes:
        process.start()
    found = [answers.get(timeout=300) for _ in processes]
    for process in processes:
        process.join(120)

    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert found[0][0] == found[1][0] == found[2][0]
    assert sorted(n for _, mine in found for n in mine) == list(range(100))
    pool = TaskManager("pool")
    assert pool.task_stat() == {"done": 100}
    assert all(len(task.attempts) == 1 for task in pool.store.find(EVERYTHING))


def claim_and_die(given):
    settings.install(given)
    TaskManager("pool").claim(lease=0)
    os.kill(os.getpid(), signal.SIGKILL)


def test_the_task_of_a_worker_that_was_killed_is_run_again(task_store):
    pool = TaskManager("pool")
    (task_id,) = pool.create_task([{"n": 1}])
    process = SPAWN.Process(target=claim_and_die, args=(settings.current(),))
    process.start()
    process.join(300)
    assert process.exitcode == -signal.SIGKILL
    claim = pool.claim()
    assert (claim.id, claim.attempt) == (task_id, 2)
    assert claim.task.attempts[0].pid == process.pid
    claim.commit("second")
    assert pool.re_query(task_id)["res"] == "second"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_has_a_connection_of_its_own(task_store):
    pool = TaskManager("pool")
    pool.create_task([{"n": n} for n in range(2)])
    child = os.fork()
    if child == 0:
        try:
            claim = pool.claim()
            claim.commit("child")
        except BaseException:  # noqa: BLE001
            os._exit(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    pool.claim().commit("parent")
    assert [task["res"] for task in pool.query()] == ["child", "parent"]


def test_a_server_that_is_killed_loses_nothing_and_nobody_gives_up(own_mongod):
    store = open_store("pool", own_mongod.url, "db", patience=60)
    pool = TaskManager("pool", store)
    pool.create_task([{"n": n} for n in range(60)])
    committed, n_undone = [], 0
    killed = threading.Event()

    def outage():
        while len(committed) < 10:
            killed.wait(0.01)
        own_mongod.kill()
        own_mongod.start()
        killed.set()

    thread = threading.Thread(target=outage)
    thread.start()
    while (claim := pool.claim(owner=Owner.here("w"))) is not None:
        try:
            claim.commit(claim.definition["n"])
        except StaleClaimError:
            n_undone += 1  # a claim of the last moment, which the crash has undone: it comes again
            continue
        committed.append(claim.definition["n"])
        if len(committed) == 30:
            killed.wait(300)
    thread.join()
    assert n_undone <= 1
    assert sorted(committed) == list(range(60)), "each committed once, although answers were lost"
    assert sorted(task["res"] for task in pool.query()) == list(range(60))
    assert pool.task_stat() == {"done": 60}


def test_a_lost_reply_does_nothing_twice(mongod):
    """The server has done it, and the answer does not arrive."""
    store = open_store("pool", mongod.url, f"lost_{os.getpid()}")
    pool = TaskManager("pool", store)
    pool.create_task([{"n": n} for n in range(2)])
    real = store._server.call

    def call(operation):
        operation(True)
        return operation(False)

    store._server.call = call
    pool.claim().commit("once")
    store._server.call = real
    assert pool.task_stat() == {"done": 1, "waiting": 1}
    (done,) = pool.query({"status": "done"})
    assert (done["attempt"], done["res"]) == (1, "once")
    pool.remove()


def test_a_server_that_does_not_answer_is_named_without_its_password():
    store = open_store("pool", "mongodb://me:secret@127.0.0.1:9/?serverSelectionTimeoutMS=50", "db", patience=0.1)
    with pytest.raises(StoreUnreachableError, match=r"mongodb://\*\*\*@127.0.0.1:9") as caught:
        store.count(EVERYTHING)
    assert "secret" not in str(caught.value)
