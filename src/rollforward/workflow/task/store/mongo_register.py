"""The register of the workers of a pool on a MongoDB server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rollforward.workflow.task.store import mongo_updates as updates
from rollforward.workflow.task.store.base import Owner, Worker

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rollforward.workflow.task.store.mongo_server import MongoServer

#: How the names of collections begin that are no pools.
OURS = "_rollforward."
_WORKERS = f"{OURS}workers"


class MongoRegister:
    """Who works on a pool; see `rollforward.workflow.task.store.mongo.MongoStore`."""

    def __init__(self, server: MongoServer, pool: str) -> None:
        self._server = server
        self.pool = pool

    def beat(self, owner: Owner, info: Mapping[str, Any], promise: float) -> None:
        """See `TaskStore.beat`."""
        key = {"_id": f"{self.pool}\n{owner.worker}"}
        update = updates.beat(self.pool, owner, json.dumps(info), promise)
        self._server.call(lambda _: self._server.collection(_WORKERS).update_one(key, update, upsert=True))

    def forget(self, owner: Owner) -> None:
        """See `TaskStore.forget`."""
        key = {"_id": f"{self.pool}\n{owner.worker}"}
        self._server.call(lambda _: self._server.collection(_WORKERS).delete_one(key))

    def workers(self) -> list[Worker]:
        """See `TaskStore.workers`."""
        stages = updates.workers(self.pool)
        found = self._server.call(lambda _: list(self._server.collection(_WORKERS).aggregate(stages)))
        return [
            Worker(
                Owner(item["worker"], item["host"], item["pid"]),
                json.loads(item["info"]),
                item["started_at"],
                item["seen_at"],
                item["is_alive"],
            )
            for item in found
        ]
