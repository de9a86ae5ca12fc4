"""The connection to a MongoDB server: one client per process, and patience while the server is away."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from contextlib import contextmanager
from datetime import UTC
from typing import TYPE_CHECKING, Any, TypeVar

import pymongo
from bson.codec_options import CodecOptions
from pymongo import WriteConcern
from pymongo.errors import (
    ConnectionFailure,
    DocumentTooLarge,
    DuplicateKeyError,
    InvalidURI,
    OperationFailure,
    PyMongoError,
)
from pymongo.read_preferences import ReadPreference

from rollforward.errors import PoolError, StoreUnreachableError, TaskError
from rollforward.settings.masking import mask_credentials

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pymongo.collection import Collection
    from pymongo.database import Database

logger = logging.getLogger(__name__)
T = TypeVar("T")
Document = dict[str, Any]

DEFAULT_PATIENCE = 30.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0
# The server is going down, coming up, or hands over to another one; 64: a majority was not reached in time.
_PASSING = frozenset({6, 7, 89, 91, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436, 64})
_REFUSED = frozenset({13, 18})
# Whatever the address says: a write that has returned is on the disks of a majority; or else on its way there.
_DURABLE, _SOON = WriteConcern(w="majority", j=True), WriteConcern(w=1)
_OPTIONS: dict[str, Any] = {
    "serverSelectionTimeoutMS": 2_000,
    "connectTimeoutMS": 5_000,
    "socketTimeoutMS": 30_000,
    "appname": "rollforward",
    "tz_aware": True,
}

_clients: dict[tuple[int, str], pymongo.MongoClient[Document]] = {}
_lock = threading.Lock()


def close_clients() -> None:
    """Close the connections of this process; the next call opens others."""
    with _lock:
        mine = [key for key in _clients if key[0] == os.getpid()]
        closing = [_clients.pop(key) for key in mine]
    for client in closing:
        client.close()


def _renew_lock() -> None:
    # Another thread of the parent may have held it; clients of the parent stay in the table, where nobody closes them.
    global _lock  # noqa: PLW0603  a fork leaves no other way
    _lock = threading.Lock()


atexit.register(close_clients)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


class MongoServer:
    """A database on a server.

    Parameters
    ----------
    url
        ``mongodb://`` or ``mongodb+srv://``.
    database
        Its name.
    patience
        Seconds for which a call is tried again while the server does not answer.
    """

    def __init__(self, url: str, database: str, patience: float = DEFAULT_PATIENCE) -> None:
        self._url = url
        self.database = database
        self.patience = patience

    @property
    def url(self) -> str:
        """Address without credentials."""
        return mask_credentials(self._url)

    def collection(self, name: str, *, is_durable: bool = True) -> Collection[Document]:
        """Give a collection whose writes are durable when they return; or else soon after."""
        return self.db().get_collection(
            name,
            codec_options=CodecOptions(tz_aware=True, tzinfo=UTC),
            write_concern=_DURABLE if is_durable else _SOON,
            read_preference=ReadPreference.PRIMARY,
        )

    def db(self) -> Database[Document]:
        """Give the database, on the connection of this process."""
        key = (os.getpid(), self._url)
        client = _clients.get(key)
        if client is None:
            with _lock, self._mapped():
                client = _clients.get(key)
                if client is None:
                    asked = self._url.partition("?")[2].lower()
                    options = {name: value for name, value in _OPTIONS.items() if f"{name.lower()}=" not in asked}
                    client = _clients[key] = pymongo.MongoClient(self._url, **options)
        return client[self.database]

    def call(self, operation: Callable[[bool], T]) -> T:
        """Run an operation, again and again while the server is away.

        Parameters
        ----------
        operation
            Is told whether it is the first time: an earlier one may have been done although its answer was lost.

        Raises
        ------
        StoreUnreachableError
            If the server did not answer for as long as the patience lasts.
        """
        deadline = time.monotonic() + self.patience
        pause, is_first = _FIRST_PAUSE, True
        while True:
            try:
                with self._mapped():
                    return operation(is_first)
            except DuplicateKeyError:
                raise
            except (ConnectionFailure, OperationFailure) as error:
                if time.monotonic() + pause > deadline:
                    raise self._unreachable(error) from error
                if is_first:
                    logger.warning("%s does not answer; trying again for %.0f s.", self.url, self.patience)
            time.sleep(pause)
            pause, is_first = min(2 * pause, _LONGEST_PAUSE), False

    @contextmanager
    def _mapped(self) -> Iterator[None]:
        """Let through what may pass; turn every other error of the driver into one of ours."""
        try:
            yield
        except (ConnectionFailure, DuplicateKeyError):
            raise
        except DocumentTooLarge as error:
            raise TaskError(
                "A task is larger than MongoDB's 16 MB.",
                "a definition that names its data.",
                "Name the file that holds the data.",
            ) from error
        except PyMongoError as error:
            if isinstance(error, OperationFailure):
                if error.code in _PASSING or error.has_error_label("RetryableWriteError"):
                    raise
                if error.code in _REFUSED:
                    raise PoolError(
                        f"{self.url} refused: {mask_credentials(str(error))}",
                        f"a user that may read and write the database {self.database!r}.",
                        "Put user, password and authSource into the address.",
                    ) from error
            what = "is no address of a MongoDB server" if isinstance(error, InvalidURI) else "refused"
            raise PoolError(
                f"{self.url} {what}: {mask_credentials(str(error))}",
                "a MongoDB server of version 4.4 or newer.",
                "Look at the address and at the server.",
            ) from error

    def _unreachable(self, error: Exception) -> StoreUnreachableError:
        said = mask_credentials(str(error)).partition(", Timeout:")[0]
        return StoreUnreachableError(
            f"{self.url} did not answer for {self.patience:.0f} s: {said}",
            "a MongoDB server that answers.",
            "Start it, or correct the address: init(task_store=...).",
        )
