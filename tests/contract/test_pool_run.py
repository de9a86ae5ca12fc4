"""Working on a pool in this process, on both stores."""

import logging
import os
import time

import pytest

from rollforward.errors import PoolError
from rollforward.workflow.task.manage import TaskManager, run_task
from rollforward.workflow.task.store.query import EVERYTHING


@pytest.fixture
def pool(task_store):
    return TaskManager("pool")


def submit(pool, n):
    return pool.create_task([{"n": i} for i in range(n)])


def results(pool):
    return [task.get("res") for task in pool.query()]


def test_all_tasks_are_run_in_order_with_their_arguments(pool):
    submit(pool, 3)
    seen = []

    def work(definition, factor):
        seen.append(definition["n"])
        assert pool.workers()[0].is_alive
        return definition["n"] * factor

    assert run_task(work, "pool", factor=10) is True
    assert seen == [0, 1, 2]
    assert results(pool) == [0, 10, 20]
    assert run_task(work, "pool", factor=10) is False
    assert pool.workers() == []


def test_only_the_tasks_that_are_asked_for(pool):
    ids = submit(pool, 3)
    run_task(lambda definition: "ran", "pool", {"_id": {"$in": [str(ids[1])]}})
    assert results(pool) == [None, "ran", None]


def test_two_steps(pool):
    submit(pool, 2)
    run_task(lambda definition: {"prepared": definition["n"]}, "pool", after_status="part_done")
    assert pool.task_stat() == {"part_done": 2}
    run_task(lambda result: result["prepared"] + 5, "pool", before_status="part_done")
    assert results(pool) == [5, 6]


def test_a_failing_task_is_tried_again_and_does_not_stop_the_others(pool, caplog):
    submit(pool, 3)
    calls = []

    def work(definition):
        calls.append(definition["n"])
        if definition["n"] == 0 or (definition["n"] == 1 and calls.count(1) == 1):
            raise ValueError("no luck")
        return definition["n"]

    with caplog.at_level(logging.ERROR):
        assert run_task(work, "pool", max_attempts=2, backoff=0.01)
    assert sorted(calls) == [0, 0, 1, 1, 2]
    assert pool.task_stat() == {"done": 2, "failed": 1}
    assert "no luck" in caplog.text


def test_a_result_that_is_no_data_fails_the_task_once(pool):
    submit(pool, 1)
    calls = []

    def work(definition):
        calls.append(definition)
        return object()

    run_task(work, "pool", backoff=0)
    assert len(calls) == 1
    (task,) = pool.wait(on_failed="collect")
    assert "an object of type builtins.object cannot be stored" in task.error


@pytest.mark.parametrize("signal", [KeyboardInterrupt, SystemExit])
def test_an_interrupted_task_is_given_back(pool, signal):
    submit(pool, 1)

    def work(definition):
        raise signal

    with pytest.raises(signal):
        run_task(work, "pool")
    (task,) = pool.store.find(EVERYTHING)
    assert (task.status, task.tries, task.attempts[0].outcome) == ("waiting", 0, "returned")
    assert pool.workers() == []


def test_ctrl_c_ends_the_loop_even_if_the_task_was_taken_away(pool):
    submit(pool, 1)

    def work(definition):
        pool.reset_status({}, "waiting")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_task(work, "pool")
    assert pool.task_stat() == {"waiting": 1}


def test_the_lease_is_renewed_while_a_task_runs(pool):
    ids = submit(pool, 1)

    def work(definition):
        first = pool.show(ids[0]).available_at
        deadline = time.monotonic() + 120
        while pool.show(ids[0]).available_at == first:
            assert pool.claim() is None
            assert time.monotonic() < deadline
        return os.getpid()

    run_task(work, "pool", lease=6)
    assert results(pool) == [os.getpid()]
    assert pool.show(next(pool.query())["_id"]).attempt == 1


def test_the_result_of_a_task_that_was_taken_away_is_dropped(pool, caplog):
    submit(pool, 1)
    runs = []

    def work(definition):
        runs.append(definition)
        if len(runs) == 1:
            pool.reset_status({}, "waiting")
        return len(runs)

    run_task(work, "pool")
    assert results(pool) == [2]
    assert "the result is dropped" in caplog.text


def test_a_process_for_each_task(pool):
    submit(pool, 1)
    # A function of an installed module: the new process imports no test.
    run_task(len, "pool", force_release=True)
    assert results(pool) == [1]


def test_only_tasks_that_can_be_claimed_are_run(pool):
    with pytest.raises(PoolError, match="'done'"):
        run_task(len, "pool", before_status="done")
