"""Task pools: does their store answer, are its tables and its clock right, and does anybody work."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rollforward.settings import current
from rollforward.settings.masking import mask_credentials
from rollforward.settings.words import counted
from rollforward.workflow.mlflow_backend.doctor.finding import Finding, note, ok, problem
from rollforward.workflow.task.store.base import FAILED, PART_DONE, WAITING
from rollforward.workflow.task.store.opening import open_store
from rollforward.workflow.task.store.query import EVERYTHING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rollforward.workflow.task.store.base import TaskStore

_CLOCK = 5.0
# Seconds for which somebody at a keyboard waits for a server.
_PATIENCE = 5.0
_MONGO = (4, 4)
_INDEXES = {"task_queue", "task_status"}
_SLOW = "Claims read all tasks, and become slower with every one."


def task_pools(url: str | None) -> Iterator[Finding]:
    """Look at a task store and at all of its pools; nothing is created or changed.

    Parameters
    ----------
    url
        The store; ``None``: that of the settings. A file of theirs that is not there is no finding.
    """
    address = url or current().task_store
    store = open_store("any", address, patience=_PATIENCE)
    if not address.startswith("mongodb"):
        path = Path(store.url.removeprefix("sqlite:///")).absolute()
        if not path.exists():
            if url is not None:
                yield problem(
                    "pool", f"There is no task store {path}.", "Is the address right? The first task makes it."
                )
            return
        found = list(_file(path))
        yield from found
        if any(item.remedy for item in found):
            return
    else:
        yield from _server(address)
    yield from _clock(store)
    for name in store.pools():
        yield from _pool(open_store(name, address, patience=_PATIENCE))


def _file(path: Path) -> Iterator[Finding]:
    for place, right in ((path, os.R_OK | os.W_OK), (path.parent, os.W_OK | os.X_OK)):
        if not os.access(place, right):
            yield problem("pool", f"{place} cannot be written.", f"chmod u+rwX '{place}'")
            return
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=5)) as db:
            version = db.execute("PRAGMA user_version").fetchone()[0]
            names = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'index')")}
            mode = db.execute("PRAGMA journal_mode").fetchone()[0]
            whole = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.DatabaseError as error:
        yield problem("pool", f"{path} is no task store: {error}.", "Name another one: --pool sqlite:///tasks.db")
        return
    if version == 0 or "task" not in names:
        yield problem(
            "pool", f"{path} is a database, and no task store.", "Name another one: --pool sqlite:///tasks.db"
        )
    elif whole != "ok":
        yield problem("pool", f"{path} is damaged: {whole}", f"sqlite3 '{path}' .recover, or submit the tasks again.")
    elif missing := _INDEXES - names:
        yield problem(
            "pool", f"{path} has no index {', '.join(sorted(missing))}. {_SLOW}", f"Make a new one: move '{path}' away."
        )
    elif mode != "wal":
        yield ok("pool", f"{path}, version {version}, without a write-ahead log: workers wait for each other more.")
    else:
        yield ok("pool", f"{path}, version {version}, answers.")


def _server(url: str) -> Iterator[Finding]:
    from rollforward.workflow.task.store.mongo_server import MongoServer  # noqa: PLC0415  # pymongo is optional

    server = MongoServer(url, current().task_db_name, _PATIENCE)
    version: str = server.call(lambda _: server.db().command("buildInfo"))["version"]
    shown = mask_credentials(url)
    if tuple(int(part) for part in version.split(".")[:2]) < _MONGO:
        yield problem("pool", f"{shown} is MongoDB {version}.", "Version 4.4 or newer is needed.")
    else:
        yield ok("pool", f"{shown} answers: MongoDB {version}, database {server.database!r}.")
    for name in server.call(lambda _: server.db().list_collection_names()):
        if name.startswith(("_rollforward.", "system.")):
            continue
        indexes: Mapping[str, Any] = server.call(lambda _, name=name: server.collection(name).index_information())  # type: ignore[misc]
        if not any(index["key"][0][0] == "identity" and index.get("unique") for index in indexes.values()):
            says = f"The pool {name!r} has no index on identities: tasks may be in it twice. {_SLOW}"
            yield problem("pool", says, "Submit its tasks once more: that makes the indexes, and no task twice.")


def _clock(store: TaskStore) -> Iterator[Finding]:
    apart = abs((datetime.now(UTC) - store.now()).total_seconds())
    if apart > _CLOCK:
        says = f"This machine's clock is {apart:.0f} s away from the task store's."
        yield problem("pool", says, "Set both by NTP. Leases are safe, they go by the store's clock; logs are not.")


def _pool(store: TaskStore) -> Iterator[Finding]:
    name, counts = store.pool, store.count(EVERYTHING)
    n_waiting = counts.get(WAITING, 0) + counts.get(PART_DONE, 0)
    alive = [worker for worker in store.workers() if worker.is_alive]
    silent = len(store.workers()) - len(alive)
    is_well = True
    if n_dropped := store.count_dropped(EVERYTHING):
        is_well = False
        says = f"{name!r}: the workers of {counted(n_dropped, 'task')} are gone, and their leases have passed."
        yield note("pool", says, f"The next worker takes them: rollforward worker {name}")
    if (n_waiting or n_dropped) and not alive:
        is_well = False
        also = f" ({silent} on the register give no sign of life)" if silent else ""
        says = f"{name!r}: {counted(n_waiting, 'task')} wait, and no worker is alive{also}."
        yield note("pool", says, f"Start one: rollforward worker {name}")
    if n_failed := counts.get(FAILED, 0):
        is_well = False
        says = f"{name!r}: {counted(n_failed, 'task')} failed."
        yield note("pool", says, f"rollforward pool list {name} --status failed; then: rollforward pool retry {name}")
    if is_well:
        yield ok("pool", f"{name!r}: {counted(sum(counts.values()), 'task')}, {counted(len(alive), 'worker')} alive.")
