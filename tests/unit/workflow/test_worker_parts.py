"""What a worker is told, and what it makes of it."""

import os

import pytest

from rollforward.cli.main import build_parser, main
from rollforward.errors import PoolError
from rollforward.workflow.task.manage import TaskManager
from rollforward.workflow.worker import Worker
from rollforward.workflow.worker.finding import find_function
from rollforward.workflow.worker.memory import parse_size, resident, spelled


@pytest.mark.parametrize(("text", "size"), [("500", 500), ("1k", 1024), ("1.5 GB", 1610612736), ("2GiB", 2**31)])
def test_sizes_are_read(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "0", "-1", "2X", "many", "1G2"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(ValueError, match="no amount of memory"):
        parse_size(text)


def test_memory_is_measured_and_spelled():
    assert resident(os.getpid()) > 1_000_000
    assert resident(2**22 + 1) == 0
    assert [spelled(size) for size in (5, 2048, 3 * 2**20, 5 * 2**30)] == ["5 B", "2 KiB", "3 MiB", "5 GiB"]


def test_functions_are_found_by_name():
    assert find_function("os.path:join") is os.path.join
    assert find_function("os.path.join") is os.path.join
    assert find_function(len) is len
    for name in ("join", "os.path:missing", "no_such_module:f", "os:sep"):
        with pytest.raises(PoolError):
            find_function(name)


@pytest.mark.parametrize(
    "options", [{"n": 0}, {"lease": 0}, {"poll": 0}, {"max_attempts": 0}, {"grace": -1}, {"before_status": "done"}]
)
def test_impossible_options_are_refused(options, tmp_path):
    with pytest.raises(PoolError):
        Worker("pool", len, store=tmp_path / "tasks.db", **options)


def test_the_command_line_reads_amounts_and_times():
    given = build_parser().parse_args(
        ["worker", "pool", "-n", "4", "--memory-limit", "2G", "--timeout", "5m", "--filter", '{"status": "waiting"}']
    )
    assert (given.n, given.memory_limit, given.timeout, given.filter) == (4, 2**31, 300.0, {"status": "waiting"})
    with pytest.raises(SystemExit):
        build_parser().parse_args(["worker", "pool", "--memory-limit", "lots"])


def test_the_program_runs_one_task_and_what_is_wrong_with_it_is_said(tmp_path, capsys):
    store = str(tmp_path / "tasks.db")
    pool = TaskManager("pool", store)
    pool.create_task([{"a": 1}, {"b": 2, "c": 3}])
    assert main(["worker", "pool", "--store", store, "--train-func", "builtins:len", "--once"]) == 0
    assert [task.get("res") for task in pool.query()] == [1, None]
    assert main(["worker", "pool", "--store", store, "--train-func", "builtins:missing"]) == 1
    assert "no function 'missing'" in capsys.readouterr().err
