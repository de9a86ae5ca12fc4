"""Scripts that are processes of their own, forked from one that has imported: that takes seconds, and they need none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

SOURCE = Path(__file__).resolve().parents[2] / "src"
HOST = """
import gc, json, multiprocessing, os, signal, sys, threading, time, warnings
import rollforward, mlflow, mlflow.store.tracking.sqlalchemy_store, rollforward.workflow.mlflow_backend.run.recorder
from rollforward.workflow import R

def wait():
    os.write(ready, b"!")
    while True:
        time.sleep(0.02)  # in short naps: a signal that comes just before one is seen when it ends

jobs, at_once = json.load(open(sys.argv[1]))
# NumPy has threads of its own, and Python 3.12 and later warns of them at a fork.
warnings.filterwarnings("ignore", ".*multi-threaded.*", DeprecationWarning)
gc.freeze()  # a process that ends would otherwise look at all that was imported
ended = {}
while jobs:
    batch, jobs = jobs[:at_once], jobs[at_once:]
    started = []
    for name, folder, code, signal_name, given in batch:
        listen, ready = os.pipe()
        pid = os.fork()
        if pid == 0:
            jobs = None
            break
        os.close(ready)
        started.append((name, pid, listen, signal_name))
    if jobs is None:
        break
    for name, pid, listen, signal_name in started:
        if signal_name and os.read(listen, 1):
            os.kill(pid, getattr(signal, signal_name))
        os.close(listen)
    for name, pid, _, _ in started:
        ended[name] = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
if jobs is None:
    os.chdir(folder)
    for number, end in (1, "out"), (2, "err"):
        os.dup2(os.open(f"{name}.{end}", os.O_WRONLY | os.O_CREAT), number)
    if given:
        rollforward.init(**given)
    # What a shell starts in the background ignores Ctrl-C, and so would all that it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.alarm(200)
    exec(compile(code, "script.py", "exec"))
else:
    json.dump(ended, open(sys.argv[2], "w"))
"""


def environment():
    """Return what a process gets that knows nothing of the tests."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "ROLLFORWARD_"))}
    return env | {"PYTHONPATH": str(SOURCE), "MLFLOW_DISABLE_TELEMETRY": "true"}


def run_scripts(folder, jobs, *, at_once=4):
    """Run scripts to their end, some at a time.

    Parameters
    ----------
    folder
        For notes.
    jobs
        Lists of: name, folder to run in, code, name of the signal that is sent when it calls ``wait()``, and the
        arguments of ``rollforward.init``.
    at_once
        How many run at a time.

    Returns
    -------
    dict
        By name: ``folder, code, out, err``.
    """
    todo, done = folder / "jobs.json", folder / "ended.json"
    todo.write_text(json.dumps([[[name, str(where), *rest] for name, where, *rest in jobs], at_once]))
    host = subprocess.run(
        [sys.executable, "-c", HOST, str(todo), str(done)],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert host.returncode == 0, host.stderr
    codes = json.loads(done.read_text())
    return {
        name: SimpleNamespace(
            folder=where,
            code=codes[name],
            out=(where / f"{name}.out").read_text(),
            err=(where / f"{name}.err").read_text(),
        )
        for name, where, *_ in jobs
    }
