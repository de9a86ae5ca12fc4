"""One SQLite file: its tables, and a connection for each process and thread."""

from __future__ import annotations

import logging
import os
import random
import sqlite3
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rollforward.errors import PoolError, StoreUnreachableError

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger(__name__)

_VERSION = 1
_PATIENCE = 60.0
_WAIT = f"PRAGMA busy_timeout = {_PATIENCE * 1000:.0f}"
_FIRST_PAUSE, _LONGEST_PAUSE = 0.001, 0.004
_REMOTE = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "fuse.sshfs", "9p", "afs", "lustre", "ceph", "glusterfs", "beegfs")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS task (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, pool TEXT NOT NULL, id TEXT NOT NULL UNIQUE, identity TEXT NOT NULL,
    status TEXT NOT NULL, queue TEXT, priority INTEGER NOT NULL, attempt INTEGER NOT NULL DEFAULT 0,
    tries INTEGER NOT NULL DEFAULT 0, origin TEXT NOT NULL DEFAULT '', available_at REAL NOT NULL DEFAULT 0,
    worker TEXT, host TEXT, pid INTEGER, nonce TEXT NOT NULL DEFAULT '', ended_nonce TEXT NOT NULL DEFAULT '',
    created_at REAL NOT NULL, started_at REAL, ended_at REAL, recorder TEXT,
    error TEXT NOT NULL DEFAULT '', traceback TEXT NOT NULL DEFAULT '',
    attempts TEXT NOT NULL DEFAULT '[]', events TEXT NOT NULL DEFAULT '[]',
    UNIQUE (pool, identity));
CREATE INDEX IF NOT EXISTS task_queue ON task (pool, queue, priority DESC, seq) WHERE queue IS NOT NULL;
CREATE INDEX IF NOT EXISTS task_status ON task (pool, status);
CREATE TABLE IF NOT EXISTS body (seq INTEGER PRIMARY KEY, filter TEXT NOT NULL, definition TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS result (seq INTEGER PRIMARY KEY, text TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS worker (
    pool TEXT NOT NULL, name TEXT NOT NULL, host TEXT NOT NULL, pid INTEGER NOT NULL, info TEXT NOT NULL,
    started_at REAL NOT NULL, seen_at REAL NOT NULL, until REAL NOT NULL, PRIMARY KEY (pool, name));
"""


class _Connection:
    """Closes with the thread that opened it; one that a fork brought along is the parent's, and left alone."""

    def __init__(self, path: Path) -> None:
        self.pid = os.getpid()
        self.db = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
        self.db.row_factory = sqlite3.Row

    def __del__(self) -> None:
        db = getattr(self, "db", None)
        if db is None:
            return
        if self.pid == os.getpid():
            db.close()
        else:
            _strangers.append(db)


_strangers: list[sqlite3.Connection] = []


class SqliteFile:
    """The file of the pools.

    Parameters
    ----------
    path
        Absolute. The file is created by the first write.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()

    def __getstate__(self) -> dict[str, Any]:
        """Leave the connections behind."""
        return {"path": self.path}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.path = state["path"]
        self._local = threading.local()

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection | None]:
        """Lend a connection for one reading statement after another; ``None`` while there is no task store."""
        with self._mapped():
            yield self._connection(create=False)

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection for one transaction, which is written whole or not at all."""
        with self._mapped():
            db = self._connection(create=True)
            if db is None:  # pragma: no cover  # it was just created
                raise PoolError(f"{self.path} cannot be created.")
            _begin(db)
            try:
                yield db
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")

    def close(self) -> None:
        """Close the connection of this thread."""
        self._local.connection = None

    def _connection(self, *, create: bool) -> sqlite3.Connection | None:
        held: _Connection | None = getattr(self._local, "connection", None)
        if held is not None and held.pid == os.getpid():
            return held.db
        self._local.connection = None
        if not create and not self.path.exists():
            return None
        if not self.path.parent.is_dir():
            raise StoreUnreachableError(
                f"There is no folder {self.path.parent} for the task store.",
                "a folder on a local disk that may be written.",
                "Create it, or name another file: init(task_store=...).",
            )
        opened = _Connection(self.path)
        if not create and _version(opened.db) == 0:
            # Of another program, or just being made: a look makes no task store of it.
            return None
        _prepare(opened.db, self.path)
        self._local.connection = opened
        return opened.db

    @contextmanager
    def _mapped(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            text = str(error)
            if "unable to open" in text or "disk I/O" in text:
                raise StoreUnreachableError(
                    f"The task store {self.path} cannot be opened: {text}.",
                    "a file on a local disk that may be read and written.",
                    "Correct its rights, or name another file: init(task_store=...).",
                ) from error
            raise PoolError(
                f"The task store {self.path} refused: {text}.",
                "a SQLite file of rollforward on a local disk with free space.",
                _REMEDIES.get(text, "Look at the file and the disk; nothing of this call was written."),
            ) from error


def _begin(db: sqlite3.Connection) -> None:
    """Wait for the lock of the writers, and take it.

    SQLite's own way to wait sleeps longer and longer, up to a tenth of a second, while the lock is free again after
    less than a millisecond: with eight processes the file would be idle most of the time.
    """
    pause, deadline = _FIRST_PAUSE, 0.0
    db.execute("PRAGMA busy_timeout = 0")
    try:
        while True:
            try:
                db.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if "locked" not in str(error):
                    raise
                deadline = deadline or time.monotonic() + _PATIENCE
                if time.monotonic() > deadline:
                    raise
            else:
                return
            time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311
            pause = min(2 * pause, _LONGEST_PAUSE)
    finally:
        db.execute(_WAIT)


_REMEDIES = {
    "database or disk is full": "Make space; nothing of this call was written.",
    "database is locked": "Find the process that holds the file (lsof), or use MongoDB for this many workers.",
    "file is not a database": "Name another file: init(task_store=...).",
    "attempt to write a readonly database": "Correct its rights, or name another file: init(task_store=...).",
}


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    db.execute("PRAGMA synchronous = FULL")
    if _version(db) == _VERSION:
        return
    _warn_of_remote_disk(path)
    _use_wal(db, path)
    db.execute("BEGIN IMMEDIATE")
    version = _version(db)
    if version > _VERSION:
        db.execute("ROLLBACK")
        raise PoolError(
            f"{path} was written by a newer version of rollforward.",
            f"version {_VERSION} of the tables, not {version}.",
            "Update rollforward here, or name another file: init(task_store=...).",
        )
    for statement in _SCHEMA.split(";"):
        db.execute(statement)
    db.execute(f"PRAGMA user_version = {_VERSION}")
    db.execute("COMMIT")


def _version(db: sqlite3.Connection) -> int:
    found: int = db.execute("PRAGMA user_version").fetchone()[0]
    return found


def _use_wal(db: sqlite3.Connection, path: Path) -> None:
    # Processes that make the same file at once are told "locked" without being made to wait.
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            mode = db.execute("PRAGMA journal_mode = WAL").fetchone()[0]
            break
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
    if mode != "wal":
        logger.warning("%s is kept without a write-ahead log (%s): workers wait for each other more.", path, mode)


def _warn_of_remote_disk(path: Path) -> None:
    kind = _file_system(path)
    if kind in _REMOTE:
        logger.warning(
            "%s is on %s. SQLite's locks are not reliable there: use a local disk, or a MongoDB server.", path, kind
        )


def _file_system(path: Path) -> str:
    try:
        lines = Path("/proc/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    best, kind = "", ""
    for _, mount, name, *_ in (line.split() for line in lines):
        point = mount.replace("\\040", " ")
        if path.is_relative_to(point) and len(point) >= len(best):
            best, kind = point, name
    return kind
