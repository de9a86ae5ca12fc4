"""The store of a pool, by its address."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from rollforward.errors import MissingDependencyError, PoolError
from rollforward.settings import current
from rollforward.settings.masking import mask_credentials

if TYPE_CHECKING:
    from rollforward.workflow.task.store.base import TaskStore

_SQLITE = re.compile(r"sqlite:///(?P<path>[^?#]+)")
_MONGO = ("mongodb://", "mongodb+srv://")
# A collection of MongoDB is called like its pool.
_POOL = re.compile(r"(?!system\.|_rollforward\.)[^$\x00-\x1f]{1,100}")


def open_store(
    pool: str, url: str | os.PathLike[str] | None = None, db_name: str | None = None, patience: float | None = None
) -> TaskStore:
    """Open the store of a pool; nothing is connected or created before it is used.

    Parameters
    ----------
    pool
        Name of the pool: up to 100 characters.
    url
        ``sqlite:///relative.db``, ``sqlite:////absolute.db``, the path of a file that ends in ``.db`` or ``.sqlite``,
        or ``mongodb://...``. ``None``: the setting ``task_store``.
    db_name
        Database on a MongoDB server. ``None``: the setting ``task_db_name``.
    patience
        Seconds for which a call is tried again while a MongoDB server does not answer (30).

    Raises
    ------
    PoolError
        For a name or an address that cannot be one.
    MissingDependencyError
        For a MongoDB server without pymongo.
    """
    if not isinstance(pool, str) or not _POOL.fullmatch(pool):
        raise PoolError(
            f"{pool!r} is no name of a task pool.",
            'a text of 1 to 100 characters without "$", that begins neither with "system." nor with "_rollforward.".',
            "Choose another name.",
        )
    address = current().task_store if url is None else os.fspath(url)
    if address.startswith(_MONGO):
        return _open_mongo(address, db_name or current().task_db_name, pool, patience)
    match = _SQLITE.fullmatch(address)
    if match is None and ("://" in address or not address.endswith((".db", ".sqlite"))):
        raise PoolError(
            f"{mask_credentials(address)!r} is no address of a task store.",
            "sqlite:///tasks.db, or mongodb://host:27017/.",
            "Correct it: init(task_store=...), ROLLFORWARD_TASK_STORE or TaskManager(store=...).",
        )
    from rollforward.workflow.task.store.sqlite import SqliteStore  # noqa: PLC0415  only the store that is asked for

    return SqliteStore(Path(match["path"] if match else address), pool)


def as_store(pool: str, store: TaskStore | str | os.PathLike[str] | None) -> TaskStore:
    """Open a store by its address, ``None`` by the settings; give one that is open as it is."""
    if store is None or isinstance(store, str | os.PathLike):
        return open_store(pool, store)
    return store


def _open_mongo(url: str, db_name: str, pool: str, patience: float | None) -> TaskStore:
    try:
        from rollforward.workflow.task.store.mongo import MongoStore  # noqa: PLC0415  pymongo is optional
    except ModuleNotFoundError as error:
        if error.name not in ("pymongo", "bson"):
            raise
        raise MissingDependencyError.of("pymongo", "mongo", "task pools on a MongoDB server") from error
    return MongoStore(url, db_name, pool) if patience is None else MongoStore(url, db_name, pool, patience)
