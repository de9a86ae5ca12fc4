"""What every task store promises, on each of them."""

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime

import pytest

from rollforward.data.identity import content_hash
from rollforward.errors import PoolError, PoolQueryError, StaleClaimError, TaskNotFoundError
from rollforward.workflow.task.codec import encode
from rollforward.workflow.task.store.base import Change, Ending, NewTask, Owner
from rollforward.workflow.task.store.opening import open_store
from rollforward.workflow.task.store.plain import plain
from rollforward.workflow.task.store.query import EVERYTHING, parse

OWNER = Owner("w1", "host", 7)
OTHER = Owner("w2", "elsewhere", 8)


@pytest.fixture
def store(task_store):
    return open_store("pool")


def new(definition, **more):
    return NewTask(content_hash(definition), encode(definition), plain(definition), **more)


def claim(store, lease=60.0, owner=OWNER, status="waiting", nonce="n", query=None):
    return store.claim(parse(query), status, lease, owner, nonce)


def test_reading_creates_nothing(store):
    assert store.count(EVERYTHING) == {}
    assert list(store.find(EVERYTHING)) == []
    assert claim(store) is None
    assert store.next_available(EVERYTHING, "waiting") is None
    assert store.pools() == []
    assert store.workers() == []


def test_a_task_is_added_once_and_ids_come_in_the_order_of_the_tasks(store):
    tasks = [new({"n": n}) for n in (3, 1, 3, 2)]
    first = store.add(tasks)
    assert first[0] == first[2]
    assert len(set(first)) == 3
    assert store.add(list(reversed(tasks))) == list(reversed(first))
    assert store.ids_of([tasks[1].identity, "unknown"]) == {tasks[1].identity: first[1]}
    assert store.count(EVERYTHING) == {"waiting": 3}
    assert store.pools() == ["pool"]


def test_pools_are_apart(store):
    task = new({"n": 1})
    other = open_store("other")
    assert store.add([task]) != other.add([task])
    other.delete(EVERYTHING)
    assert store.count(EVERYTHING) == {"waiting": 1}
    assert other.count(EVERYTHING) == {}


def test_many_tasks_at_once(store):
    tasks = [new({"n": n}) for n in range(1201)]
    ids = store.add(tasks)
    assert len(set(ids)) == 1201
    assert [task.id for task in store.find(EVERYTHING)] == ids
    assert [task.id for task in store.find(parse({"_id": {"$in": ids[5:1100]}}))] == ids[5:1100]
    assert [task.id for task in store.find(EVERYTHING, limit=503)] == ids[:503]


def test_a_claim_gives_the_task_and_hides_it(store):
    (task_id,) = store.add([new({"n": 1})])
    task = claim(store)
    assert (task.id, task.status, task.origin, task.attempt, task.tries) == (task_id, "running", "waiting", 1, 1)
    assert (task.owner, task.definition, task.filter) == (OWNER, '{"n":1}', {"n": 1})
    assert task.created_at <= task.started_at < task.available_at
    assert claim(store) is None


def test_higher_priority_goes_first_then_first_in(store):
    ids = store.add([new({"n": 0}), new({"n": 1}, priority=5), new({"n": 2}, priority=-1), new({"n": 3}, priority=5)])
    assert [claim(store).id for _ in range(4)] == [ids[1], ids[3], ids[0], ids[2]]


def test_a_task_whose_lease_has_passed_is_claimed_again_and_before_newer_ones(store):
    ids = store.add([new({"n": n}) for n in range(3)])
    first = claim(store, lease=0)
    second = claim(store, owner=OTHER)
    assert second.id == first.id == ids[0]
    assert (second.attempt, second.tries, second.owner) == (2, 2, OTHER)
    (lost,) = second.attempts
    assert (lost.number, lost.outcome, lost.worker, lost.host, lost.pid) == (1, "lost", "w1", "host", 7)
    assert lost.started <= lost.ended
    assert claim(store).id == ids[1]


@pytest.mark.parametrize(
    "write",
    [
        lambda store, task: store.finish(task.id, task.attempt, Ending("done", "committed", result="1", nonce="x")),
        lambda store, task: store.renew(task.id, task.attempt, 60),
        lambda store, task: store.note(task.id, task.attempt, "r"),
    ],
)
@pytest.mark.parametrize("taken", ["claimed", "finished", "reset", "deleted", "redefined"])
def test_a_late_write_is_refused_and_changes_nothing(store, write, taken):
    store.add([new({"n": 1})])
    late = claim(store, lease=0)
    if taken == "claimed":
        claim(store, owner=OTHER)
    elif taken == "finished":
        store.finish(late.id, late.attempt, Ending("done", "committed", result='"mine"', nonce="mine"))
    elif taken == "reset":
        store.change(EVERYTHING, Change("reset", "waiting"))
    elif taken == "deleted":
        store.delete(EVERYTHING)
    else:
        store.redefine(late.id, new({"n": 2}))
    before = list(store.find(EVERYTHING, bodies=True))
    with pytest.raises(StaleClaimError, match="attempt 2, by w2" if taken == "claimed" else "Attempt 1"):
        write(store, late)
    assert list(store.find(EVERYTHING, bodies=True)) == before


def undo_claims(store):
    """Do what a crash of the server may do to a claim that was not on its disk yet: it never was."""
    if store.url.startswith("sqlite"):
        path = store.url.removeprefix("sqlite:///")
        with closing(sqlite3.connect(path)) as db, db:
            db.execute(
                "UPDATE task SET status = 'waiting', attempt = attempt - 1, tries = tries - 1, nonce = '', origin = '',"
                " worker = NULL, host = NULL, pid = NULL, available_at = 0, started_at = NULL"
            )
        return
    free = dict.fromkeys(("worker", "host", "pid", "started_at")) | {"nonce": "", "origin": "", "status": "waiting"}
    back = {"$set": free | {"available_at": datetime(1970, 1, 1, tzinfo=UTC)}, "$inc": {"attempt": -1, "tries": -1}}
    store._tasks.update_many({}, back)


@pytest.mark.parametrize(
    "write",
    [
        lambda store, task: store.finish(task.id, task.attempt, Ending("done", "committed", result="1"), task.nonce),
        lambda store, task: store.finish(task.id, task.attempt, Ending("waiting", "returned"), task.nonce),
        lambda store, task: store.renew(task.id, task.attempt, 60, task.nonce),
        lambda store, task: store.note(task.id, task.attempt, "r", task.nonce),
    ],
)
def test_who_holds_a_claim_that_a_crash_has_undone_is_refused(store, write):
    store.add([new({"n": 1})])
    undone = claim(store, nonce="a")
    undo_claims(store)
    held = claim(store, owner=OTHER, nonce="b")
    assert (held.attempt, held.tries, held.nonce) == (1, 1, "b")
    assert (undone.attempt, undone.nonce) == (1, "a")
    before = list(store.find(EVERYTHING, bodies=True))
    with pytest.raises(StaleClaimError, match="attempt 1, by w2"):
        write(store, undone)
    assert list(store.find(EVERYTHING, bodies=True)) == before
    write(store, held)


def test_large_results_of_a_claim_that_was_undone_and_of_the_next_are_apart(store):
    store.add([new({"n": 1})])
    undone = claim(store, nonce="a")
    undo_claims(store)
    held = claim(store, owner=OTHER, nonce="b")
    mine, other = encode("m" * 9_000_000), encode("o" * 9_000_000)
    store.finish(held.id, held.attempt, Ending("done", "committed", result=mine, nonce="x"), held.nonce)
    with pytest.raises(StaleClaimError):
        store.finish(undone.id, undone.attempt, Ending("done", "committed", result=other, nonce="y"), undone.nonce)
    assert next(iter(store.find(EVERYTHING, bodies=True))).result == mine


def test_a_renewed_lease_keeps_others_away(store):
    store.add([new({"n": 1})])
    task = claim(store, lease=0)
    store.renew(task.id, task.attempt, 60)
    assert claim(store) is None


def test_what_is_finished_twice_with_one_nonce_is_done_once(store):
    store.add([new({"n": 1})])
    task = claim(store)
    ending = Ending("done", "committed", result="[1]", nonce="unique")
    store.finish(task.id, task.attempt, ending)
    store.finish(task.id, task.attempt, ending)
    (found,) = store.find(EVERYTHING, bodies=True)
    assert (found.status, found.result, len(found.attempts)) == ("done", "[1]", 1)
    assert found.owner is None
    assert found.ended_at >= found.started_at


def test_a_failed_attempt_backs_off_and_is_kept(store):
    store.add([new({"n": 1})])
    task = claim(store)
    store.note(task.id, task.attempt, '{"$recorder":["1","r","u"]}')
    store.finish(task.id, task.attempt, Ending("waiting", "error", delay=50, exception="E: no", traceback="tb $x"))
    assert claim(store) is None
    assert 40 < store.next_available(EVERYTHING, "waiting") <= 50
    (found,) = store.find(EVERYTHING)
    assert (found.status, found.error, found.traceback, found.tries) == ("waiting", "E: no", "tb $x", 1)
    (attempt,) = found.attempts
    assert (attempt.outcome, attempt.exception, attempt.traceback) == ("error", "E: no", "tb $x")
    assert attempt.recorder == '{"$recorder":["1","r","u"]}'
    assert found.definition is None


def test_an_attempt_that_does_not_count(store):
    store.add([new({"n": 1})])
    task = claim(store)
    store.finish(task.id, task.attempt, Ending("waiting", "returned", counts=False))
    again = claim(store)
    assert (again.attempt, again.tries) == (2, 1)


def test_a_task_in_two_steps(store):
    store.add([new({"n": 1})])
    task = claim(store)
    store.finish(task.id, task.attempt, Ending("part_done", "committed", result='"half"'))
    assert claim(store) is None
    second = claim(store, status="part_done", lease=0)
    assert (second.result, second.origin) == ('"half"', "part_done")
    assert claim(store) is None, "a lost second step is not a first step"
    assert claim(store, status="part_done").id == task.id


def test_two_threads_never_get_the_same_task(store):
    store.add([new({"n": n}) for n in range(120)])
    start = threading.Barrier(6)

    def work(number):
        start.wait()
        mine = []
        while (task := claim(store, nonce=f"{number}-{len(mine)}")) is not None:
            mine.append(task.id)
        store.close()
        return mine

    with ThreadPoolExecutor(6) as pool:
        claimed = [task_id for mine in pool.map(work, range(6)) for task_id in mine]
    assert len(claimed) == len(set(claimed)) == 120


def test_two_threads_that_submit_the_same_get_the_same_ids(store):
    tasks = [new({"n": n}) for n in range(60)]
    start = threading.Barrier(4)

    def submit(_):
        start.wait()
        return store.add(tasks)

    with ThreadPoolExecutor(4) as pool:
        first, *others = pool.map(submit, range(4))
    assert all(ids == first for ids in others)
    assert store.count(EVERYTHING) == {"waiting": 60}


def test_changes_by_hand(store):
    ids = store.add([new({"n": n}) for n in range(3)])
    running = claim(store)
    assert store.change(parse({"status": "running"}), Change("cancel", "failed", error="by me", who="me")) == 1
    assert store.count(EVERYTHING) == {"failed": 1, "waiting": 2}
    (found,) = store.find(parse({"_id": str(ids[0])}))
    assert (found.error, found.owner, found.attempts[0].outcome) == ("by me", None, "revoked")
    assert (found.events[0].what, found.events[0].who) == ("cancel", "me")
    assert store.change(parse({"status": "failed"}), Change("retry", "waiting", forget_tries=True)) == 1
    again = claim(store)
    assert (again.id, again.tries) == (running.id, 1)
    assert store.change(parse({"_id": ids[2]}), Change("prioritize", priority=9)) == 1
    assert claim(store).id == ids[2]


def test_only_dropped_tasks_are_changed_if_asked(store):
    store.add([new({"n": n}) for n in range(2)])
    dropped = claim(store, lease=0, query={"filter.n": 0})
    claim(store, query={"filter.n": 1})
    assert store.count_dropped(EVERYTHING) == 1
    assert store.change(EVERYTHING, Change("reset", "waiting"), dropped_only=True) == 1
    assert [task.id for task in store.find(parse({"status": "waiting"}))] == [dropped.id]


def test_another_definition_keeps_id_and_place(store):
    ids = store.add([new({"n": 0}), new({"n": 1})])
    task = claim(store)
    store.finish(task.id, task.attempt, Ending("done", "committed", result="1"))
    store.redefine(ids[0], new({"n": "other"}))
    found = claim(store)
    assert (found.id, found.definition, found.result, found.tries) == (ids[0], '{"n":"other"}', None, 1)
    with pytest.raises(PoolError, match="this definition already"):
        store.redefine(ids[0], new({"n": 1}))
    with pytest.raises(TaskNotFoundError):
        store.redefine("0" * 24, new({"n": 7}))


def test_workers_are_alive_as_long_as_they_promised(store):
    store.beat(OWNER, {"task": "a.b", "$x": None}, 60)
    store.beat(OTHER, {}, 0)
    first, second = store.workers()
    assert (first.owner, first.info, first.is_alive) == (OWNER, {"task": "a.b", "$x": None}, True)
    assert (second.owner, second.is_alive) == (OTHER, False)
    store.beat(OWNER, {"task": None}, 60)
    assert store.workers()[0].started_at == first.started_at
    store.forget(OWNER)
    assert [worker.owner for worker in store.workers()] == [OTHER]
    assert open_store("other").workers() == []


def test_a_large_result_comes_back(store):
    text = encode("x" * 17_000_000)
    store.add([new({"n": 1})])
    task = claim(store)
    store.finish(task.id, task.attempt, Ending("part_done", "committed", result=text))
    (found,) = store.find(EVERYTHING, bodies=True)
    assert found.result == text
    assert claim(store, status="part_done").result == text
    assert store.delete(EVERYTHING) == 1


def test_odd_texts_in_definitions(store):
    odd = {"$set": {"$a": 1}, "a.b": {"": 2, 'q"': "'", 3: "\ud800", "n\0": "\0"}, "ü": "$status"}
    store.add([new(odd)])
    (found,) = store.find(EVERYTHING, bodies=True)
    assert found.definition == encode(odd)
    assert store.count(parse({"filter.ü": "$status"})) == {"waiting": 1}
    store.redefine(found.id, new(odd | {"more": "$$NOW"}))
    (found,) = store.find(EVERYTHING, bodies=True)
    assert found.filter["more"] == "$$NOW"


def test_queries_on_what_a_pool_holds(store):
    ids = store.add([new({"model": {"class": name}, "n": n}) for n, name in enumerate(("A", "B", "A"))])
    claim(store)

    def found(query):
        return [ids.index(task.id) for task in store.find(parse(query))]

    assert found({"filter.model.class": "A"}) == [0, 2]
    assert found({"filter": {"n": 1, "model": {"class": "B"}}}) == [1]
    assert found({"status": "waiting", "filter.n": {"$gte": 1, "$lt": 2}}) == [1]
    assert found({"_id": ids[1]}) == found({"_id": str(ids[1])}) == [1]
    assert found({"_id": {"$nin": [str(ids[1])]}}) == [0, 2]
    assert found({"attempt": {"$gt": 0}}) == [0]
    assert found({"$or": [{"filter.n": 1}, {"status": "running"}]}) == [0, 1]
    assert claim(store, query={"_id": {"$in": [ids[2]]}}).id == ids[2]
    with pytest.raises(PoolQueryError, match=r"\$where"):
        found({"$where": "1"})
