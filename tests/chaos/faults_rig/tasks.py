"""What the tasks do. They write into the log, and give a result with a token that no other attempt has."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from faults_rig.log import Log

if TYPE_CHECKING:
    from collections.abc import Callable

_MB = 2**20


def work(task: dict[str, Any], log: str) -> dict[str, Any]:
    """Do ``task["do"]`` for ``task["for"]`` seconds, not before there is a line ``task["after"]`` in the log."""
    token = uuid.uuid4().hex
    written = Log(Path(log))
    written.write("start", str(task["n"]), token=token, priority=task.get("high", 0))
    while "after" in task and all(entry.what != task["after"] for entry in written.read()):
        time.sleep(0.01)
    value = _DO[task.get("do", "sleep")](task, Path(log).parent)
    written.write("end", str(task["n"]), token=token)
    return {"n": task["n"], "value": value, "token": token}


def recorded(task: dict[str, Any], log: str) -> Any:
    """Save a file of 8 MB with a recorder, which is the result. The first attempt finds the disk full."""
    from rollforward.workflow import R

    token = uuid.uuid4().hex
    written = Log(Path(log))
    written.write("start", str(task["n"]), token=token)
    with R.start(experiment_name="chaos"):
        if task.get("do") == "full" and _is_first(task, Path(log).parent):
            resource.setrlimit(resource.RLIMIT_FSIZE, (4 * _MB, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
        R.save_objects(payload=np.full(_MB, task["n"]))
        recorder = R.get_recorder()
    written.write("end", str(task["n"]), token=token)
    return recorder


def _sleep(task: dict[str, Any], _: Path) -> None:
    time.sleep(task.get("for", 0.0))


def _kill(_task: dict[str, Any], _: Path) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _exit(_task: dict[str, Any], _: Path) -> None:
    os._exit(3)


def _crash(_task: dict[str, Any], _: Path) -> None:
    ctypes.string_at(0)


def _eat(_task: dict[str, Any], _: Path) -> None:
    kept = []
    while True:
        kept.append(b"x" * (20 * _MB))
        time.sleep(0.02)


def _starve(task: dict[str, Any], folder: Path) -> None:
    """Hold the interpreter, so that no other thread of this process runs; the first attempt only."""
    if _is_first(task, folder):
        ctypes.PyDLL(None).usleep(int(task["for"] * 1e6))


def _big(task: dict[str, Any], _: Path) -> str:
    return "x" * task["size"]


def _odd(task: dict[str, Any], _: Path) -> Any:
    return (ODD | UNSTORABLE)[task["value"]]()


def _is_first(task: dict[str, Any], folder: Path) -> bool:
    try:
        (folder / f"first-{task['n']}").touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


_DO: dict[str, Callable[[dict[str, Any], Path], Any]] = {
    "sleep": _sleep,
    "kill": _kill,
    "exit": _exit,
    "crash": _crash,
    "eat": _eat,
    "starve": _starve,
    "big": _big,
    "odd": _odd,
}

ODD: dict[str, Callable[[], Any]] = {
    "17 MB": lambda: "x" * (17 * _MB),
    "keys": lambda: {"$a": 1, "a.b": {"$date": 2, "": 3}, 4: 5, ("a", 1): 6},
    "numpy": lambda: [np.float32(0.1), np.int64(2**62), np.bool_(True), np.datetime64("2020-01-01")],
    "times": lambda: [
        pd.Timestamp("2020-03-29 02:30", tz="UTC"),
        pd.Timestamp("2020-01-01"),
        pd.Timedelta("1D"),
        pd.NaT,
    ],
    "not a number": lambda: {"nan": float("nan"), "inf": [float("inf"), float("-inf")]},
    "10,000 keys": lambda: {f"key.{i}": i for i in range(10_000)},
    "tuples": lambda: {"a": (1, [2, (3,)]), "b": {1, 2}, "c": b"\x00\xff", "d": 10**40},
}
#: Has no form as data.
UNSTORABLE: dict[str, Callable[[], Any]] = {"a function inside another": lambda: lambda: 1, "an object": object}
