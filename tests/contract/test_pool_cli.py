"""``rollforward pool`` on both stores: what it prints, what it changes, how it ends."""

from __future__ import annotations

import io
import json
import sys
from types import SimpleNamespace

import pytest

from rollforward.cli.main import main
from rollforward.cli.pool import look, opened
from rollforward.errors import PoolQueryError, StoreUnreachableError
from rollforward.workflow.task.manage import TaskManager
from rollforward.workflow.task.pulse import Presence
from rollforward.workflow.task.references import RecorderRef
from rollforward.workflow.task.store.base import Owner


@pytest.fixture
def pool(task_store):
    return TaskManager("rolling")


@pytest.fixture
def ask(capsys):
    """Run an action; gives its exit code and its document."""

    def run(*arguments):
        code = main(["pool", *map(str, arguments), "--json"])
        out = capsys.readouterr().out
        return code, json.loads(out) if out else None

    return run


def fold(year):
    return {
        "model": {"class": "SklearnModel", "kwargs": {"estimator": "sklearn.linear_model.Ridge", "api_key": "hush"}},
        "dataset": {"kwargs": {"segments": {"test": (f"{year}-01-02", f"{year}-12-31")}}},
    }


def submit(pool, n=3):
    return [str(id_) for id_ in pool.create_task([fold(2000 + i) for i in range(n)])]


def fail(pool, error="no luck"):
    claim = pool.claim()
    claim.fail(ValueError(error), retry=False)
    return str(claim.id)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_the_pools_of_a_store(pool, ask):
    assert ask("list") == (0, [])
    submit(pool)
    TaskManager("other").create_task([{"n": 1}])
    code, found = ask("list")
    assert code == 0
    assert [(item["pool"], item["total"], item["counts"]["waiting"]) for item in found] == [
        ("other", 1, 1),
        ("rolling", 3, 3),
    ]


def test_the_tasks_of_a_pool(pool, ask):
    ids = submit(pool)
    failed = fail(pool)
    code, found = ask("list", "rolling")
    assert (code, [task["id"] for task in found]) == (0, ids)
    assert [task["status"] for task in found] == ["failed", "waiting", "waiting"]
    assert [task["id"] for task in ask("list", "rolling", "--status", "failed,done")[1]] == [failed]
    assert [task["id"] for task in ask("list", "rolling", "--limit", "2")[1]] == ids[:2]
    query = '{"filter.dataset.kwargs.segments.test": "2001-01-02"}'
    assert [task["id"] for task in ask("list", "rolling", "--filter", query)[1]] == [ids[1]]


def test_counts(pool, ask):
    submit(pool)
    fail(pool)
    pool.claim()
    code, found = ask("stat", "rolling")
    assert code == 0
    assert found["counts"] == {"waiting": 1, "running": 1, "part_done": 0, "done": 0, "failed": 1}
    assert (found["total"], found["workers"]) == (3, 0)
    assert ask("stat", "rolling", "--status", "failed")[1]["total"] == 1


def test_all_about_a_task(pool, ask, capsys):
    (first, *_) = submit(pool)
    claim = pool.claim()
    claim.fail("mongodb://me:hush@host/ said \x1b[31mno")
    pool.retry({"_id": first})
    code, found = ask("show", "rolling", first[-6:].upper())
    assert (code, found["id"], found["status"]) == (0, first, "waiting")
    assert [attempt["outcome"] for attempt in found["attempts"]] == ["error"]
    assert [event["what"] for event in found["events"]][:2] == ["submitted", "claimed"]
    assert found["definition"]["dataset"]["kwargs"]["segments"]["test"] == ["2000-01-02", "2000-12-31"]
    assert "hush" not in json.dumps(found)

    assert main(["pool", "show", "rolling", first]) == 0
    text = capsys.readouterr().out
    assert "Ridge 2000-01-02..2000-12-31" in text
    assert "mongodb://***@host/" in text
    assert "hush" not in text
    assert "\x1b" not in text


def test_a_task_that_ran_names_its_recorder(pool, ask, capsys):
    submit(pool, 1)
    claim = pool.claim()
    claim.commit(RecorderRef("4", "abc", "sqlite:///mlflow.db"))
    _, found = ask("show", "rolling", claim.id)
    recorder = {"experiment_id": "4", "id": "abc", "uri": "sqlite:///mlflow.db"}
    assert (found["result"], found["attempts"][0]["recorder"]) == (recorder, recorder)
    main(["pool", "show", "rolling", str(claim.id)])
    assert "abc of experiment 4 in sqlite:///mlflow.db" in capsys.readouterr().out


def test_an_id_that_names_no_task_or_several(pool, capsys):
    ids = submit(pool, 40)
    common = next(digit for digit in "0123456789abcdef" if sum(id_.endswith(digit) for id_ in ids) > 1)
    assert main(["pool", "show", "rolling", common]) == 1
    assert main(["pool", "show", "rolling", "zz"]) == 1
    said = capsys.readouterr().err
    assert "rollforward pool list rolling" in said
    assert "No tasks of the pool 'rolling' have an id that ends in 'zz'" in said


def test_workers_and_what_they_work_on(pool, ask, capsys):
    assert ask("workers", "rolling") == (0, [])
    submit(pool)
    busy, idle = Owner("busy", "a", 1), Owner("idle", "b", 2)
    with Presence(pool.store, busy).beating(), Presence(pool.store, idle, {"password": "hush"}).beating():
        claim = pool.claim(owner=busy)
        code, found = ask("workers", "rolling")
        main(["pool", "workers", "rolling"])
    assert code == 0
    by_name = {worker["worker"]: worker for worker in found}
    assert by_name["busy"]["tasks"] == [str(claim.id)]
    assert (by_name["idle"]["tasks"], by_name["idle"]["alive"], by_name["idle"]["pid"]) == ([], True, 2)
    assert by_name["idle"]["info"] == {"password": "***"}
    shown = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["busy", "Ridge", "2000-01-02..2000-12-31", "1", "0", "s"] in shown
    assert ["idle", "idle"] in shown


def test_retry(pool, ask):
    submit(pool)
    first, second = fail(pool), fail(pool)
    assert ask("retry", "rolling", second) == (0, {"pool": "rolling", "action": "retry", "tasks": 1})
    assert pool.task_stat() == {"waiting": 2, "failed": 1}
    assert ask("retry", "rolling")[1]["tasks"] == 1
    assert str(pool.claim().id) == first


def test_prioritize_leaves_what_has_ended(pool, ask):
    ids = submit(pool)
    failed = fail(pool)
    assert ask("prioritize", "rolling", "-3")[1]["tasks"] == 2
    assert ask("prioritize", "rolling", "7", ids[2])[1]["tasks"] == 1
    assert [pool.show(id_).priority for id_ in ids] == [0, -3, 7]
    assert pool.show(failed).events == ()


def test_cancel(pool, ask):
    ids = submit(pool)
    claim = pool.claim()
    assert ask("cancel", "rolling", ids[0], ids[1], "--yes")[1]["tasks"] == 2
    assert pool.task_stat() == {"waiting": 1, "failed": 2}
    assert "cancelled by" in pool.show(claim.id).error
    assert ask("cancel", "rolling", "--status", "done", "--yes")[1]["tasks"] == 0


def test_reset(pool, ask):
    submit(pool)
    pool.claim(lease=60)
    fail(pool)
    assert ask("reset", "rolling")[1]["tasks"] == 0
    assert ask("reset", "rolling", "--to", "waiting", "--yes")[1]["tasks"] == 3
    assert pool.task_stat() == {"waiting": 3}


def test_purge(pool, ask):
    submit(pool)
    fail(pool)
    pool.claim().commit(1)
    assert ask("purge", "rolling", "--older-than", "1h", "--yes")[1]["tasks"] == 0
    assert ask("purge", "rolling", "--status", "done", "--yes")[1]["tasks"] == 1
    assert ask("purge", "rolling", "--yes")[1]["tasks"] == 1
    assert pool.task_stat() == {"waiting": 1}
    assert ask("purge", "rolling", "--everything", "--yes")[1]["tasks"] == 1
    assert pool.task_stat() == {}


@pytest.mark.parametrize(
    "arguments", [["cancel"], ["purge"], ["purge", "--everything"], ["reset", "--to", "waiting"]], ids=" ".join
)
def test_what_cannot_be_taken_back_is_asked_first(pool, arguments, monkeypatch, capsys):
    submit(pool)
    fail(pool)
    before = pool.task_stat()
    action, *options = arguments
    command = ["pool", action, "rolling", *options]
    monkeypatch.setattr(sys, "stdin", io.StringIO("yes\n"))
    assert main(command) == 2
    assert "--yes" in capsys.readouterr().err
    monkeypatch.setattr(sys, "stdin", Terminal("\n"))
    assert main(command) == 1
    said = capsys.readouterr().err
    assert "1 failed" in said or "2 waiting" in said
    assert pool.task_stat() == before
    monkeypatch.setattr(sys, "stdin", Terminal("yes\n"))
    assert main(command) == 0
    assert pool.task_stat() != before


def test_wait_ends_when_all_is_done(pool, ask):
    submit(pool, 2)
    for _ in range(2):
        pool.claim().commit(1)
    code, found = ask("wait", "rolling", "--quiet")
    assert (code, found["outcome"], found["counts"]["done"]) == (0, "done", 2)


def test_wait_says_what_failed(pool, ask, capsys):
    submit(pool, 2)
    failed = fail(pool, "no \x1b[31mluck at mongodb://me:hush@host/")
    assert main(["pool", "wait", "rolling"]) == 3
    said = capsys.readouterr().err
    assert "ValueError: no" in said
    assert "hush" not in said
    assert "\x1b" not in said
    pool.claim().commit(1)
    code, found = ask("wait", "rolling", "--on-failed", "collect")
    assert (code, found["outcome"], [task["id"] for task in found["failed"]]) == (3, "failed", [failed])
    assert ask("wait", "rolling", "--status", "done")[0] == 0


def test_wait_no_longer_than_it_may(pool, ask):
    submit(pool, 1)
    code, found = ask("wait", "rolling", "--timeout", "0.01")
    assert (code, found["outcome"]) == (4, "timeout")


def test_waiting_for_nothing_is_a_mistake(pool, capsys):
    submit(pool, 1)
    assert main(["pool", "wait", "rolling", "--status", "failed"]) == 1
    assert "No task is chosen" in capsys.readouterr().err


@pytest.mark.parametrize("action", ["stat", "list", "wait", "retry", "purge"])
def test_a_mistyped_pool_is_no_empty_pool(pool, action, capsys):
    submit(pool, 1)
    assert main(["pool", action, "roling"]) == 1
    assert "Did you mean 'rolling'?" in capsys.readouterr().err


def test_a_query_that_cannot_be_answered_changes_nothing(pool):
    submit(pool, 1)
    with pytest.raises(PoolQueryError, match=r"\$near"):
        main(["pool", "cancel", "rolling", "--yes", "--traceback", "--filter", '{"filter.a": {"$near": 1}}'])
    assert pool.task_stat() == {"waiting": 1}


def test_watching_writes_a_line_for_each_change(pool, capsys, monkeypatch):
    """What happens meanwhile is made to happen between two looks."""
    submit(pool, 3)
    steps = [lambda: None, lambda: fail(pool), lambda: pool.claim().commit(1), lambda: pool.claim().commit(2)]
    _between_looks(monkeypatch, steps)
    assert main(["pool", "watch", "rolling", "--until-done"]) == 3
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition("rolling: ")[2].partition(" ended")[0] for line in lines if "ended:" in line] == [
        "0/3",
        "1/3",
        "2/3",
        "3/3",
    ]
    assert [line for line in lines if " failed: " in line and "ValueError: no luck" in line]
    assert "no worker is alive: rollforward worker rolling" in lines[0]


def test_watching_as_documents(pool, capsys, monkeypatch):
    submit(pool, 2)
    _between_looks(monkeypatch, [lambda: pool.claim().commit(1), lambda: pool.claim().commit(2)])
    assert main(["pool", "watch", "rolling", "--until-done", "--json"]) == 0
    documents = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [document["counts"]["done"] for document in documents] == [0, 1, 2]
    assert documents[0]["rate"] is None
    assert documents[1]["rate"] > 0
    assert documents[2]["seconds_left"] == 0


def _between_looks(monkeypatch, steps):
    from rollforward.cli.pool import watch

    left = iter(steps)
    monkeypatch.setattr(watch, "time", SimpleNamespace(sleep=lambda _: next(left)()))


def test_ctrl_c_ends_watching(pool, monkeypatch):
    submit(pool, 1)

    def interrupt():
        raise KeyboardInterrupt

    _between_looks(monkeypatch, [interrupt, interrupt])
    assert main(["pool", "watch", "rolling"]) == 0
    assert main(["pool", "watch", "rolling", "--until-done"]) == 130


def test_a_notebook_shows_a_table(pool):
    submit(pool)
    fail(pool, "<b>no</b>")
    claim = pool.claim()
    shown = pool._repr_html_()
    assert "<td>1</td>" in shown
    assert "Ridge 2001-01-02..2001-12-31" in shown
    assert claim.task.owner.worker in shown
    assert "&lt;b&gt;no" in shown
    assert "<b>" not in shown


@pytest.mark.parametrize("words", [("list",), ("list", "rolling"), ("stat", "rolling")])
def test_nobody_at_a_keyboard_waits_long_for_a_server(words, monkeypatch):
    """A program waits for minutes; see `open_store`."""
    asked = []

    def refuse(pool, address, *, patience=None):
        asked.append(patience)
        raise StoreUnreachableError("It does not answer.")

    for module in (look, opened):
        monkeypatch.setattr(module, "open_store", refuse)
    assert main(["pool", *words, "--store", "mongodb://nowhere/"]) == 1
    assert asked == [opened.PATIENCE]
