"""Ctrl-C at commands that take long: one line, exit 130, no traceback; the run that was open is KILLED."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
import yaml

import conftest
from rollforward import settings
from rollforward.workflow import R
from rollforward.workflow.task.manage import TaskManager

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 120.0
MODEL = """
import pathlib, time
from sklearn.linear_model import LinearRegression

class Sleeper(LinearRegression):
    def fit(self, *_, **__):
        pathlib.Path("asleep").touch()
        time.sleep(600)
"""


@pytest.fixture
def program(tmp_path):
    """Start a command with a group of processes of its own, as a shell does; what still runs at the end is killed."""
    (tmp_path / "slow.py").write_text(MODEL)
    started = []

    def start(*words):
        variables = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{tmp_path}", "PYTHONUNBUFFERED": "1"}
        started.append(
            subprocess.Popen(
                [sys.executable, "-m", "rollforward", *words],
                cwd=tmp_path,
                env=variables,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        )
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def until(seen, process):
    """Wait until something is to be seen, while the process runs."""
    deadline = time.monotonic() + PATIENCE
    while not seen():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            pytest.fail(f"it ended with {process.returncode}: {process.communicate()}")
        with_process(process)


def with_process(process):
    """Let the process have the processor for a moment."""
    try:
        process.wait(0.05)
    except subprocess.TimeoutExpired:
        return


def interrupted(process):
    """Press Ctrl-C: all processes of the group get the signal. Gives the exit code and what was said last."""
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE)
    assert "Traceback" not in err
    assert "KeyboardInterrupt" not in err
    lines = err.strip().splitlines()
    return process.returncode, lines[-1] if lines else ""


def workflow(tmp_path, *, rolling):
    document = yaml.safe_load((ROOT / "examples" / "rolling_sp500.yaml").read_text())
    document["task"]["model"]["kwargs"] = {"estimator": "slow.Sleeper"}
    if not rolling:
        del document["rolling"]
        document["task"]["dataset"]["kwargs"]["segments"]["test"] = ["1998-01-02", "1998-12-31"]
    (tmp_path / "slow.yaml").write_text(yaml.safe_dump(document))


def statuses(uri):
    settings.init(uri=uri)
    return R.search_records()["status"].tolist()


@pytest.mark.parametrize("rolling", [False, True], ids=["task", "job"])
def test_run(program, tmp_path, tracking_uri, rolling):
    workflow(tmp_path, rolling=rolling)
    process = program("run", "slow.yaml", "--uri", tracking_uri)
    until((tmp_path / "asleep").exists, process)
    code, line = interrupted(process)
    assert (code, line.split(";")[0]) == (130, "rollforward: interrupted")
    assert set(statuses(tracking_uri)) == {"KILLED"}


def test_run_through_a_pool(program, tmp_path, tracking_uri):
    """The worker that it started gives its task back, and ends."""
    workflow(tmp_path, rolling=True)
    process = program("run", "slow.yaml", "--uri", tracking_uri, "--pool", "sqlite:///tasks.db", "-n", "1")
    until((tmp_path / "asleep").exists, process)
    code, line = interrupted(process)
    assert (code, line.split(";")[0]) == (130, "rollforward: interrupted")
    assert TaskManager("rollforward_demo", tmp_path / "tasks.db").task_stat().get("running", 0) == 0
    assert "RUNNING" not in statuses(tracking_uri)


def test_online_first_train(program, tmp_path, tracking_uri):
    document = yaml.safe_load((ROOT / "examples" / "online.yaml").read_text())
    document["strategies"]["ridge"]["task"]["model"]["kwargs"] = {"estimator": "slow.Sleeper"}
    del document["strategies"]["linear"]
    (tmp_path / "online.yaml").write_text(yaml.safe_dump(document))
    process = program("online", "first-train", "online.yaml", "--uri", tracking_uri, "--quiet")
    until((tmp_path / "asleep").exists, process)
    code, line = interrupted(process)
    assert (code, line) == (130, "rollforward: interrupted; the same command goes on.")
    assert "RUNNING" not in [
        status for status, name in zip(statuses(tracking_uri), R.search_records()["run_name"], strict=True)
        if name.startswith("SklearnModel")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("worker", "rolling", "--quiet"), 0, ""),
        (("pool", "watch", "rolling", "--interval", "0.1"), 0, ""),
        (("pool", "watch", "rolling", "--interval", "0.1", "--until-done"), 130, ""),
        (("pool", "wait", "rolling"), 130, "rollforward: no longer waiting; the tasks go on."),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_waits_for_others(program, tmp_path, words, code, says):
    pool = TaskManager("rolling", tmp_path / "tasks.db")
    pool.create_task([{"n": 1}])
    is_worker = words[0] == "worker"
    claim = pool.claim()  # so that nobody has anything to do
    process = program(*words, "--store", "sqlite:///tasks.db")
    if is_worker:
        until(pool.workers, process)
    else:
        # The first line it writes: on which there is no traceback any more.
        (process.stdout if words[1] == "watch" else process.stderr).readline()
    assert interrupted(process) == (code, says)
    claim.commit(1)


def test_pages(program, tracking_uri, tmp_path):
    free_port = conftest.free_port()
    process = program("ui", "--uri", tracking_uri, "--port", str(free_port))

    def answers():
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{free_port}/health", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    until(answers, process)
    assert interrupted(process)[0] == 0
