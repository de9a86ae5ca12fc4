"""Task pools on a MongoDB server, for many machines."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, IndexModel, ReturnDocument
from pymongo.errors import BulkWriteError, DuplicateKeyError

from rollforward.errors import PoolError, TaskNotFoundError
from rollforward.workflow.task.store import mongo_updates as updates
from rollforward.workflow.task.store.base import STATUSES, Attempt, Event, Owner, StoredTask, stale_claim
from rollforward.workflow.task.store.mongo_new import NewDocuments
from rollforward.workflow.task.store.mongo_register import OURS, MongoRegister
from rollforward.workflow.task.store.mongo_server import DEFAULT_PATIENCE, Document, MongoServer
from rollforward.workflow.task.store.query import to_mongo

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pymongo.collection import Collection

    from rollforward.workflow.task.store.base import Change, Ending, NewTask
    from rollforward.workflow.task.store.query import Group

_COUNTERS, _PARTS = f"{OURS}counters", f"{OURS}results"
_PAGE, _PROBES = 500, 64
_PART = 8_000_000
_DUPLICATE = 11000
_BODIES = ("definition", "filter", "result")
_QUEUE: list[tuple[str, int]] = [("queue", ASCENDING), ("priority", DESCENDING), ("seq", ASCENDING)]
_INDEXES = [
    IndexModel([("identity", ASCENDING)], unique=True),
    IndexModel(_QUEUE),
    IndexModel([("status", ASCENDING), ("seq", ASCENDING)]),
    IndexModel([("seq", ASCENDING)]),
]
_ORDER = [("priority", DESCENDING), ("seq", ASCENDING)]


class MongoStore(MongoRegister):
    """The tasks of one pool in a collection of its own; what it promises is said in `TaskStore`.

    Every write but a claim waits for the disks of a majority (``w="majority"``, ``j=True``), whatever the address says.
    A claim waits for the server only (``w=1``): one that a crash or a failover undoes is made again by somebody else,
    under another nonce, so that what the first one writes is refused. While the server is away a call is tried again;
    one whose answer was lost is not done twice. A result that does not fit into a document of MongoDB is kept in parts
    of 8 MB, in the collection ``_rollforward.results``.

    Parameters
    ----------
    url
        ``mongodb://...``, of a replica set or of a single server.
    database
        The collections of the pools are in it.
    pool
        Name of the pool and of its collection.
    patience
        Seconds for which a call is tried again while the server does not answer.
    """

    def __init__(self, url: str, database: str, pool: str, patience: float = DEFAULT_PATIENCE) -> None:
        super().__init__(MongoServer(url, database, patience), pool)
        self._has_indexes = False

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r}, {self._server.database!r}, {self.pool!r})"

    @property
    def url(self) -> str:
        """Address of the server, without credentials."""
        return self._server.url

    @property
    def _tasks(self) -> Collection[Document]:
        return self._server.collection(self.pool)

    def add(self, tasks: Sequence[NewTask]) -> list[Any]:
        """See `TaskStore.add`."""
        self._index()
        # Mostly all are new, and a few tell; one that is there all the same is not added again.
        known = self.ids_of([task.identity for task in tasks[:: max(1, len(tasks) // _PROBES)]])
        if known:
            known = self.ids_of([task.identity for task in tasks])
        new = {task.identity: task for task in reversed(tasks) if task.identity not in known}
        if new:
            known |= self._insert([task for task in tasks if new.pop(task.identity, None) is not None])
        return [known[task.identity] for task in tasks]

    def ids_of(self, identities: Sequence[str]) -> dict[str, Any]:
        """See `TaskStore.ids_of`."""
        wanted = {"identity": {"$in": list(dict.fromkeys(identities))}}
        found = self._server.call(lambda _: list(self._tasks.find(wanted, {"identity": 1})))
        return {document["identity"]: document["_id"] for document in found}

    def claim(self, query: Group, status: str, lease: float, owner: Owner, nonce: str) -> StoredTask | None:
        """See `TaskStore.claim`."""
        conditions = to_mongo(query, ObjectId)
        wanted = {"queue": status, "$expr": {"$lte": ["$available_at", "$$NOW"]}, **conditions}
        update = updates.claim(status, lease, owner, nonce)

        def claim(is_first: bool) -> Document | None:
            tasks = self._server.collection(self.pool, is_durable=False)
            if not is_first:
                mine = tasks.find_one({"queue": status, "status": "running", "nonce": nonce})
                if mine is not None:
                    return mine
            return tasks.find_one_and_update(wanted, update, sort=_ORDER, return_document=ReturnDocument.AFTER)

        found = self._server.call(claim)
        return None if found is None else self._read(found)

    def renew(self, task_id: Any, attempt: int, lease: float, claimed: str = "") -> None:
        """See `TaskStore.renew`."""
        self._fenced(task_id, attempt, claimed, [{"$set": {"available_at": updates.later(lease)}}])

    def note(self, task_id: Any, attempt: int, recorder: str, claimed: str = "") -> None:
        """See `TaskStore.note`."""
        self._fenced(task_id, attempt, claimed, [{"$set": {"recorder": {"$literal": recorder}}}])

    def finish(self, task_id: Any, attempt: int, ending: Ending, claimed: str = "") -> None:
        """See `TaskStore.finish`."""
        # Of a claim that was undone, and of the one after it, both may be at this, with the same attempt.
        of, parts = f"{attempt}{claimed and '.'}{claimed}", 0
        if ending.result is not None and len(ending.result) > _PART:
            parts = self._write_parts(task_id, of, ending.result)
        self._fenced(task_id, attempt, claimed, updates.finish(ending, parts, of), ending.nonce)

    def find(self, query: Group, *, bodies: bool = False, limit: int | None = None) -> Iterator[StoredTask]:
        """See `TaskStore.find`."""
        conditions = to_mongo(query, ObjectId)
        chosen = None if bodies else dict.fromkeys(_BODIES, 0)
        last, left = -1, limit
        while left is None or left > 0:
            page = _PAGE if left is None else min(_PAGE, left)
            found = self._page({"seq": {"$gt": last}, **conditions}, chosen, page)
            yield from map(self._read, found)
            if len(found) < page:
                return
            last, left = found[-1]["seq"], None if left is None else left - page

    def count(self, query: Group) -> dict[str, int]:
        """See `TaskStore.count`."""
        conditions = to_mongo(query, ObjectId)
        stages: list[Document] = [
            {"$match": conditions or {"status": {"$in": list(STATUSES)}}},
            {"$group": updates.COUNT_BY_STATUS},
        ]
        found = self._server.call(lambda _: list(self._tasks.aggregate(stages)))
        return {document["_id"]: document["n"] for document in found}

    def count_dropped(self, query: Group) -> int:
        """See `TaskStore.count_dropped`."""
        wanted = {**updates.DROPPED, **to_mongo(query, ObjectId)}
        return self._server.call(lambda _: self._tasks.count_documents(wanted))

    def next_available(self, query: Group, status: str) -> float | None:
        """See `TaskStore.next_available`."""
        backing_off = {"queue": status, "status": status, **to_mongo(query, ObjectId)}
        stages: list[Document] = [{"$match": backing_off}, *updates.FIRST_AVAILABLE]
        found = self._server.call(lambda _: list(self._tasks.aggregate(stages)))
        return max(0.0, found[0]["wait"] / 1000) if found else None

    def change(self, query: Group, change: Change, *, dropped_only: bool = False) -> int:
        """See `TaskStore.change`."""
        wanted = {**(updates.DROPPED if dropped_only else {}), **to_mongo(query, ObjectId)}
        return self._server.call(lambda _: self._tasks.update_many(wanted, updates.change(change))).matched_count

    def redefine(self, task_id: Any, new: NewTask) -> None:
        """See `TaskStore.redefine`."""
        wanted = {"_id": ObjectId(str(task_id))}
        try:
            found = self._server.call(lambda _: self._update(wanted, updates.redefine(new)))
        except DuplicateKeyError as error:
            raise PoolError(
                "Another task has this definition already.", "each definition once in a pool.", "Remove one."
            ) from error
        if not found:
            raise TaskNotFoundError(f"The pool {self.pool!r} has no task {task_id}.")

    def delete(self, query: Group) -> int:
        """See `TaskStore.delete`."""
        conditions = to_mongo(query, ObjectId)
        with_parts = {"result_parts": {"$gt": 0}, **conditions}
        large = [task["_id"] for task in self._server.call(lambda _: list(self._tasks.find(with_parts, {"_id": 1})))]
        n_deleted = self._server.call(lambda _: self._tasks.delete_many(conditions)).deleted_count
        if large:
            parts = self._server.collection(_PARTS)
            self._server.call(lambda _: parts.delete_many({"pool": self.pool, "task": {"$in": large}}))
        return n_deleted

    def pools(self) -> list[str]:
        """See `TaskStore.pools`."""
        names = self._server.call(lambda _: self._server.db().list_collection_names())
        return sorted(name for name in names if not name.startswith((OURS, "system.")))

    def now(self) -> datetime:
        """See `TaskStore.now`."""
        local: datetime = self._server.call(lambda _: self._server.db().command("hello"))["localTime"]
        return local if local.tzinfo else local.replace(tzinfo=UTC)

    def close(self) -> None:
        """Do nothing: all stores and threads of a process share one client, which is closed when the process ends."""

    def _page(self, wanted: Document, chosen: Document | None, limit: int) -> list[Document]:
        order = [("seq", ASCENDING)]
        return self._server.call(lambda _: list(self._tasks.find(wanted, chosen, sort=order, limit=limit)))

    def _index(self) -> None:
        if not self._has_indexes:
            self._server.call(lambda _: self._tasks.create_indexes(_INDEXES))
            self._has_indexes = True

    def _insert(self, new: list[NewTask]) -> dict[str, Any]:
        """Insert tasks, except those that somebody else has inserted meanwhile; give the ids of all."""
        counters = self._server.collection(_COUNTERS)
        reserved = self._server.call(
            lambda _: counters.find_one_and_update(
                {"_id": self.pool}, {"$inc": {"n": len(new)}}, upsert=True, return_document=ReturnDocument.AFTER
            )
        )
        first = (reserved or {"n": 0})["n"] - len(new)
        documents = NewDocuments(new, first, self.now())
        if documents.send(lambda chunk: self._server.call(lambda _: self._insert_chunk(chunk))):
            return documents.ids
        return self.ids_of([task.identity for task in new])

    def _insert_chunk(self, documents: list[Any]) -> bool:
        """Insert documents; tell whether none of them was there, perhaps from a call whose answer was lost."""
        try:
            self._tasks.insert_many(documents, ordered=False)
        except BulkWriteError as error:
            if any(item["code"] != _DUPLICATE for item in error.details["writeErrors"]):
                raise
            return False
        return True

    def _update(self, wanted: Document, update: list[Document]) -> bool:
        return self._tasks.update_one(wanted, update).matched_count == 1

    def _fenced(self, task_id: Any, attempt: int, claimed: str, update: list[Document], nonce: str = "") -> None:
        key = ObjectId(str(task_id))
        mine = {"_id": key, "status": "running", "attempt": attempt} | ({"nonce": claimed} if claimed else {})
        if self._server.call(lambda _: self._update(mine, update)):
            return
        chosen = dict.fromkeys(_BODIES, 0)
        found = self._server.call(lambda _: self._tasks.find_one({"_id": key}, chosen))
        if found is None or not nonce or found["ended_nonce"] != nonce:
            raise stale_claim(task_id, attempt, None if found is None else self._read(found))

    def _write_parts(self, task_id: Any, of: str, text: str) -> int:
        texts = [text[start : start + _PART] for start in range(0, len(text), _PART)]
        for i, part in enumerate(texts):
            self._write_part(ObjectId(str(task_id)), f"{task_id}/{of}/{i}", part)
        return len(texts)

    def _write_part(self, task_id: ObjectId, key: str, text: str) -> None:
        part = {"pool": self.pool, "task": task_id, "text": text}
        self._server.call(lambda _: self._server.collection(_PARTS).replace_one({"_id": key}, part, upsert=True))

    def _read(self, document: Document) -> StoredTask:
        result = document.get("result")
        if document.get("result_parts") and "result" in document:
            keys = [f"{document['_id']}/{document['result_attempt']}/{i}" for i in range(document["result_parts"])]
            parts = self._server.collection(_PARTS)
            found = {
                part["_id"]: part["text"]
                for part in self._server.call(lambda _: list(parts.find({"_id": {"$in": keys}})))
            }
            result = "".join(found[key] for key in keys)
        worker = document["worker"]
        return StoredTask(
            id=document["_id"],
            **{name: document[name] for name in _SAME},
            owner=None if worker is None else Owner(worker, document["host"], document["pid"]),
            attempts=tuple(Attempt(**item) for item in document["attempts"]),
            events=tuple(Event(**item) for item in document["events"]),
            definition=document.get("definition"),
            filter=document.get("filter"),
            result=result,
        )


_SAME = (
    *("identity", "status", "priority", "attempt", "tries", "origin", "available_at", "recorder", "error"),
    *("traceback", "created_at", "started_at", "ended_at", "nonce"),
)
