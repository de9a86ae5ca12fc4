"""``rollforward pool`` as a process: on a terminal, into a pipe that is closed, with a server that goes away."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rollforward.workflow.task.manage import TaskManager

SOURCE = Path(__file__).resolve().parents[2] / "src"


@pytest.fixture
def start(tmp_path):
    """Start ``rollforward pool``; what still runs at the end is ended."""
    processes = []

    def run(*arguments, **options):
        command = [sys.executable, "-u", "-m", "rollforward", "pool", *arguments]
        variables = os.environ | {"PYTHONPATH": str(SOURCE), "TERM": "xterm", "COLUMNS": "100", "LINES": "24"}
        processes.append(subprocess.Popen(command, cwd=tmp_path, env=variables, **options))
        return processes[-1]

    yield run
    for process in processes:
        process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def read_until(terminal, text):
    seen = b""
    while text not in seen:
        seen += os.read(terminal, 4096)
    return seen


def read_to_the_end(terminal, process):
    """Read while the process lives, and what it has left; somebody has to keep the other side of the terminal open."""
    seen = b""
    while (is_alive := process.poll() is None) or select.select([terminal], [], [], 0)[0]:
        if select.select([terminal], [], [], 0.05 if is_alive else 0)[0]:
            seen += os.read(terminal, 4096)
    return seen


def test_a_terminal_is_drawn_anew_until_ctrl_c(tmp_path, start):
    pool = TaskManager("rolling", tmp_path / "tasks.db")
    pool.create_task([{"n": i} for i in range(2)])
    terminal, inside = pty.openpty()
    command = ("watch", "rolling", "--store", "tasks.db", "--interval", "0.05")
    process = start(*command, stdout=inside, stdin=inside, stderr=subprocess.PIPE)
    read_until(terminal, b"0/2 ended: 2 waiting")
    claim = pool.claim()
    read_until(terminal, b'{"n": 0}')
    claim.fail("no luck", retry=False)
    seen = read_until(terminal, b"no luck")
    assert b"\x1b[1A" in seen  # drawn over what was there
    os.write(terminal, b"\x03")
    process.send_signal(signal.SIGINT)
    last = read_to_the_end(terminal, process)
    assert (process.returncode, process.stderr.read()) == (0, b"")
    assert b"\x1b[?25h" in last  # the cursor is there again
    os.close(terminal)
    os.close(inside)


def test_a_reader_that_has_seen_enough(tmp_path, start):
    TaskManager("rolling", tmp_path / "tasks.db").create_task([{"n": i} for i in range(2000)])
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = start("list", "rolling", "--store", "tasks.db", "--limit", "2000", "--json", **options)
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(120) == 141


@pytest.mark.xdist_group("server")
def test_a_server_that_goes_away_and_comes_back(own_mongod, start):
    pool = TaskManager("rolling", own_mongod.url)
    pool.create_task([{"n": 1}])
    command = ("watch", "rolling", "--store", own_mongod.url, "--interval", "0.1", "--until-done", "--json")
    process = start(*command, stdout=subprocess.PIPE, text=True)
    assert json.loads(process.stdout.readline())["counts"]["waiting"] == 1
    own_mongod.kill()
    lines = map(json.loads, process.stdout)
    assert "127.0.0.1" in next(line["error"] for line in lines if "error" in line)
    own_mongod.start()
    # Until it is back the error may be another one, which is said too.
    assert next(line["counts"] for line in lines if "counts" in line)["waiting"] == 1
    pool.claim().commit(1)
    assert process.wait(120) == 0
    assert json.loads(process.stdout.readlines()[-1])["counts"]["done"] == 1
