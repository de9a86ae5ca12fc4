"""What a look at a pool says, and how it is drawn."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from rollforward.cli.pool.shown import Lines, Screen, screen
from rollforward.errors import StoreUnreachableError
from rollforward.workflow.task.manage import TaskManager
from rollforward.workflow.task.overview import Failure, Overview, Pace, Viewer, Work, clean, label_of, pool_card, spell
from rollforward.workflow.task.store.base import STATUSES, Owner, Worker

NOW = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)


def overview(n_running=0, n_idle=0, n_failures=0, **counts):
    work = [
        Work(f"{i:024x}", f"Ridge {i}", 1, f"host:{i}", "host", i, 65.0, is_dropped=False) for i in range(n_running)
    ]
    idle = [Worker(Owner(f"idle:{i}", "b", i), {}, NOW, NOW, is_alive=True) for i in range(n_idle)]
    failed = [Failure(f"{i:024x}", 3, f"ValueError: {'long ' * 40}", 125.0) for i in range(n_failures)]
    return Overview("rolling", "sqlite:////a.db", NOW, {s: counts.get(s, 0) for s in STATUSES}, work, idle, failed)


def pace_of(*looks):
    pace = Pace()
    for now, counts in looks:
        pace.see(overview(**counts), now)
    return pace


def drawn(found, pace, height, width=100):
    console = Console(file=io.StringIO(), force_terminal=True, width=width, height=height, color_system=None)
    console.print(screen(found, pace, height))
    return console.file.getvalue().splitlines()


def test_pace():
    pace = pace_of((0, {"waiting": 10}), (10, {"waiting": 5, "done": 4, "failed": 1}))
    assert (pace.rate, pace.seconds_left) == (0.5, 10.0)


def test_no_pace_before_something_has_ended():
    assert pace_of((0, {"waiting": 10})).rate is None
    assert pace_of((0, {"waiting": 10}), (5, {"waiting": 10})).seconds_left is None


def test_the_time_before_the_first_worker_came_does_not_count():
    pace = pace_of(
        (0, {"waiting": 10}),
        (99, {"waiting": 10}),
        (100, {"waiting": 9, "running": 1}),
        (109, {"waiting": 9, "done": 1}),
    )
    assert pace.rate == pytest.approx(0.1)


def test_pace_begins_anew_when_tasks_are_retried_or_deleted():
    pace = pace_of((0, {"done": 10}), (1, {"done": 20}), (2, {"waiting": 15, "done": 5}))
    assert pace.rate is None
    pace.see(overview(waiting=14, done=6), 3)
    assert pace.rate == 1.0


def test_pace_forgets_what_was_long_ago():
    pace = pace_of((0, {"waiting": 100}), (1, {"waiting": 0, "done": 100}))
    for second in range(1, 700):
        pace.see(overview(waiting=1000, done=100 + second), 10.0 * second)
    assert pace.rate == pytest.approx(0.1)


@pytest.mark.parametrize("height", [10, 16, 24, 50])
def test_the_screen_fits_the_terminal(height):
    found = overview(n_running=80, n_failures=5, waiting=100, running=80, done=3, failed=5)
    lines = drawn(found, pace_of((0, {"waiting": 100})), height)
    assert len(lines) < height
    assert max(map(len, lines)) <= 100
    assert any("more" in line for line in lines)


def test_the_screen_says_what_there_is():
    found = overview(n_running=1, n_idle=1, n_failures=1, waiting=5, running=1, done=3, failed=1)
    lines = drawn(found, pace_of((0, {"waiting": 10}), (10, {"waiting": 5, "running": 1, "done": 4})), 40)
    text = "\n".join(lines)
    assert "rolling" in lines[0]
    assert "4/10 ended: 5 waiting, 1 running, 3 done, 1 failed" in text
    assert "24 a minute, about 15 s left" in text
    assert ["host:0", "Ridge", "0", "1", "1", "min", "05", "s"] in [line.split() for line in lines]
    assert ["idle:0", "idle"] in [line.split() for line in lines]
    (failed,) = [line for line in lines if "ValueError" in line]
    assert f"{0:024x}" in failed
    assert failed.rstrip().endswith("2 min 05 s ago")


def test_without_a_worker_the_screen_says_how_to_start_one():
    text = "\n".join(drawn(overview(waiting=1), pace_of((0, {"waiting": 1})), 24))
    assert "no worker is alive: rollforward worker rolling" in text


def test_a_store_that_does_not_answer_is_said_and_the_last_look_stays(capsys):
    error = StoreUnreachableError("mongodb://me:hush@h/ is away.")
    console = Console(file=io.StringIO(), force_terminal=True, width=120, height=20)
    with Screen(console, "mongodb://***@h/") as shown:
        shown.lose(error)
        shown.show(overview(waiting=7), pace_of((0, {"waiting": 7})))
        shown.lose(error)
    assert "has not answered for 0 s" in console.file.getvalue()
    assert "7 waiting" in console.file.getvalue().rpartition("has not answered")[2]
    assert "hush" not in console.file.getvalue()

    with Lines("mongodb://***@h/") as lines:
        lines.lose(error)
        lines.lose(error)
        for _ in range(2):
            lines.show(overview(waiting=7), pace_of((0, {"waiting": 7})))
    out = capsys.readouterr().out.splitlines()
    assert len(out) == 2
    assert "does not answer" in out[0]
    assert "hush" not in out[0]


def test_a_notebook_is_shown_why_there_is_nothing_to_show(tmp_path):
    (tmp_path / "tasks.db").write_text("no database" * 1000)
    pool = TaskManager("rolling", tmp_path / "tasks.db")
    assert "not read" in pool._repr_html_()
    assert "rolling" in pool_card(pool.store).text


def test_a_definition_is_read_once(tmp_path):
    pool = TaskManager("rolling", tmp_path / "tasks.db")
    pool.create_task([{"n": 1}, {"n": 2}])
    read = []

    class Counting:
        def __getattr__(self, name):
            return getattr(pool.store, name)

        def find(self, query, *, bodies=False, limit=None):
            found = list(pool.store.find(query, bodies=bodies, limit=limit))
            read.extend(task.id for task in found if bodies)
            return found

    viewer, first = Viewer(Counting()), pool.claim()
    viewer.look()
    viewer.look()
    assert read == [first.id]
    second = pool.claim()
    assert [work.label for work in viewer.look().running] == ['{"n": 1}', '{"n": 2}']
    assert read == [first.id, second.id]


@pytest.mark.parametrize(
    ("definition", "label"),
    [
        ({"model": {"class": "a.b.LGBModel"}}, "LGBModel"),
        ({"model": {"class": "S", "kwargs": {"estimator": {"class": "x.Ridge"}}}}, "Ridge"),
        (
            {"model": "m.Ridge", "dataset": {"kwargs": {"segments": {"test": ["2020-01-02T00:00:00", None]}}}},
            "Ridge 2020-01-02..",
        ),
        ({"model": {"class": "M"}, "dataset": {"kwargs": {"segments": {"test": "2020"}}}}, "M"),
        ({"url": "mongodb://a:hush@b"}, '{"url": "mongodb://***@b"}'),
        ({"a": "x" * 100}, '{"a": "' + "x" * 52 + "…"),
        (None, ""),
        ({}, "{}"),
    ],
)
def test_what_a_task_is_about(definition, label):
    assert label_of(definition) == label


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (3725, "1 h 02 min"), (2 * 86400 + 4 * 3600, "2 d 4 h")],
)
def test_lengths_of_time(seconds, text):
    assert spell(seconds) == text


def test_clean_texts():
    assert clean("a\n  b\x1b[31m https://me:hush@h/") == "a b�[31m https://***@h/"


def test_ages_are_by_the_clock_of_the_store(tmp_path, monkeypatch):
    pool = TaskManager("rolling", tmp_path / "tasks.db")
    pool.create_task([{"n": 1}])
    claim = pool.claim(lease=10)
    later = claim.task.started_at + timedelta(seconds=90)
    monkeypatch.setattr(pool.store, "now", lambda: later)
    (work,) = Viewer(pool.store).look().running
    assert (round(work.seconds), work.is_dropped) == (90, True)
