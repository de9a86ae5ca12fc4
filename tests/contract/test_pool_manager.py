"""The task manager: Qlib's names, on both stores."""

import datetime as dt
import gc
import logging
import time

import pandas as pd
import pytest

from rollforward.errors import (
    PoolError,
    PoolTimeoutError,
    StaleClaimError,
    StoreUnreachableError,
    TaskError,
    TaskFailedError,
    TaskNotFoundError,
)
from rollforward.workflow.task.manage import TaskManager
from rollforward.workflow.task.store.base import Owner
from rollforward.workflow.task.store.query import parse
from rollforward.workflow.task.waiting import wait_for

TASK = {
    "model": {"class": "LGBModel", "kwargs": {"lr": 0.1}},
    "dataset": {"kwargs": {"segments": {"train": (pd.Timestamp("2020-01-01"), None), "test": ("2021", "2022")}}},
}
REORDERED = {
    "dataset": {"kwargs": {"segments": {"test": ["2021", "2022"], "train": [dt.date(2020, 1, 1), None]}}},
    "model": {"kwargs": {"lr": 0.1}, "class": "LGBModel"},
}


@pytest.fixture
def pool(task_store):
    return TaskManager("pool")


def numbered(n):
    return [{"n": i} for i in range(n)]


def test_ids_come_in_the_order_of_the_tasks_and_equal_tasks_share_one(pool):
    first = pool.create_task([TASK, {"n": 1}, REORDERED])
    assert first[0] == first[2] != first[1]
    assert pool.create_task([{"n": 1}, TASK]) == [first[1], first[0]]
    assert pool.insert_task_def(TASK) == first[0]
    assert pool.task_stat() == {"waiting": 2}
    assert len(str(first[0])) == 24
    assert TaskManager.list() == ["pool"]


def test_nothing_is_added_if_one_task_cannot_be(pool):
    with pytest.raises(TaskError, match=r"task 1\.model: .*object"):
        pool.create_task([TASK, {"model": object()}])
    with pytest.raises(TaskError, match="4,000,000"):
        pool.create_task([TASK, {"text": "x" * 5_000_000}])
    assert pool.task_stat() == {}
    assert pool.create_task([]) == []


def test_a_dry_run_adds_nothing_and_prints_what_is_new(pool, capsys):
    pool.create_task([{"n": 1}])
    assert pool.create_task([{"n": 1}, {"n": 2}, {"n": 2}], dry_run=True, print_nt=True) == []
    assert capsys.readouterr().out.strip() == "{'n': 2}"
    assert pool.task_stat() == {"waiting": 1}


def test_a_fetched_task_has_the_definition_with_its_types(pool):
    (task_id,) = pool.create_task([TASK])
    task = pool.fetch_task()
    assert (task["_id"], task["status"], task["def"]) == (task_id, "running", TASK)
    assert type(task["def"]["dataset"]["kwargs"]["segments"]["train"]) is tuple
    assert task["filter"]["model"]["class"] == "LGBModel"
    assert pool.fetch_task() is None
    pool.commit_task_res(task, {"ic": 0.1, "at": pd.Timestamp("2024-01-01")})
    assert pool.re_query(str(task_id))["res"] == {"ic": 0.1, "at": pd.Timestamp("2024-01-01")}
    assert pool.task_stat() == {"done": 1}


def test_a_commit_after_somebody_else_claimed_is_refused(pool):
    pool.create_task(numbered(1))
    late = pool.claim(lease=0, owner=Owner.here("late"))
    quick = pool.claim(owner=Owner.here("quick"))
    quick.commit(1)
    for end in (lambda: late.commit(2), late.renew, late.give_back, lambda: late.fail("no")):
        with pytest.raises(StaleClaimError):
            end()
    assert late.lost.is_set()
    assert late.seconds_left <= 0
    assert [task["res"] for task in pool.query()] == [1]


def test_a_plain_dictionary_is_fenced_too(pool):
    pool.create_task(numbered(1))
    pool.claim(lease=0)
    (early,) = pool.query()
    pool.claim(lease=0)
    (late,) = pool.query()
    with pytest.raises(StaleClaimError):
        pool.commit_task_res(early, 1)
    pool.commit_task_res(late, 2)
    assert pool.re_query(late["_id"])["res"] == 2


def test_a_block_that_raises_gives_its_task_back(pool):
    pool.create_task(numbered(1))
    with pytest.raises(KeyboardInterrupt), pool.safe_fetch_task():
        raise KeyboardInterrupt
    assert pool.task_stat() == {"waiting": 1}
    with pool.safe_fetch_task() as task:
        assert task.claim.task.tries == 1, "an attempt that was given back does not count"
        pool.return_task(task)
    with pool.safe_fetch_task(status="part_done") as task:
        assert task is None


def test_a_loop_over_tasks_that_is_left_early_keeps_none(pool):
    pool.create_task(numbered(3))
    tasks = pool.task_fetcher_iter({"filter.n": {"$gt": 0}})
    pool.commit_task_res(next(tasks), "first")
    next(tasks)
    tasks.close()
    assert pool.task_stat() == {"waiting": 2, "done": 1}
    for task in pool.task_fetcher_iter():
        pool.commit_task_res(task, None, status="part_done")
    assert pool.task_stat() == {"part_done": 2, "done": 1}


def an_error():
    with pytest.raises(ZeroDivisionError) as caught:
        _ = 1 / 0
    return caught.value


def test_a_failed_attempt_is_retried_and_then_failed_with_its_traceback(pool):
    (task_id,) = pool.create_task(numbered(1))
    for attempt in (1, 2):
        claim = pool.claim(max_attempts=2, backoff=0)
        assert claim.fail(an_error()) is (attempt == 1)
    task = pool.show(task_id)
    assert (task.status, task.error, task.tries) == ("failed", "ZeroDivisionError: division by zero", 2)
    assert "_ = 1 / 0" in task.traceback
    assert [attempt.outcome for attempt in task.attempts] == ["error", "error"]
    assert [event.what for event in pool.events(task_id)] == ["submitted", "claimed", "error", "claimed", "error"]
    assert pool.retry() == 1
    assert pool.claim().task.tries == 1
    assert [event.what for event in pool.events(task_id)][-2:] == ["retry", "claimed"]


def test_a_task_that_kills_its_workers_is_failed_after_that_many_attempts(pool):
    pool.create_task(numbered(2))
    for _ in range(3):
        assert pool.claim({"filter.n": 0}, lease=0, max_attempts=3).definition == {"n": 0}
    assert pool.claim(max_attempts=3).definition == {"n": 1}, "the others go on"
    task = pool.show(next(pool.query({"status": "failed"}))["_id"])
    assert "lost 3 times" in task.error
    assert [attempt.outcome for attempt in task.attempts] == ["lost", "lost", "lost", "given up"]


def test_a_fetched_task_stays_claimed_only_while_it_is_alive(pool, monkeypatch):
    monkeypatch.setattr(TaskManager.claim, "__defaults__", (None, "waiting", 4.0, None))
    pool.create_task(numbered(1))
    task = pool.fetch_task()
    first = pool.show(task).available_at
    deadline = time.monotonic() + 120
    while pool.show(task).available_at == first:
        assert pool.claim() is None
        assert time.monotonic() < deadline
    del task
    gc.collect()
    deadline = time.monotonic() + 120
    while pool.claim() is None:
        assert time.monotonic() < deadline


def test_a_task_that_cannot_be_read_is_failed_and_not_stuck(pool):
    pool.insert_task({"def": {"n": 1}, "priority": 1})
    claim = pool.claim()
    object.__setattr__(claim.task, "definition", '{"$name":["gone","x"]}')
    with pytest.raises(TaskError, match=r"gone\.x"):
        _ = claim.definition
    assert claim.fail(TaskError("x"), retry=False) is False
    assert pool.task_stat() == {"failed": 1}


def test_waiting_ends_when_all_is_done(pool):
    assert pool.wait() == []
    pool.create_task(numbered(2))
    for task in pool.task_fetcher_iter():
        pool.commit_task_res(task, 1)
    assert pool.wait(timeout=60) == []


def test_waiting_raises_the_first_failure_or_collects(pool):
    ids = pool.create_task(numbered(3))
    pool.claim({"_id": ids[1]}).fail(ValueError("bad"), retry=False)
    with pytest.raises(TaskFailedError, match="bad") as caught:
        pool.wait()
    assert caught.value.task_id == ids[1]
    assert "ValueError" in caught.value.traceback
    for task in pool.task_fetcher_iter():
        pool.commit_task_res(task, 1)
    assert [task.id for task in pool.wait(on_failed="collect")] == [ids[1]]
    assert pool.wait({"_id": {"$ne": ids[1]}}) == []


def test_waiting_ends_when_the_time_is_up_and_names_the_lack_of_workers(pool, caplog, monkeypatch):
    monkeypatch.setattr("rollforward.workflow.task.waiting._LONELY_AFTER", 0.0)
    pool.create_task(numbered(1))
    with caplog.at_level(logging.WARNING), pytest.raises(PoolTimeoutError, match=r"1 tasks(.|\n)*No worker is alive"):
        pool.wait(timeout=0.5)
    assert len([record for record in caplog.records if "No worker is alive" in record.message]) == 1
    pool.store.beat(Owner.here(), {}, 60)
    with pytest.raises(PoolTimeoutError, match="Wait longer"):
        pool.wait(timeout=0.01)


def test_who_has_workers_of_its_own_is_not_told_to_start_one(pool, caplog, monkeypatch):
    """They take a while to come; what stops them is raised."""
    monkeypatch.setattr("rollforward.workflow.task.waiting._LONELY_AFTER", 0.0)
    pool.create_task(numbered(1))
    looks = []

    def check():
        looks.append(1)
        if len(looks) == 5:
            raise OSError("the worker could not start")

    with caplog.at_level(logging.WARNING), pytest.raises(OSError, match="could not start"):
        wait_for(pool.store, parse(None), check=check)
    assert "No worker is alive" not in caplog.text


def test_waiting_shows_lines_where_there_is_no_terminal(pool, capsys):
    pool.create_task(numbered(1))
    pool.commit_task_res(pool.fetch_task(), 1)
    pool.wait(progress=True)
    assert capsys.readouterr().err == "pool: 1/1 done, 0 running\n"
    pool.wait()
    assert capsys.readouterr().err == ""


def test_looking_after_a_pool(pool):
    ids = pool.create_task(numbered(4))
    pool.claim({"_id": ids[0]}, lease=0)
    alive = pool.claim({"_id": ids[1]})
    assert pool.reset_waiting() == 1
    assert pool.task_stat() == {"waiting": 3, "running": 1}
    assert pool.prioritize(ids[3], 3) == pool.prioritize(pool.re_query(ids[2]), 2) == 1
    assert [pool.fetch_task()["def"]["n"] for _ in range(3)] == [3, 2, 0]
    assert pool.reset_status({}, "waiting") == 4
    with pytest.raises(StaleClaimError):
        alive.commit(1)
    with pytest.raises(PoolError, match="running"):
        pool.reset_status({}, "running")
    assert pool.cancel({"_id": {"$in": ids[:2]}}) == 2
    assert pool.show(ids[0]).error.startswith("cancelled by")
    assert pool.purge(older_than=3600) == 0
    assert pool.purge() == 2
    assert pool.remove({"filter.n": 3}) == 1
    assert pool.remove() == 1
    assert pool.task_stat() == {}
    with pytest.raises(TaskNotFoundError):
        pool.re_query(ids[0])


def test_another_definition_for_a_task(pool):
    ids = pool.create_task(numbered(2))
    pool.replace_task({"_id": ids[0]}, {"def": {"n": "new"}, "priority": 4})
    pool.replace_task(ids[1], {"n": "newer"})
    assert [pool.fetch_task()["def"] for _ in range(2)] == [{"n": "new"}, {"n": "newer"}]


def test_a_listing_reads_no_definitions_unless_asked(pool):
    pool.create_task(numbered(1))
    (light,) = pool.query(decode=False)
    assert {"def", "filter", "res"}.isdisjoint(light)
    (full,) = pool.query()
    assert full["def"] == {"n": 0}


def test_a_pool_shows_itself(pool):
    pool.create_task(numbered(2))
    assert str(pool) == "pool: 2 waiting"
    assert "<td>2</td>" in pool._repr_html_()
    assert pool.store.url in repr(pool)


def test_a_recorder_as_a_result_is_found_again(pool, recording):
    with recording.start(experiment_name="e"):
        recording.save_objects(**{"pred.pkl": [1, 2]})
        recorder = recording.get_recorder()
        pool.create_task(numbered(1))
        task = pool.fetch_task()
        task.claim.note(recorder)
        assert pool.show(task["_id"]).recorder == pool.show(task["_id"]).recorder is not None
        pool.commit_task_res(task, recorder)
    result = pool.re_query(task["_id"])["res"]
    assert result == recorder
    assert result.id == recorder.id
    assert result.load_object("pred.pkl") == [1, 2]
    assert result.load().status == "FINISHED"
    assert pool.show(task["_id"]).attempts[0].recorder is not None


def test_a_commit_whose_answer_was_lost_may_be_said_again(pool, monkeypatch):
    """The store has it, but the caller only knows that the store went away."""
    pool.create_task([{"n": 1}])
    claim = pool.claim()
    real = pool.store.finish

    def lose_the_answer(*args):
        real(*args)
        raise StoreUnreachableError("The answer is lost.")

    monkeypatch.setattr(pool.store, "finish", lose_the_answer)
    with pytest.raises(StoreUnreachableError):
        claim.commit("once")
    monkeypatch.setattr(pool.store, "finish", real)
    claim.commit("once")
    assert pool.task_stat() == {"done": 1}
    with pytest.raises(StaleClaimError):
        claim.fail("too late")
