"""Waiting for tasks, and showing how far they are."""

from __future__ import annotations

import logging
import shlex
import time
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from rollforward.errors import PoolTimeoutError, TaskFailedError
from rollforward.workflow.task.store.base import CLAIMABLE, DONE, FAILED, RUNNING
from rollforward.workflow.task.store.query import join, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rollforward.workflow.task.store.base import StoredTask, TaskStore
    from rollforward.workflow.task.store.query import Group

logger = logging.getLogger(__name__)

_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 1.0
_LONELY_AFTER, _LINE_EVERY = 5.0, 10.0
_MEMORY_SECONDS = 3600.0


def wait_for(
    store: TaskStore,
    query: Group,
    timeout: float | None = None,
    on_failed: Literal["raise", "collect"] = "raise",
    progress: bool | None = None,
    check: Callable[[], None] | None = None,
    enough: str = DONE,
) -> list[StoredTask]:
    """Wait until tasks are done or failed; see `TaskManager.wait`.

    `check` is called at each look, and raises what has stopped workers of this process; without it, nobody may be at
    work, which is said. A task of the status `enough` counts as done.
    """
    began = time.monotonic()
    watch = _LonelyWatch(store)
    pause = _FIRST_PAUSE
    with _showing(store.pool, progress) as show:
        while True:
            counts = _settled(store.count(query), enough)
            n_failed = counts.get(FAILED, 0)
            if n_failed and on_failed == "raise":
                raise first_failure(store, query, n_failed)
            show(counts)
            n_open = counts.get(RUNNING, 0) + sum(counts.get(status, 0) for status in CLAIMABLE)
            if n_open == 0:
                break
            waited = time.monotonic() - began
            if timeout is not None and waited >= timeout:
                raise PoolTimeoutError(
                    f"After {waited:.0f} s {n_open} tasks of the pool {store.pool!r} are not done: {spelled(counts)}.",
                    f"all of them within {timeout:g} s.",
                    watch.state() or "Wait longer, or start more workers.",
                )
            if check is None:
                watch.look(counts)
            else:
                check()
            left = pause if timeout is None else min(pause, timeout - waited)
            time.sleep(max(left, 0.001))
            pause = min(1.5 * pause, _LONGEST_PAUSE)
    return list(store.find(join(query, parse({"status": FAILED})))) if n_failed else []


def _settled(counts: dict[str, int], enough: str) -> dict[str, int]:
    """Count those of the status that is waited for among the done ones."""
    if not counts.get(enough) or enough == DONE:
        return counts
    others = {status: number for status, number in counts.items() if status not in (enough, DONE)}
    return {**others, DONE: counts.get(DONE, 0) + counts[enough]}


def first_failure(store: TaskStore, query: Group, n_failed: int) -> TaskFailedError:
    """Build the error of the first failed task."""
    task = next(iter(store.find(join(query, parse({"status": FAILED})), limit=1)), None)
    if task is None:  # retried meanwhile, by somebody else
        return TaskFailedError(f"{n_failed} tasks of the pool {store.pool!r} failed.", "tasks that succeed.")
    more = f" ({n_failed - 1} more failed)" if n_failed > 1 else ""
    return TaskFailedError(
        f"Task {task.id} of the pool {store.pool!r} failed after {task.tries} attempts{more}: {task.error}"
        f"{chr(10) + task.traceback.rstrip() if task.traceback else ''}",
        "tasks that succeed.",
        f"Correct the cause, then `rollforward pool retry {shlex.quote(store.pool)}`, or TaskManager.retry(); "
        '`pool wait --on-failed collect`, or wait(on_failed="collect"), waits for the others.',
        task_id=task.id,
        traceback=task.traceback,
    )


def spelled(counts: dict[str, int]) -> str:
    """Spell counts by status."""
    return ", ".join(f"{number} {status}" for status, number in counts.items()) or "no tasks"


class _LonelyWatch:
    """Says so, once, when nobody works on a pool."""

    def __init__(self, store: TaskStore) -> None:
        self._store = store
        self._since = self._looked = time.monotonic()
        self._has_said = False

    def look(self, counts: dict[str, int]) -> None:
        now = time.monotonic()
        if now - self._looked < _LONELY_AFTER / 2:
            return
        self._looked = now
        if self._is_busy(counts):
            self._since, self._has_said = now, False
        elif now - self._since >= _LONELY_AFTER and not self._has_said:
            self._has_said = True
            logger.warning("%s", self.state() or "")

    def state(self) -> str:
        """Say that there is no live worker; nothing if there is one."""
        if any(worker.is_alive for worker in self._store.workers()):
            return ""
        pool = self._store.pool
        return f"No worker is alive in the pool {pool!r}: start one with `rollforward worker {pool}`."

    def _is_busy(self, counts: dict[str, int]) -> bool:
        if any(worker.is_alive for worker in self._store.workers()):
            return True
        # A loop of fetch_task is on no register, but renews its leases.
        return counts.get(RUNNING, 0) > self._store.count_dropped(parse(None))


class _Show(Protocol):
    def __call__(self, counts: dict[str, int]) -> None: ...


@contextmanager
def _showing(pool: str, progress: bool | None) -> Iterator[_Show]:
    console = Console(stderr=True)
    if progress is False or not (progress or console.is_terminal):
        yield lambda counts: None  # noqa: ARG005  the parameter has a name
    elif console.is_terminal:
        with _bar(console) as bar:
            line = bar.add_task(pool, total=None)

            def show(counts: dict[str, int]) -> None:
                ended = counts.get(DONE, 0) + counts.get(FAILED, 0)
                said = f"{pool}: {counts.get(RUNNING, 0)} running" + _failures(counts)
                bar.update(line, completed=ended, total=sum(counts.values()), description=said, refresh=True)

            yield show
    else:
        yield _Lines(console, pool)


class _Lines:
    def __init__(self, console: Console, pool: str) -> None:
        self._console = console
        self._pool = pool
        self._began = time.monotonic()
        self._next = 0.0
        self._first: int | None = None

    def __call__(self, counts: dict[str, int]) -> None:
        now, total = time.monotonic(), sum(counts.values())
        ended = counts.get(DONE, 0) + counts.get(FAILED, 0)
        self._first = ended if self._first is None else self._first
        if now < self._next and ended < total:
            return
        self._next = now + _LINE_EVERY
        rate = (ended - self._first) / (now - self._began) if now > self._began else 0.0
        left = f", {rate:.2g} a second, about {timedelta(seconds=round((total - ended) / rate))} left" if rate else ""
        line = f"{self._pool}: {ended}/{total} done, {counts.get(RUNNING, 0)} running{_failures(counts)}{left}"
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


def _failures(counts: dict[str, int]) -> str:
    return f", {counts[FAILED]} failed" if counts.get(FAILED) else ""


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("ETA", style="dim"),
        TimeRemainingColumn(),
        console=console,
        speed_estimate_period=_MEMORY_SECONDS,
    )
