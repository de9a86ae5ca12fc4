"""Databases, and folders of files."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mlflow.version import VERSION

from rollforward.settings.masking import mask_credentials
from rollforward.workflow.mlflow_backend.doctor.finding import Finding, note, ok, problem
from rollforward.workflow.mlflow_backend.store.address import opened_uri
from rollforward.workflow.mlflow_backend.store.client import artifact_root, database_file
from rollforward.workflow.mlflow_backend.store.database import (
    first_contact_with_server,
    is_on_network,
    use_wal,
    uses_wal,
)
from rollforward.workflow.mlflow_backend.store.file_store import (
    command_for,
    folder_of_files,
    is_file_store,
    migrate,
    target_for,
)
from rollforward.workflow.mlflow_backend.store.reach import is_database, is_server, why_not_writable
from rollforward.workflow.mlflow_backend.store.schema import age_of, version_of
from rollforward.workflow.mlflow_backend.store.store_errors import lasting_remedy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Above it, reading the whole file takes minutes on a slow disk.
_CHECKED_BYTES = 200_000_000
_CLOCK = 5.0


def is_folder(uri: str) -> bool:
    """Whether an address names a folder, which MLflow no longer opens."""
    return urlsplit(uri).scheme in ("", "file") or len(urlsplit(uri).scheme) == 1


def is_open_to_all(uri: str) -> bool:
    """Whether a store can be opened without changing it: it has tables, and they are those of this MLflow."""
    version: str | None = None
    if is_server(uri):
        return True
    if (path := database_file(uri)) is not None:
        version = version_of(path) if path.exists() else None
    elif is_database(uri):
        version, _ = _asked(uri)
    return version is not None and age_of(version) == "as expected"


def file_store(uri: str, *, fix: bool) -> Iterator[Finding]:
    """Say how a folder of files becomes a database, or make it one."""
    yield from _moved(folder_of_files(uri), fix=fix)


def forgotten_files(uri: str) -> Iterator[Finding]:
    """Look for a folder of files beside a database, whose runs nobody sees."""
    database = database_file(uri)
    folder = None if database is None else artifact_root(database)
    if folder is not None and is_file_store(folder):
        command = command_for(folder, target_for(folder))
        says = f"{folder} holds experiments of a store of files, which are not in the database."
        yield note("store", says, f"To see them, copy them to a database of their own: {command}")


def _moved(folder: Path, *, fix: bool) -> Iterator[Finding]:
    if not is_file_store(folder):
        remedy = "Choose a database: init(uri='sqlite:///mlflow.db')."
        yield problem("store", f"{folder} holds no experiments, and MLflow opens no folders any more.", remedy)
        return
    target = target_for(folder)
    if not fix:
        command = command_for(folder, target)
        says = f"{folder} is a store of files, which MLflow no longer opens."
        yield problem("store", says, f"{command}, then use uri='{target}'.", can_fix=True)
        return
    counted = migrate(folder, target)
    yield note("store", f"{folder} was copied to {target}. {counted}", f"Use it: init(uri='{target}').")


def sqlite_file(uri: str, *, fix: bool) -> Iterator[Finding]:
    """Look at a SQLite database: can it be opened and written, is it whole, who made it, who may read it."""
    path = database_file(uri)
    if path is None:
        yield ok("store", "A database in memory, gone with its process.")
        return
    if not path.exists():
        yield from _new(uri, path)
        return
    yield ok("store", f"{path}, {path.stat().st_size / 1e6:.1f} MB")
    reason = why_not_writable(uri, timeout=5.0)
    if reason is not None:
        remedy = lasting_remedy(reason) or "Give this user the right to write it."
        yield problem("writable", f"{path} cannot be written: {reason}", remedy)
        return
    yield from _folder(path)
    yield from _tables(uri, version_of(path))
    yield from _log(path, fix=fix)
    yield from _whole(path)


def _new(uri: str, path: Path) -> Iterator[Finding]:
    reason = why_not_writable(uri)
    if reason is None:
        yield ok("store", f"{path} does not exist yet; the first run creates it.")
    else:
        yield problem("store", f"{path} cannot be created: {reason}", "Choose another place: init(uri=...).")


def _folder(path: Path) -> Iterator[Finding]:
    for folder, use in ((path.absolute().parent, "SQLite's journal"), (artifact_root(path), "artifacts")):
        if folder.exists() and not os.access(folder, os.W_OK | os.X_OK):
            yield problem("writable", f"{folder} cannot be written, for {use}.", f"chmod u+rwx '{folder}'")


def _tables(uri: str, version: str | None) -> Iterator[Finding]:
    if version is None:
        yield problem("tables", "The database has no tables of MLflow.", "Is the address right?")
        return
    age = age_of(version)
    if age == "newer":
        says = f"The tables (version {version}) were made by a newer MLflow than {VERSION}."
        yield problem("tables", says, "pip install --upgrade mlflow")
    elif age == "older":
        remedy = (
            f"After a backup: mlflow db upgrade '{mask_credentials(opened_uri(uri))}'. Older MLflows are locked out."
        )
        # It refuses them, or upgrades them without being asked, by what they lack.
        yield problem("tables", f"The tables (version {version}) were made by an older MLflow than {VERSION}.", remedy)
    else:
        yield ok("tables", f"The tables are those of MLflow {VERSION}.")


def _log(path: Path, *, fix: bool) -> Iterator[Finding]:
    if is_on_network(path):
        says = f"{path} is on a network file system, where SQLite's locks are not to be trusted."
        yield note("sharing", says, "For several machines, put a server in front: rollforward server --store ...")
    elif uses_wal(path) or (fix and use_wal(path)):
        yield ok("sharing", "Write-ahead log: readers and writers leave each other alone.")
    else:
        says = "No write-ahead log: whoever writes waits for all who read."
        yield note("sharing", says, "rollforward doctor --fix switches it on, for good.", can_fix=True)


def _whole(path: Path) -> Iterator[Finding]:
    if path.stat().st_size > _CHECKED_BYTES:
        return
    with closing(sqlite3.connect(path, timeout=5)) as connection:
        said = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if said != "ok":
        yield problem("whole", f"{path} is damaged: {said}", f"Restore a backup, or: sqlite3 '{path}' .recover")


def database_server(uri: str) -> Iterator[Finding]:
    """Look at PostgreSQL and the like: does it answer, who made the tables, do the clocks agree."""
    version, now = _asked(uri)
    yield ok("store", f"{mask_credentials(uri)} answers.")
    if version is None:
        yield note("tables", "The database has no tables of MLflow yet; the first run creates them.")
        return
    yield from _tables(uri, version)
    yield from _clock(now)


def _asked(uri: str) -> tuple[str | None, Any]:
    """Ask a database server for the version of the tables and the time."""
    import sqlalchemy as sa  # noqa: PLC0415  # only for such a store

    with first_contact_with_server(uri) as connection:
        has_tables = sa.inspect(connection).has_table("alembic_version")
        version = (
            connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar() if has_tables else None
        )
        return version, connection.execute(sa.text("SELECT CURRENT_TIMESTAMP")).scalar()


def _clock(there: Any) -> Iterator[Finding]:
    if getattr(there, "tzinfo", None) is None:
        return
    apart = time.time() - there.timestamp()
    if abs(apart) > _CLOCK:
        says = f"This machine's clock is {abs(apart):.0f} s away from the database's."
        yield problem("clock", says, "Set both by NTP: start times and heartbeats are compared across machines.")
    else:
        yield ok("clock", "The clocks of this machine and of the database agree.")
