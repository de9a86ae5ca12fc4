from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading

import pytest

from rollforward.instantiate import init_instance_by_config
from rollforward.log import (
    TimeInspector,
    get_module_logger,
    set_global_logger_level,
    set_global_logger_level_cm,
)

TIMER = "rollforward.timer"


@pytest.fixture(autouse=True)
def _quiet_again():
    root = logging.getLogger("rollforward")
    level, handlers = root.level, list(root.handlers)
    yield
    root.setLevel(level)
    root.handlers[:] = handlers


@pytest.fixture
def clock(monkeypatch):
    """A clock that is set by hand, in seconds."""

    class Clock:
        now = 100.0

    monkeypatch.setattr("rollforward.log.time.perf_counter", lambda: Clock.now)
    return Clock


def test_a_block_is_timed_and_logged(caplog, clock):
    caplog.set_level(logging.INFO, TIMER)

    with TimeInspector.logt("fit", show_start=True):
        clock.now += 1.5

    assert caplog.messages == ["fit Begin", "Time cost: 1.500s | fit Done"]


def test_the_begin_is_silent_by_default(caplog, clock):
    caplog.set_level(logging.INFO, TIMER)

    with TimeInspector.logt("fit"):
        clock.now += 0.25

    assert caplog.messages == ["Time cost: 0.250s | fit Done"]


def test_a_block_that_fails_is_timed_too(caplog, clock):
    caplog.set_level(logging.INFO, TIMER)

    def fit():
        clock.now += 2
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"), TimeInspector.logt("fit", metric="seconds"):
        fit()

    assert caplog.messages == ["Time cost: 2.000s | fit Failed"]


def test_marks_are_a_stack(clock):
    TimeInspector.set_time_mark()
    clock.now += 1
    TimeInspector.set_time_mark()
    clock.now += 2

    assert TimeInspector.get_cost_time() == 2
    assert TimeInspector.get_cost_time() == 3
    with pytest.raises(IndexError, match="set_time_mark"):
        TimeInspector.get_cost_time()


def test_a_mark_is_the_time_of_day(monkeypatch):
    monkeypatch.setattr("rollforward.log.time.time", lambda: 1_700_000_000.0)

    assert TimeInspector.set_time_mark() == 1_700_000_000.0
    assert TimeInspector.pop_time_mark() == 1_700_000_000.0


def test_the_newest_mark_is_logged(caplog, clock):
    caplog.set_level(logging.INFO, TIMER)
    TimeInspector.set_time_mark()
    clock.now += 0.125

    TimeInspector.log_cost_time("Loading")

    assert caplog.messages == ["Time cost: 0.125s | Loading"]


def test_threads_do_not_see_each_others_marks():
    TimeInspector.set_time_mark()
    errors = []

    def other():
        try:
            TimeInspector.pop_time_mark()
        except IndexError as error:
            errors.append(error)

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()

    assert len(errors) == 1
    TimeInspector.pop_time_mark()


def test_asyncio_tasks_do_not_see_each_others_marks(clock):
    costs = {}

    async def work(name, first, second):
        TimeInspector.set_time_mark()
        first.set()
        await second.wait()
        costs[name] = TimeInspector.get_cost_time()

    async def main():
        one, two = asyncio.Event(), asyncio.Event()
        a = asyncio.create_task(work("a", one, two))
        await one.wait()
        clock.now += 5
        b = asyncio.create_task(work("b", two, one))
        await asyncio.gather(a, b)

    asyncio.run(main())

    assert costs == {"a": 5, "b": 0}


def test_a_block_is_not_confused_by_marks_inside_it(caplog, clock):
    caplog.set_level(logging.INFO, TIMER)

    with TimeInspector.logt("outer"):
        TimeInspector.set_time_mark()
        clock.now += 1

    assert caplog.messages == ["Time cost: 1.000s | outer Done"]
    TimeInspector.pop_time_mark()


def test_the_seconds_are_a_metric_of_the_active_recorder(recording, clock):
    with recording.start(experiment_name="timed"):
        with TimeInspector.logt("fit", metric="seconds_fit", step=3):
            clock.now += 1.5
        TimeInspector.set_time_mark()
        clock.now += 0.5
        TimeInspector.log_cost_time(metric="seconds_report")
        with pytest.raises(KeyError), TimeInspector.logt("fit", metric="seconds_failed"):
            raise KeyError
        recorder = recording.get_recorder()

    assert recorder.list_metrics() == {"seconds_fit": 1.5, "seconds_report": 0.5}


def test_a_time_that_cannot_be_logged_spoils_nothing(recording, caplog):
    with recording.start(experiment_name="timed"), TimeInspector.logt("fit", metric="seconds@fit"):
        pass

    assert "'seconds@fit'" in caplog.text


def test_without_a_recorder_no_run_is_started_and_mlflow_is_not_imported():
    code = (
        "import sys\n"
        "from rollforward.log import TimeInspector\n"
        "with TimeInspector.logt('fit', metric='seconds'): pass\n"
        "sys.exit('mlflow' in sys.modules or 'pandas' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_loggers_are_below_rollforward():
    assert get_module_logger("workflow").name == "rollforward.workflow"
    assert get_module_logger("rollforward.workflow").name == "rollforward.workflow"
    assert get_module_logger("rollforwards").name == "rollforward.rollforwards"
    assert get_module_logger("mine", logging.ERROR).level == logging.ERROR


def test_one_call_shows_what_is_logged():
    code = (
        "import logging\n"
        "from rollforward.log import TimeInspector, set_global_logger_level, set_global_logger_level_cm\n"
        "with TimeInspector.logt('silent'): pass\n"
        "with set_global_logger_level_cm('INFO'):\n"
        "    with TimeInspector.logt('shown'): pass\n"
        "with TimeInspector.logt('silent'): pass\n"
        "set_global_logger_level(logging.INFO); set_global_logger_level(logging.INFO)\n"
        "with TimeInspector.logt('again'): pass\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    lines = done.stderr.splitlines()
    assert [line.rsplit(" | ")[1] for line in lines] == ["shown Done", "again Done"]
    assert all("INFO - rollforward.timer" in line for line in lines)


def test_logging_of_the_program_is_left_alone(caplog):
    set_global_logger_level(logging.WARNING)  # the capture of the test is a handler already

    assert logging.getLogger("rollforward").handlers == []
    with set_global_logger_level_cm(logging.DEBUG):
        assert get_module_logger("x").isEnabledFor(logging.DEBUG)
    assert not get_module_logger("x").isEnabledFor(logging.INFO)


def test_qlibs_path_leads_here(tmp_path):
    found = init_instance_by_config({"class": "TimeInspector", "module_path": "qlib.log"})

    assert type(found) is TimeInspector
