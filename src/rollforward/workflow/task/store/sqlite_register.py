"""The register of the workers of a pool in a SQLite file."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rollforward.workflow.task.store.sqlite_file import SqliteFile
from rollforward.workflow.task.store.sqlite_rows import as_json, worker_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rollforward.workflow.task.store.base import Owner, Worker


class SqliteRegister:
    """Who works on a pool; see `rollforward.workflow.task.store.sqlite.SqliteStore`."""

    def __init__(self, path: str | Path, pool: str) -> None:
        self._file = SqliteFile(Path(path).expanduser().absolute())
        self.pool = pool

    def beat(self, owner: Owner, info: Mapping[str, Any], promise: float) -> None:
        """See `TaskStore.beat`."""
        now = time.time()
        values = (self.pool, owner.worker, owner.host, owner.pid, as_json(info), now, now, now + promise)
        with self._file.write() as db:
            db.execute(
                "INSERT INTO worker VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (pool, name) DO UPDATE SET"
                " host = excluded.host, pid = excluded.pid, info = excluded.info, seen_at = excluded.seen_at,"
                " until = excluded.until",
                values,
            )

    def forget(self, owner: Owner) -> None:
        """See `TaskStore.forget`."""
        with self._file.write() as db:
            db.execute("DELETE FROM worker WHERE pool = ? AND name = ?", (self.pool, owner.worker))

    def workers(self) -> list[Worker]:
        """See `TaskStore.workers`."""
        with self._file.read() as db:
            sql = "SELECT * FROM worker WHERE pool = ? ORDER BY started_at"
            rows = [] if db is None else db.execute(sql, (self.pool,)).fetchall()
        now = time.time()
        return [worker_of(row, now) for row in rows]
