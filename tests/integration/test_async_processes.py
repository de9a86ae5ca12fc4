"""What is in the store when a process that logs in the background ends, in whichever way: real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rollforward import settings
from rollforward.testing import copy_store, release_store
from rollforward.workflow import R

SOURCE = Path(__file__).resolve().parents[2] / "src"
PREAMBLE = """
import multiprocessing, os, signal, sys, threading, time
from rollforward.workflow import R

def compute(seconds):
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        sum(range(100))

"""
SCRIPTS = {
    "killed": """
with R.start():
    step = 0
    while True:
        step += 1
        R.log_metrics(step=step, called=time.time(), **{f"m{n}": 1.0 for n in range(9)})
        print(f"{step} {time.time()}", flush=True)
        compute(0.002)
""",
    "sigterm": """
with R.start():
    for step in range(1, 100_000):
        R.log_metrics(step=step, x=step)
        print(step, flush=True)
        compute(0.002)
""",
    "open at exit": """
R.start_exp()
recorder = R.get_recorder()
for step in range(1, 2001):
    R.log_metrics(step=step, x=step)
print(2000)
""",
    "default run at exit, from a thread": """
def work():
    for step in range(1, 501):
        R.log_metrics(step=step, x=step)

thread = threading.Thread(target=work)
thread.start()
thread.join()
print(500)
""",
    "first logged at exit": """
import atexit
R.start_exp()
atexit.register(lambda: R.log_metrics(step=1, x=1))
print(1)
""",
    "forked": """
with R.start():
    recorder = R.get_recorder()
    R.log_metrics(step=1, x=1)

    def work():
        assert recorder._writer._queue._given == 0
        recorder.log_metrics(step=3, child=3)

    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join()
    assert process.exitcode == 0
    for step in range(2, 101):
        R.log_metrics(step=step, x=step)
    assert recorder.list_metrics()["child"] == 3
print(100)
""",
    "forked beside logging threads": """
with R.start():
    recorder = R.get_recorder()
    stop = threading.Event()

    def log(n):
        step = 0
        while not stop.is_set():
            step += 1
            recorder.log_metrics(step=step, **{f"t{n}": step})
            time.sleep(0.0005)

    threads = [threading.Thread(target=log, args=(n,), daemon=True) for n in range(4)]
    for thread in threads:
        thread.start()
    for n in range(5):
        pid = os.fork()
        if pid == 0:
            signal.alarm(40)
            recorder.log_metrics(**{f"c{n}": n})
            recorder.flush()
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
    stop.set()
    for thread in threads:
        thread.join()
    metrics = recorder.list_metrics()
    assert [metrics[f"c{n}"] for n in range(5)] == [0, 1, 2, 3, 4]
    R.log_metrics(step=7, x=7)
print(7)
""",
}


def launch(name, folder):
    path = folder / "script.py"
    path.write_text(PREAMBLE + SCRIPTS[name])
    env = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "ROLLFORWARD_"))}
    env |= {"PYTHONPATH": str(SOURCE), "MLFLOW_DISABLE_TELEMETRY": "true"}
    return subprocess.Popen(
        [sys.executable, str(path)], cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.fixture(scope="module")
def ended(template_store, tmp_path_factory):
    """Every script, run to its end: name -> (folder, exit code, stdout, stderr)."""
    results, waiting = {}, list(SCRIPTS)
    while waiting:
        batch, waiting = waiting[:3], waiting[3:]
        running = {}
        for name in batch:
            folder = tmp_path_factory.mktemp("process")
            copy_store(template_store, folder / "mlflow.db")
            running[name] = folder, launch(name, folder)
        for name, (folder, process) in running.items():
            results[name] = folder, *finish(name, process)
    return results


def finish(name, process):
    """End the script if it does not end by itself; what it said last is what it logged last."""
    signals = {"killed": signal.SIGKILL, "sigterm": signal.SIGTERM}
    early = ""
    if name in signals:
        end = None
        while end is None or time.monotonic() < end:
            early = process.stdout.readline()
            end = end or time.monotonic() + 1.5
        process.send_signal(signals[name])
    out, err = process.communicate(timeout=100)
    # A kill can cut the last line.
    lines = [line for line in (early + out).splitlines(keepends=True) if line.endswith("\n")]
    return process.returncode, lines[-1].split(), err


@pytest.fixture
def result(ended):
    opened = []

    def look(name):
        folder, code, said, err = ended[name]
        uri = f"sqlite:///{folder}/mlflow.db"
        settings.init(uri=uri)
        opened.append(uri)
        (recorder,) = R.list_recorders(rtype="list")
        return code, said, err, recorder

    yield look
    settings.reset()
    for uri in opened:
        release_store(uri)


def test_kill_9_in_a_computing_loop_loses_a_fraction_of_a_second(result):
    code, (step, called), _, recorder = result("killed")
    assert code == -signal.SIGKILL
    assert int(step) > 50
    # 0.1 s of waiting for company and the time of one write; ten times that for a machine that is busy.
    assert float(called) - recorder.metrics["called"] < 2


@pytest.mark.parametrize(
    ("name", "exit_code", "status"),
    [
        ("sigterm", 128 + signal.SIGTERM, "KILLED"),
        ("open at exit", 0, "FINISHED"),
        ("default run at exit, from a thread", 0, "FINISHED"),
        ("forked", 0, "FINISHED"),
        ("forked beside logging threads", 0, "FINISHED"),
    ],
)
def test_every_call_that_returned_is_in_the_store(result, name, exit_code, status):
    code, (last,), err, recorder = result(name)
    assert (code, err) == (exit_code, "")
    assert recorder.metrics["x"] >= int(last)
    assert R.search_records([recorder.experiment_id])["status"].tolist() == [status]


def test_logging_while_the_interpreter_exits_is_no_error(result):
    code, _, err, recorder = result("first logged at exit")
    assert (code, err) == (0, "")
    assert recorder.metrics == {"x": 1.0}


def test_no_point_is_sent_twice_after_a_fork(result):
    from rollforward.workflow.mlflow_backend.client import client_for

    *_, recorder = result("forked")
    steps = [point.step for point in client_for(recorder.uri).get_metric_history(recorder.id, "x")]
    assert sorted(steps) == list(range(1, 101))
