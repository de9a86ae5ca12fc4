"""Clients of MLflow, and the stores they open.

Everything goes through ``MlflowClient`` with explicit run ids: no global of MLflow is read or written here.
"""

from __future__ import annotations

import logging
import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.tracking._tracking_service import utils
from mlflow.version import VERSION

from rollforward.errors import StoreRefusedError
from rollforward.settings.masking import mask_credentials
from rollforward.workflow.mlflow_backend.store.address import opened_uri
from rollforward.workflow.mlflow_backend.store.database import first_contact, first_contact_with_server
from rollforward.workflow.mlflow_backend.store.file_store import command_for, folder_of_files, target_for
from rollforward.workflow.mlflow_backend.store.http_store import equip
from rollforward.workflow.mlflow_backend.store.reach import database_file, is_database, is_reachable, is_server
from rollforward.workflow.mlflow_backend.store.schema import raise_if_newer, version_of
from rollforward.workflow.mlflow_backend.store.store_errors import NOT_FOUND, REFUSED, error_code, is_away, mapped

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = [
    "NOT_FOUND",
    "REFUSED",
    "artifact_root",
    "checked_uri",
    "client_for",
    "database_file",
    "error_code",
    "forget_client",
    "is_away",
    "is_database",
    "is_reachable",
    "is_server",
    "mapped",
    "open_for_server",
    "store_of",
]

logger = logging.getLogger(__name__)

_FILE_SCHEMES = ("", "file")
_NAMED_STORES = ("databricks", "databricks-uc", "uc")
_QUIET = ("mlflow", "alembic")

# Private parts of MLflow, untyped; tests/dependency pins them.
_service: Any = utils

_clients: dict[tuple[int, str], MlflowClient] = {}
_opening = threading.Lock()


def checked_uri(uri: str) -> str:
    """Return the address of a store that MLflow opens.

    Raises
    ------
    StoreRefusedError
        For ``file:`` addresses and plain paths: MLflow has given up file stores.
    """
    scheme = urlsplit(opened_uri(uri)).scheme
    is_drive = len(scheme) == 1
    if uri in _NAMED_STORES or (scheme not in _FILE_SCHEMES and not is_drive):
        return uri
    path = folder_of_files(uri)
    if path.suffix in (".db", ".sqlite", ".sqlite3"):
        remedy = f"A SQLite database is given as sqlite:///{path.as_posix()}"
    else:
        target = target_for(path)
        remedy = f"{command_for(path, target)}, then use uri='{target}'. `rollforward doctor --fix` does it."
    raise StoreRefusedError(
        f"The tracking store {uri!r} is a folder of files, which MLflow no longer opens.",
        "a database (sqlite:///mlflow.db, postgresql://...) or a server (http://...).",
        remedy,
    )


def artifact_root(database: Path) -> Path:
    """Return the folder beside a database that holds the artifacts of its runs."""
    return database.absolute().parent / "mlruns"


def client_for(uri: str) -> MlflowClient:
    """Return the client of a store; one per process and store.

    Raises
    ------
    StoreRefusedError, TrackingError
        If the store cannot be opened.
    """
    key = (os.getpid(), uri)
    client = _clients.get(key)
    if client is not None:
        return client
    with _opening:
        if key not in _clients:
            if any(pid != os.getpid() for pid, _ in _clients):
                _forget_parent()
            _clients[key] = _open(opened_uri(checked_uri(uri)))
        return _clients[key]


def store_of(client: MlflowClient) -> Any:
    """Return the store behind a client.

    Its ``update_run_info`` ends a run in one request; ``MlflowClient.set_terminated`` first waits for the asynchronous
    queue of every run in the process, asks for the run again and prints two lines.
    """
    return client._tracking_client.store  # noqa: SLF001  # pinned in tests/dependency


def forget_client(uri: str) -> None:
    """Close the connections to a store; the next `client_for` opens it again."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore  # noqa: PLC0415  # not with mlflow-skinny

    _clients.pop((os.getpid(), uri), None)
    engine = SqlAlchemyStore._engine_map.pop(opened_uri(uri), None)  # noqa: SLF001  # the only handle on open connections
    if engine is not None:
        engine.dispose()
    _service._tracking_store_registry._get_store_with_resolved_uri.cache_clear()  # noqa: SLF001


def _forget_parent() -> None:
    """After a fork: leave the parent's database connections alone, and open own ones."""
    for client in _clients.values():
        engine = getattr(store_of(client), "engine", None)
        if engine is not None:
            engine.dispose(close=False)
    _clients.clear()


def _open(uri: str, *, default_artifacts: str | None = None) -> MlflowClient:
    path = database_file(uri)
    with mapped(f"open the tracking store {mask_credentials(uri)}"), _quiet_loggers():
        if is_server(uri):
            return equip(MlflowClient(tracking_uri=uri), uri)
        if path is not None:
            return _open_file(uri, path, default_artifacts)
        if is_database(uri):
            with first_contact_with_server(uri):
                return MlflowClient(tracking_uri=uri)
        return MlflowClient(tracking_uri=uri)


def _open_file(uri: str, path: Path, default_artifacts: str | None) -> MlflowClient:
    with first_contact(path) as is_new:
        before = None if is_new else version_of(path)
        if is_new:
            # Who creates the schema also decides where MLflow's own experiment "Default" keeps its artifacts.
            _service._get_store(uri, default_artifacts or artifact_root(path).as_uri())  # noqa: SLF001
        try:
            client = MlflowClient(tracking_uri=uri)
        except MlflowException as error:
            raise_if_newer(uri, before, error)
            raise
        # MLflow uses a second connection inside some calls: with at most 15, 20 threads would wait for each other.
        store_of(client).engine.pool._max_overflow = -1  # noqa: SLF001  # SQLAlchemy's "as many as are needed"
        after = before if is_new else version_of(path)
    if before != after:
        logger.warning(
            "The tables of %s were brought up to MLflow %s (%s -> %s); an older MLflow cannot open them any more.",
            path,
            VERSION,
            before,
            after,
        )
    return client


def open_for_server(uri: str) -> None:
    """Open a store once, so that it is there for a server; what a server creates keeps its artifacts behind it."""
    _open(opened_uri(checked_uri(uri)), default_artifacts="mlflow-artifacts:/")
    forget_client(uri)


@contextmanager
def _quiet_loggers() -> Iterator[None]:
    """Keep what creating a schema reports (about 60 lines) from a user who did nothing unusual."""
    loggers = [logging.getLogger(name) for name in _QUIET]
    levels = [item.level for item in loggers]
    for item in loggers:
        item.setLevel(max(item.level, logging.WARNING))
    try:
        yield
    finally:
        for item, level in zip(loggers, levels, strict=True):
            item.setLevel(level)
