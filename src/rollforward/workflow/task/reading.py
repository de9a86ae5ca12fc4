"""Looking into a pool: what is there, what happened to it, and waiting for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from rollforward.errors import PoolError, PoolQueryError, TaskNotFoundError
from rollforward.workflow.task.documents import document_of
from rollforward.workflow.task.overview import pool_card
from rollforward.workflow.task.store.base import (
    DONE,
    FAILED,
    PART_DONE,
    RUNNING,
    STATUSES,
    WAITING,
    Event,
    StoredTask,
    TaskStore,
    Worker,
)
from rollforward.workflow.task.store.ids import is_id
from rollforward.workflow.task.store.opening import as_store
from rollforward.workflow.task.store.query import parse
from rollforward.workflow.task.waiting import spelled, wait_for

if TYPE_CHECKING:
    import builtins  # where `list` is no method
    import os
    from collections.abc import Iterator, Mapping

    Query = Mapping[str, Any]


class PoolReader:
    """What can be seen of a pool; see `rollforward.workflow.task.manage.TaskManager`."""

    STATUS_WAITING = WAITING
    STATUS_RUNNING = RUNNING
    STATUS_PART_DONE = PART_DONE
    STATUS_DONE = DONE
    STATUS_FAILED = FAILED

    def __init__(self, task_pool: str, store: TaskStore | str | os.PathLike[str] | None = None) -> None:
        self.store = as_store(task_pool, store)
        self.task_pool = task_pool

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.task_pool!r}, store={self.store.url!r})"

    def __str__(self) -> str:
        return f"{self.task_pool}: {spelled(self.task_stat())}"

    def _repr_html_(self) -> str:
        return pool_card(self.store).html

    @staticmethod
    def list(store: TaskStore | str | os.PathLike[str] | None = None) -> builtins.list[str]:
        """Name the pools of a store; ``None`` follows the settings."""
        return as_store("any", store).pools()

    def query(self, query: Query | None = None, decode: bool = True) -> Iterator[dict[str, Any]]:
        """Give tasks as dictionaries, first in first.

        Parameters
        ----------
        query
            Which tasks.
        decode
            Whether to read definitions and results (``def``, ``filter``, ``res``) too. A recorder is a `RecorderRef`,
            which reads from the tracking store when something is asked of it.
        """
        for task in self.store.find(parse(query), bodies=decode):
            yield document_of(task, decoded=decode)

    def re_query(self, _id: Any) -> dict[str, Any]:
        """Give one task as a dictionary.

        Raises
        ------
        TaskNotFoundError
            If there is none of this id.
        """
        return document_of(self.show(_id), decoded=True)

    def show(self, _id: Any) -> StoredTask:
        """Give one task with all that is known about it, with its attempts.

        Raises
        ------
        TaskNotFoundError
            If there is none of this id.
        """
        found = next(iter(self.store.find(parse({"_id": id_of(_id)}), bodies=True, limit=1)), None)
        if found is None:
            raise TaskNotFoundError(
                f"The pool {self.task_pool!r} has no task {id_of(_id)}.", "an id of this pool.", "List them: query()."
            )
        return found

    def events(self, _id: Any) -> builtins.list[Event]:
        """Tell what happened to a task, when, and by whom; oldest first."""
        task = self.show(_id)
        told = [Event(task.created_at, "submitted", ""), *task.events]
        for attempt in task.attempts:
            who = f"{attempt.worker} ({attempt.host}, {attempt.pid})"
            if attempt.started is not None and attempt.outcome != "given up":
                told.append(Event(attempt.started, "claimed", who, f"attempt {attempt.number}"))
            if attempt.ended is not None:
                told.append(Event(attempt.ended, attempt.outcome, who, attempt.exception))
        if task.owner is not None and task.started_at is not None:
            who = f"{task.owner.worker} ({task.owner.host}, {task.owner.pid})"
            told.append(Event(task.started_at, "claimed", who, f"attempt {task.attempt}"))
        return sorted(told, key=lambda event: event.at)

    def task_stat(self, query: Query | None = None) -> dict[str, int]:
        """Count tasks by status; a status that no task has is left out."""
        counts = self.store.count(parse(query))
        return {status: counts[status] for status in STATUSES if status in counts}

    def workers(self) -> builtins.list[Worker]:
        """Give the workers on the register of the pool; ``is_alive`` tells which still give signs of life."""
        return self.store.workers()

    def wait(
        self,
        query: Query | None = None,
        timeout: float | None = None,
        on_failed: Literal["raise", "collect"] = "raise",
        progress: bool | None = None,
    ) -> builtins.list[StoredTask]:
        """Wait until no task is waiting, running or part_done; says so (WARNING) when no worker is alive.

        Parameters
        ----------
        query
            Which tasks.
        timeout
            Seconds; ``None``: for ever.
        on_failed
            ``"raise"``: as soon as a task is failed; ``"collect"``: never, and give the failed ones.
        progress
            ``None`` shows a bar if standard error is a terminal; ``True`` writes lines if it is none; ``False`` is
            silent.

        Returns
        -------
        list of StoredTask
            The failed tasks.

        Raises
        ------
        TaskFailedError
            With the traceback of the first failed task.
        PoolTimeoutError
            If the time is up.
        """
        if on_failed not in ("raise", "collect"):
            raise PoolError(f"on_failed is {on_failed!r}.", '"raise" or "collect".')
        return wait_for(self.store, parse(query), timeout, on_failed, progress)


def id_of(task: Any) -> Any:
    """Give the id of a task: itself, or of a dictionary with ``_id``, or of a `StoredTask`."""
    found = task.get("_id") if isinstance(task, dict) else getattr(task, "id", task)
    if not is_id(found):
        raise PoolQueryError(f"{task!r} is no task.", 'an id, or a dictionary with "_id".', "Take it from query().")
    return found
