"""Task pools in one SQLite file, for the processes of one machine."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from itertools import count as counter
from typing import TYPE_CHECKING, Any

from rollforward.errors import PoolError, TaskNotFoundError
from rollforward.workflow.task.store.base import LOST, REVOKED, RUNNING, queue_of, stale_claim
from rollforward.workflow.task.store.ids import TaskId
from rollforward.workflow.task.store.sql import Clause
from rollforward.workflow.task.store.sqlite_register import SqliteRegister
from rollforward.workflow.task.store.sqlite_rows import as_json, attempts_after, changed, task_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Mapping, Sequence

    from rollforward.workflow.task.store.base import Change, Ending, NewTask, Owner, StoredTask
    from rollforward.workflow.task.store.query import Group

_PAGE = 500
_HEAD = (
    "task.seq, id, identity, status, priority, attempt, tries, origin, available_at, worker, host, pid, recorder,"
    " error, traceback, created_at, started_at, ended_at, attempts, events, nonce, ended_nonce"
)
_BODY = ", body.definition, body.filter, result.text AS result"
_BODIES = " CROSS JOIN body ON body.seq = task.seq LEFT JOIN result ON result.seq = task.seq"
_FREE = "worker = NULL, host = NULL, pid = NULL, recorder = NULL, origin = '', nonce = ''"


class SqliteStore(SqliteRegister):
    """The tasks of one pool in a SQLite file; what it promises is said in `TaskStore`.

    Every write is on disk before its call returns (``synchronous=FULL``), and writers queue for one lock. The clock is
    that of the machine.

    Parameters
    ----------
    path
        The file, on a local disk; relative to the working directory.
    pool
        Name of the pool.
    """

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self._file.path)!r}, {self.pool!r})"

    @property
    def url(self) -> str:
        """Address of the store."""
        return f"sqlite:///{self._file.path.as_posix()}"

    def add(self, tasks: Sequence[NewTask]) -> list[Any]:
        """See `TaskStore.add`."""
        # Before others have to wait.
        filters = [as_json(task.filter) for task in tasks]
        with self._file.write() as db:
            known: dict[str, Any] = self._ids(db, [task.identity for task in tasks])
            row = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'task'").fetchone()
            seq, now = counter((row[0] if row else 0) + 1), time.time()
            heads, bodies = [], []
            for task, text in zip(tasks, filters, strict=True):
                if task.identity in known:
                    continue
                known[task.identity], number = TaskId.new(), next(seq)
                values = (str(known[task.identity]), task.identity, task.status, queue_of(task.status), task.priority)
                heads.append((number, self.pool, *values, now))
                bodies.append((number, text, task.definition))
            db.executemany(
                "INSERT INTO task (seq, pool, id, identity, status, queue, priority, created_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                heads,
            )
            db.executemany("INSERT INTO body (seq, filter, definition) VALUES (?, ?, ?)", bodies)
        return [known[task.identity] for task in tasks]

    def ids_of(self, identities: Sequence[str]) -> dict[str, Any]:
        """See `TaskStore.ids_of`."""
        with self._file.read() as db:
            return {} if db is None else self._ids(db, identities)

    def claim(self, query: Group, status: str, lease: float, owner: Owner, nonce: str) -> StoredTask | None:
        """See `TaskStore.claim`."""
        clause = Clause(query, in_order=True)
        sql = (
            f"SELECT {_HEAD}{_BODY} FROM task{_BODIES} WHERE pool = ? AND queue = ? AND available_at <= ?"  # noqa: S608
            f" AND {clause.sql} ORDER BY priority DESC, task.seq LIMIT 1"
        )
        with self._file.write() as db:
            now = time.time()
            clause.define(db)
            row = db.execute(sql, (self.pool, status, now, *clause.parameters)).fetchone()
            if row is None:
                return None
            values = {
                "status": RUNNING,
                "attempt": row["attempt"] + 1,
                "tries": row["tries"] + 1,
                "origin": status,
                "available_at": now + lease,
                "worker": owner.worker,
                "host": owner.host,
                "pid": owner.pid,
                "nonce": nonce,
                "started_at": now,
                "ended_at": None,
                "recorder": None,
                "attempts": attempts_after(row, LOST, now) if row["status"] == RUNNING else row["attempts"],
            }
            _update(db, row["seq"], values)
        return task_of({**row, **values})

    def renew(self, task_id: Any, attempt: int, lease: float, claimed: str = "") -> None:
        """See `TaskStore.renew`."""
        with self._file.write() as db:
            self._mine(db, task_id, attempt, claimed)
            db.execute("UPDATE task SET available_at = ? WHERE id = ?", (time.time() + lease, str(task_id)))

    def note(self, task_id: Any, attempt: int, recorder: str, claimed: str = "") -> None:
        """See `TaskStore.note`."""
        with self._file.write() as db:
            self._mine(db, task_id, attempt, claimed)
            db.execute("UPDATE task SET recorder = ? WHERE id = ?", (recorder, str(task_id)))

    def finish(self, task_id: Any, attempt: int, ending: Ending, claimed: str = "") -> None:
        """See `TaskStore.finish`."""
        with self._file.write() as db:
            row = self._mine(db, task_id, attempt, claimed, ending.nonce)
            if row is None:
                return
            now = time.time()
            ended = attempts_after(row, ending.outcome, now, ending.exception, ending.traceback, ending.recorder)
            db.execute(
                f"UPDATE task SET status = ?, queue = ?, tries = ? * (tries - ?), available_at = ?, ended_at = ?,"  # noqa: S608
                f" error = ?, traceback = ?, attempts = ?, ended_nonce = ?, {_FREE} WHERE id = ?",
                (
                    ending.status,
                    queue_of(ending.status),
                    int(not ending.is_step),
                    int(not ending.counts),
                    now + ending.delay,
                    now,
                    ending.exception,
                    ending.traceback,
                    ended,
                    ending.nonce,
                    str(task_id),
                ),
            )
            if ending.result is not None:
                db.execute("INSERT OR REPLACE INTO result (seq, text) VALUES (?, ?)", (row["seq"], ending.result))

    def find(self, query: Group, *, bodies: bool = False, limit: int | None = None) -> Iterator[StoredTask]:
        """See `TaskStore.find`."""
        clause = Clause(query)
        source = _BODIES if bodies else _source(clause)
        sql = (
            f"SELECT {_HEAD}{_BODY if bodies else ''} FROM task{source} WHERE pool = ? AND task.seq > ?"  # noqa: S608
            f" AND {clause.sql} ORDER BY task.seq LIMIT ?"
        )
        last, left = 0, limit
        while left is None or left > 0:
            # Page by page: an open cursor would keep the file's log from being cleared.
            page = _PAGE if left is None else min(_PAGE, left)
            with self._file.read() as db:
                if db is None:
                    return
                clause.define(db)
                rows = db.execute(sql, (self.pool, last, *clause.parameters, page)).fetchall()
            yield from map(task_of, rows)
            if len(rows) < page:
                return
            last, left = rows[-1]["seq"], None if left is None else left - page

    def count(self, query: Group) -> dict[str, int]:
        """See `TaskStore.count`."""
        rows = self._select("status, count(*)", query, "", "GROUP BY status")
        return {row[0]: row[1] for row in rows}

    def count_dropped(self, query: Group) -> int:
        """See `TaskStore.count_dropped`."""
        rows = self._select("count(*)", query, "status = 'running' AND available_at <= ?", "", time.time())
        return int(rows[0][0]) if rows else 0

    def next_available(self, query: Group, status: str) -> float | None:
        """See `TaskStore.next_available`."""
        rows = self._select("min(available_at)", query, "status = ?", "", status)
        return None if not rows or rows[0][0] is None else max(0.0, rows[0][0] - time.time())

    def change(self, query: Group, change: Change, *, dropped_only: bool = False) -> int:
        """See `TaskStore.change`."""
        clause = Clause(query)
        with self._file.write() as db:
            now = time.time()
            dropped = " AND status = 'running' AND available_at <= ?" if dropped_only else ""
            clause.define(db)
            rows = db.execute(
                f"SELECT {_HEAD} FROM task{_source(clause)} WHERE pool = ? AND {clause.sql}{dropped}",  # noqa: S608
                (self.pool, *clause.parameters, *([now] if dropped_only else [])),
            ).fetchall()
            for row in rows:
                _update(db, row["seq"], changed(row, change, now))
        return len(rows)

    def redefine(self, task_id: Any, new: NewTask) -> None:
        """See `TaskStore.redefine`."""
        with self._file.write() as db:
            row = self._row(db, task_id)
            if row is None:
                raise TaskNotFoundError(f"The pool {self.pool!r} has no task {task_id}.")
            other = self._ids(db, [new.identity]).get(new.identity)
            if other is not None and other != str(task_id):
                raise PoolError(
                    f"Task {other} has this definition already.", "each definition once in a pool.", "Remove one."
                )
            ended = attempts_after(row, REVOKED, time.time()) if row["status"] == RUNNING else row["attempts"]
            db.execute(
                "UPDATE task SET identity = ?, status = ?, queue = ?, priority = ?, attempt = attempt + 1, tries = 0,"  # noqa: S608
                f" available_at = 0, error = '', traceback = '', attempts = ?, {_FREE} WHERE id = ?",
                (new.identity, new.status, queue_of(new.status), new.priority, ended, str(task_id)),
            )
            values = (as_json(new.filter), new.definition, row["seq"])
            db.execute("UPDATE body SET filter = ?, definition = ? WHERE seq = ?", values)
            db.execute("DELETE FROM result WHERE seq = ?", (row["seq"],))

    def delete(self, query: Group) -> int:
        """See `TaskStore.delete`."""
        clause = Clause(query)
        with self._file.write() as db:
            clause.define(db)
            rows = db.execute(
                f"SELECT task.seq FROM task{_source(clause)} WHERE pool = ? AND {clause.sql}",  # noqa: S608
                (self.pool, *clause.parameters),
            ).fetchall()
            for table in ("task", "body", "result"):
                db.executemany(f"DELETE FROM {table} WHERE seq = ?", [(row["seq"],) for row in rows])  # noqa: S608
        return len(rows)

    def pools(self) -> list[str]:
        """See `TaskStore.pools`."""
        with self._file.read() as db:
            rows = [] if db is None else db.execute("SELECT DISTINCT pool FROM task ORDER BY pool").fetchall()
        return [row[0] for row in rows]

    def now(self) -> datetime:
        """See `TaskStore.now`."""
        return datetime.now(UTC)

    def close(self) -> None:
        """See `TaskStore.close`."""
        self._file.close()

    def _select(self, what: str, query: Group, condition: str, end: str, *values: Any) -> list[sqlite3.Row]:
        clause = Clause(query)
        with self._file.read() as db:
            if db is None:
                return []
            clause.define(db)
            also = f" AND {condition}" if condition else ""
            sql = f"SELECT {what} FROM task{_source(clause)} WHERE pool = ?{also} AND {clause.sql} {end}"  # noqa: S608
            return db.execute(sql, (self.pool, *values, *clause.parameters)).fetchall()

    def _ids(self, db: sqlite3.Connection, identities: Sequence[str]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for start in range(0, len(identities), _PAGE):
            part = identities[start : start + _PAGE]
            marks = ",".join("?" * len(part))
            sql = f"SELECT identity, id FROM task WHERE pool = ? AND identity IN ({marks})"  # noqa: S608
            found.update((row[0], TaskId(row[1])) for row in db.execute(sql, (self.pool, *part)))
        return found

    def _row(self, db: sqlite3.Connection, task_id: Any) -> Any:
        sql = f"SELECT {_HEAD} FROM task WHERE pool = ? AND id = ?"  # noqa: S608
        return db.execute(sql, (self.pool, str(task_id))).fetchone()

    def _mine(self, db: sqlite3.Connection, task_id: Any, attempt: int, claimed: str, nonce: str = "") -> Any:
        """Give the row of a task that this attempt holds; ``None`` if what this nonce names was done before."""
        row = self._row(db, task_id)
        if row is not None and row["status"] == RUNNING and row["attempt"] == attempt:
            if claimed in ("", row["nonce"]):
                return row
            raise stale_claim(task_id, attempt, task_of(row))
        if row is not None and nonce and row["ended_nonce"] == nonce:
            return None
        raise stale_claim(task_id, attempt, None if row is None else task_of(row))


def _source(clause: Clause) -> str:
    return " CROSS JOIN body ON body.seq = task.seq" if clause.needs_filter else ""


def _update(db: sqlite3.Connection, seq: int, values: Mapping[str, Any]) -> None:
    names = ", ".join(f"{name} = ?" for name in values)
    db.execute(f"UPDATE task SET {names} WHERE seq = ?", (*values.values(), seq))  # noqa: S608
