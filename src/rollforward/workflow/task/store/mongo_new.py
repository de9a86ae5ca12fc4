"""New tasks as documents of MongoDB, spelled once in binary: 5,000 of them are encoded while others are sent."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import bson
from bson import ObjectId
from bson.raw_bson import RawBSONDocument

from rollforward.errors import TaskError
from rollforward.workflow.task.store import mongo_updates as updates

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from rollforward.workflow.task.store.base import NewTask

_CHUNK, _THREADS = 625, 2
_MAX_DOCUMENT = 16_000_000
# A list of short numbers takes eight times its text in binary.
_PERHAPS_TOO_LARGE = _MAX_DOCUMENT // 16
_N_LENGTH = 4


class NewDocuments:
    """Documents of new tasks, with their ids.

    Parameters
    ----------
    tasks
        The tasks.
    first
        Place of the first one in the queue.
    now
        When they are created.

    Raises
    ------
    TaskError
        If one does not fit into a document.
    """

    def __init__(self, tasks: Sequence[NewTask], first: int, now: datetime) -> None:
        self.tasks = tasks
        self._ids: list[ObjectId | None] = [None] * len(tasks)
        self._first = first
        self._now = now
        self._same: dict[tuple[str, int], bytes] = {}
        for i, task in enumerate(tasks):
            if len(task.definition) > _PERHAPS_TOO_LARGE and len(self._document(i).raw) > _MAX_DOCUMENT:
                raise TaskError(
                    "A task is larger than MongoDB's 16 MB.",
                    "a definition that names its data.",
                    "Name the file that holds the data.",
                )

    @property
    def ids(self) -> dict[str, ObjectId | None]:
        """The ids by identity, when all are sent."""
        return {task.identity: key for task, key in zip(self.tasks, self._ids, strict=True)}

    def send(self, insert: Callable[[list[RawBSONDocument]], bool]) -> bool:
        """Hand all documents over, some at a time, two calls at a time; tell whether all calls said yes."""
        starts = range(0, len(self.tasks), _CHUNK)
        if len(starts) == 1:
            return insert(self._chunk(0))
        with ThreadPoolExecutor(_THREADS) as threads:
            return all(list(threads.map(lambda start: insert(self._chunk(start)), starts)))

    def _chunk(self, start: int) -> list[RawBSONDocument]:
        return [self._document(i) for i in range(start, min(start + _CHUNK, len(self.tasks)))]

    def _document(self, i: int) -> RawBSONDocument:
        task = self.tasks[i]
        key = self._ids[i] = self._ids[i] or ObjectId()
        own = bson.encode(
            {
                "_id": key,
                "seq": self._first + i,
                "identity": task.identity,
                "definition": task.definition,
                "filter": task.filter,
            }
        )
        # A document is its length, its elements, and a zero.
        same = self._elements(task)
        length = (len(own) + len(same)).to_bytes(_N_LENGTH, "little")
        return RawBSONDocument(b"".join((length, own[_N_LENGTH:-1], same, b"\0")))

    def _elements(self, task: NewTask) -> bytes:
        """Give the binary form of all that this task has in common with other new ones."""
        key = task.status, task.priority
        found = self._same.get(key)
        if found is None:
            same: dict[str, Any] = updates.new_fields(task.status, task.priority, self._now)
            found = self._same[key] = bson.encode(same)[_N_LENGTH:-1]
        return found
