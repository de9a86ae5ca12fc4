"""The supervisor: starts workers, does things to them, and leaves no process behind."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from faults_rig.log import Entry, Log
from rollforward.workflow.task.manage import TaskManager
from rollforward.workflow.task.store.base import DONE, FAILED
from rollforward.workflow.task.store.opening import open_store

if TYPE_CHECKING:
    from collections.abc import Callable

LEASE, POLL = 2.0, 0.2
_HERE = Path(__file__).resolve().parent.parent
_LOOK = 0.02
_MARK = "CHAOS_RIG"


class Rig:
    """Workers on one pool.

    Parameters
    ----------
    folder
        For the log and what workers say.
    url, database
        Of the store.
    seed
        Of all that is random here.
    tracking
        Address of a tracking store.
    """

    def __init__(self, folder: Path, url: str, database: str, seed: int, tracking: str | None = None) -> None:
        self.folder = folder
        self.log = Log(folder / "chaos.log")
        self.random = random.Random(seed)  # noqa: S311
        self.pool = TaskManager("chaos", open_store("chaos", url, database, 60.0))
        self._given = {"pool": "chaos", "url": url, "database": database, "log": str(self.log.path)}
        self._given |= {"tracking": tracking}
        self._mark = uuid.uuid4().hex
        self._codes: dict[int, int] = {}
        self._started: list[int] = []
        self._news = threading.Condition()

    # --- processes ----------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        environment = os.environ | {_MARK: self._mark, "PYTHONPATH": os.pathsep.join([str(_HERE), *sys.path])}
        with (self.folder / "workers.txt").open("wb") as said:
            self._nest = subprocess.Popen(
                [sys.executable, "-m", "faults_rig.nest"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                env=environment,
                start_new_session=True,
            )
        self._listener = threading.Thread(target=self._listen)
        self._listener.start()
        self.until(lambda: 0 in self._started, 120, "the nest is ready")
        return self

    def __exit__(self, *_: object) -> None:
        self._nest.kill()
        while family := self._marked():
            for pid in family:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(_LOOK)
        self._nest.wait()
        self._listener.join()
        self._nest.stdin.close()
        self._nest.stdout.close()

    def _marked(self) -> list[int]:
        """Find every process that stems from this rig, whoever its parent is now."""
        found, mark = [], f"{_MARK}={self._mark}".encode()
        for path in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if (
                    mark in (path / "environ").read_bytes()
                    and "Z" not in (path / "stat").read_text().rpartition(")")[2]
                ):
                    found.append(int(path.name))
        return found

    def _listen(self) -> None:
        for line in self._nest.stdout:
            told = json.loads(line)
            with self._news:
                if told["what"] == "exited":
                    self._codes[told["pid"]] = told["code"]
                else:
                    self._started.append(told["pid"])
                self._news.notify_all()

    def start(self, kind: str = "worker", **options: Any) -> int:
        """Start a worker; give its process id."""
        if kind != "submit":
            options = {"lease": LEASE, "poll": POLL, "backoff": 0.05} | options
        with self._news:
            n = len(self._started)
            self._nest.stdin.write((json.dumps({"kind": kind} | self._given | options) + "\n").encode())
            self._nest.stdin.flush()
            assert self._news.wait_for(lambda: len(self._started) > n, 30), self.said()
            return self._started[-1]

    def is_alive(self, pid: int) -> bool:
        return pid not in self._codes

    def exit_code(self, pid: int, timeout: float) -> int | None:
        """Wait for a process; ``None`` if it does not end."""
        with self._news:
            self._news.wait_for(lambda: pid in self._codes, timeout)
            return self._codes.get(pid)

    def family(self, pid: int) -> list[int]:
        """Give a worker and all processes that stem from it, itself first."""
        found = [pid]
        for one in found:
            for path in Path(f"/proc/{one}/task").glob("*/children"):
                with suppress(OSError):
                    found += map(int, path.read_text().split())
        return found

    def send(self, number: int, *pids: int, why: str = "signal") -> None:
        """Send a signal, and write it down before."""
        for pid in pids:
            self.log.write(why, victim=pid, signal=number)
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    # --- tasks --------------------------------------------------------------------------------------------------

    def submit(self, tasks: list[dict[str, Any]], priority: int = 0) -> list[str]:
        ids = [str(found) for found in self.pool.create_task(tasks, priority=priority)]
        for task, found in zip(tasks, ids, strict=True):
            self.log.write("submitted", found, n=str(task["n"]))
        return ids

    def stat(self) -> dict[str, int]:
        return self.pool.task_stat()

    def is_over(self) -> bool:
        """Tell whether every task is done or failed."""
        return set(self.stat()) <= {DONE, FAILED}

    def entries(self, what: str) -> list[Entry]:
        return [entry for entry in self.log.read() if entry.what == what]

    def until(self, condition: Callable[[], Any], timeout: float, what: str) -> None:
        deadline = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < deadline, f"{what}: not within {timeout:g} s. {self.said()}"
            time.sleep(_LOOK)

    def until_over(self, timeout: float) -> None:
        self.until(self.is_over, timeout, "all tasks are done or failed")

    def said(self) -> str:
        """Give the end of what workers wrote to standard error."""
        return (self.folder / "workers.txt").read_text(errors="replace")[-3000:]
