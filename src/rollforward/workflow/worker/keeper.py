"""The keeper: starts a child for each task, and ends children that may not go on.

It has one thread, runs nothing of a task and asks no store, so that nothing can keep it from ending a child in time:
neither a task that holds the interpreter, nor a server that does not answer. When the worker is gone, it ends all.
"""

from __future__ import annotations

import gc
import importlib
import logging
import math
import multiprocessing
import os
import signal
import socket
import sys
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any

from rollforward import settings
from rollforward.errors import RollforwardError
from rollforward.workflow.worker.child import LOG_FORMAT, work
from rollforward.workflow.worker.finding import find_function
from rollforward.workflow.worker.memory import resident, spelled
from rollforward.workflow.worker.messages import LEAVING, MEMORY, Broken, Ended, Finished, Idle, Limit, Plan, Ready

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

logger = logging.getLogger(__name__)

# Seconds: between two looks at memory and at children whose own children keep their end from being seen; for leaving.
_LOOK, _LONGEST = 0.2, 1.0
_TO_LEAVE, _TO_DIE = 10.0, 2.0


# Importing takes seconds, and a fork milliseconds.
_FACADE = "rollforward.workflow.facade"
_PRELOAD = (
    "rollforward.workflow.mlflow_backend",
    "rollforward.workflow.trainer.train",
    "rollforward.workflow.record_temp.analysis",
    "mlflow.store.tracking.sqlalchemy_store",
    "sklearn",
)


@dataclass(eq=False)
class _Child:
    number: int
    process: BaseProcess
    limits: dict[str, Limit] = field(default_factory=dict)
    reason: str = ""
    killed_at: float = math.inf
    is_finished: bool = False

    @property
    def due(self) -> float:
        """When the next thing is to be done to it."""
        if self.reason:
            return self.killed_at
        return min((min(limit.soft, limit.hard) for limit in self.limits.values()), default=math.inf)


def keep(control: Connection[Any, Any], plan: Plan) -> None:
    """Serve a worker until it closes the connection.

    Parameters
    ----------
    control
        To the worker.
    plan
        What children are for.
    """
    os.setsid()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    settings.install(plan.settings)
    if plan.log_level is not None and not logging.getLogger().handlers:
        logging.basicConfig(level=plan.log_level, format=LOG_FORMAT)
    try:
        ready = _prepare(plan)
    except BaseException as error:  # noqa: BLE001  # whatever the user's module does, the worker says it
        text, more = f"{type(error).__name__}: {error}", ("", "")
        if isinstance(error, RollforwardError):
            text, more = error.given, (error.expected, error.remedy)
        with suppress(OSError):
            control.send(Broken(text, "".join(traceback.format_exception(error)), *more))
        return
    with suppress(OSError):
        control.send(Ready())
        _Keeper(control, ready).serve()


def _prepare(plan: Plan) -> Plan:
    """Import what tasks need; forked children share the memory."""
    func = find_function(plan.func)
    if plan.method == "spawn":
        return plan
    for module in _chosen(plan):
        with suppress(ImportError):
            importlib.import_module(module)
    gc.collect()
    gc.freeze()
    return replace(plan, func=func)


def _chosen(plan: Plan) -> tuple[str, ...]:
    if plan.preload is not None:
        return plan.preload
    return _PRELOAD if _FACADE in sys.modules else ()


class _Keeper:
    def __init__(self, control: Connection[Any, Any], plan: Plan) -> None:
        self.control = control
        self.plan = plan
        self.children: dict[int, _Child] = {}

    def serve(self) -> None:
        try:
            while True:
                ready = wait([self.control, *self._sentinels()], self._pause())
                if self.control in ready and not self._listen():
                    return
                self._enforce()
                self._reap()
        finally:
            for child in self.children.values():
                _kill(child, signal.SIGKILL)
            for child in self.children.values():
                child.process.join()

    def _sentinels(self) -> list[int]:
        return [child.process.sentinel for child in self.children.values()]

    def _pause(self) -> float:
        longest = _LONGEST if self.plan.memory_limit is None or not self.children else _LOOK
        due = min((child.due for child in self.children.values()), default=math.inf)
        return max(0.0, min(longest, due - time.monotonic()))

    def _listen(self) -> bool:
        """Do what the worker says; tell whether it is still there."""
        try:
            message = self.control.recv()
        except (EOFError, OSError):
            return False
        if isinstance(message, int):
            self._start(message)
        elif isinstance(message, Limit) and message.number in self.children:
            self.children[message.number].limits[message.reason] = message
        elif isinstance(message, Idle) and message.number in self.children:
            self.children[message.number].limits = {}
        elif isinstance(message, Finished) and message.number in self.children:
            child, now = self.children[message.number], time.monotonic()
            child.is_finished = True
            limit = Limit(child.number, LEAVING, now + _TO_LEAVE, now + _TO_LEAVE + _TO_DIE)
            child.limits = {LEAVING: limit}
        return True

    def _start(self, number: int) -> None:
        with socket.fromfd(self.control.fileno(), socket.AF_UNIX, socket.SOCK_STREAM) as channel:
            _, (handle,), *_ = socket.recv_fds(channel, 1, 1)
        connection: Connection[Any, Any] = Connection(handle)
        inherited = self.control if self.plan.method == "fork" else None
        context: Any = multiprocessing.get_context(self.plan.method)
        process = context.Process(target=work, args=(connection, self.plan, inherited), name=f"task-{number}")
        try:
            process.start()
        except OSError as error:
            self.control.send(Ended(number, None, f"no process could be started: {error}"))
        else:
            self.children[number] = _Child(number, process)
        finally:
            connection.close()

    def _enforce(self) -> None:
        now = time.monotonic()
        for child in self.children.values():
            self._watch_memory(child, now)
            if not child.reason:
                self._apply(child, now)
            if child.reason and now >= child.killed_at:
                _kill(child, signal.SIGKILL)
                child.killed_at = math.inf

    def _apply(self, child: _Child, now: float) -> None:
        for limit in child.limits.values():
            if now >= min(limit.soft, limit.hard):
                child.reason, child.killed_at = limit.reason, limit.hard
                if now < limit.hard:
                    _kill(child, signal.SIGTERM)
                return

    def _watch_memory(self, child: _Child, now: float) -> None:
        allowed = self.plan.memory_limit
        if allowed is None or child.reason == MEMORY or child.is_finished or child.process.pid is None:
            return
        used = resident(child.process.pid)
        if used > allowed:
            logger.warning("Process %d has %s in memory and is ended.", child.process.pid, spelled(used))
            child.reason, child.killed_at = MEMORY, now

    def _reap(self) -> None:
        for child in list(self.children.values()):
            if child.process.exitcode is None:
                continue
            # What it has started and left behind goes with it.
            _kill(child, signal.SIGKILL)
            del self.children[child.number]
            self.control.send(Ended(child.number, child.process.exitcode, child.reason))
            child.process.close()


def _kill(child: _Child, number: int) -> None:
    pid = child.process.pid
    if pid is None:
        return
    try:
        if number == signal.SIGKILL:
            os.killpg(pid, number)
        elif child.process.exitcode is None:
            os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        # Too young to have a group of its own, or gone.
        if child.process.exitcode is None:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
