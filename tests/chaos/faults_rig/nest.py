"""A process that has imported everything and forks workers on demand, within milliseconds.

Reads a line of JSON per worker from standard input, and writes one for each that has started or ended.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import resource
import select
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from faults_rig.log import Log
from faults_rig.tasks import recorded, work
from faults_rig.watched import WatchedStore
from rollforward import settings
from rollforward.workflow.task.manage import TaskManager
from rollforward.workflow.task.run import run_task
from rollforward.workflow.task.store.opening import open_store
from rollforward.workflow.worker import nursery
from rollforward.workflow.worker.worker import Worker

_LOOK = 0.01
# A worker survives a store that does not answer, and shall have to; `run_task` and who submits do not.
_PATIENCE_OF_A_WORKER, _PATIENCE = 2.0, 60.0


def _serve() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    alive: set[int] = set()
    say("ready", 0)
    while True:
        readable, _, _ = select.select([sys.stdin], [], [], _LOOK)
        if readable:
            line = sys.stdin.buffer.raw.readline()  # type: ignore[attr-defined]
            if not line:
                break
            pid = os.fork()
            if pid == 0:
                _hatch(json.loads(line))
            alive.add(pid)
            say("started", pid)
        for pid in list(alive):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                alive.discard(pid)
                say("exited", pid, code=os.waitstatus_to_exitcode(status))


def say(what: str, pid: int, **more: Any) -> None:
    os.write(1, (json.dumps({"what": what, "pid": pid} | more) + "\n").encode())


def _hatch(options: dict[str, Any]) -> None:
    code = 1
    try:
        os.setsid()
        os.dup2(2, 1)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        _KINDS[options.pop("kind")](**options)
        code = 0
    except SystemExit as error:
        code = int(error.code or 0)
    except BaseException:  # noqa: BLE001
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stderr.flush()
        os._exit(code)


def _open(
    pool: str, url: str, database: str, log: str, tracking: str | None, patience: float = _PATIENCE_OF_A_WORKER
) -> Any:
    settings.init(task_store=url, task_db_name=database, **({"uri": tracking} if tracking else {}))
    return WatchedStore(open_store(pool, url, database, patience), Log(Path(log)))


def _work(
    pool: str, url: str, database: str, log: str, tracking: str | None = None, quick: bool = False, **options: Any
) -> None:
    if quick:
        _fork_keepers()
    store = _open(pool, url, database, log, tracking)
    func = {"work": work, "recorded": recorded}[options.pop("func", "work")]
    options.setdefault("preload", ())
    options["preload"] = tuple(options["preload"])
    report = Worker(pool, func, store=store, kwargs={"log": log}, **options).run()
    Log(Path(log)).write("left", stopped_by=report.stopped_by)


def _fork_keepers() -> None:
    """Let the keeper of this worker be forked too: a worker is ready within milliseconds then, instead of seconds."""
    fork = multiprocessing.get_context("fork")

    def process(target: Any, args: tuple[Any, Any], name: str) -> Any:
        return fork.Process(target=_keep_alone, args=(target, *args), name=name)

    context = SimpleNamespace(Pipe=fork.Pipe, Process=process)
    nursery.multiprocessing = SimpleNamespace(Pipe=fork.Pipe, get_context=lambda _: context)  # type: ignore[assignment]


def _keep_alone(keep: Any, control: Any, plan: Any) -> None:
    # Among the sockets of the worker is the other end of this one: the keeper would not hear that the worker is gone.
    for path in list(Path("/proc/self/fd").iterdir()):
        with suppress(OSError):
            if int(path.name) != control.fileno() and str(path.readlink()).startswith("socket:"):
                os.close(int(path.name))
    keep(control, plan)


def _run_tasks(
    pool: str, url: str, database: str, log: str, poll: float, tracking: str | None = None, **options: Any
) -> None:
    store = _open(pool, url, database, log, tracking, _PATIENCE)
    while True:
        run_task(work, pool, store=store, log=str(log), **options)
        time.sleep(poll)


def _submit(
    pool: str, url: str, database: str, log: str, at: float, n: int, seed: int, tracking: str | None = None
) -> None:
    store = _open(pool, url, database, log, tracking, _PATIENCE)
    tasks = shuffled(n, seed)
    manager = TaskManager(pool, store)
    time.sleep(max(0.0, at - time.monotonic()))
    ids = manager.create_task(tasks)
    Log(Path(log)).write("sent", ids={str(task["n"]): str(found) for task, found in zip(tasks, ids, strict=True)})


def shuffled(n: int, seed: int) -> list[dict[str, Any]]:
    """Make the same tasks for every seed, with their keys in another order."""
    order = random.Random(seed)  # noqa: S311

    def mixed(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        keys = list(value)
        order.shuffle(keys)
        return {key: mixed(value[key]) for key in keys}

    return [
        mixed(
            {
                "n": number,
                "model": {"class": "M", "kwargs": {"depth": number, "rate": 0.1, "leaves": [1, 2]}},
                "dataset": {
                    "kwargs": {"segments": {"train": ["2010-01-01", "2014-12-31"], "test": ["2015-01-01", None]}}
                },
                "record": {"class": "SignalRecord", "kwargs": {}},
            }
        )
        for number in range(n)
    ]


_KINDS = {"worker": _work, "run_task": _run_tasks, "submit": _submit}

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _serve()
