"""Clients of MLflow, the stores they open, and the one table of MLflow's errors.

Everything goes through ``MlflowClient`` with explicit run ids: no global of MLflow is read or written here.
"""

from __future__ import annotations

import logging
import os
import re
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import filelock
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.tracking._tracking_service import utils

from rollforward.errors import ExpAlreadyExistError, MissingDependencyError, StoreRefusedError, TrackingError
from rollforward.settings.masking import mask_credentials

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger(__name__)

NOT_FOUND = frozenset({"RESOURCE_DOES_NOT_EXIST", "NOT_FOUND"})
_TAKEN = frozenset({"RESOURCE_ALREADY_EXISTS", "ALREADY_EXISTS"})
_CREDENTIALS = frozenset({"UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED", "PERMISSION_DENIED"})
REFUSED = frozenset({"INVALID_PARAMETER_VALUE", "BAD_REQUEST", "INVALID_STATE"})
_REMEDIES = {
    **dict.fromkeys(
        _CREDENTIALS, "Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN."
    ),
    "ENDPOINT_NOT_FOUND": "Check the address: is an MLflow server there, and not older than this client?",
    "TEMPORARILY_UNAVAILABLE": "Check that the database can be reached and written; then try again.",
    "RESOURCE_EXHAUSTED": "Try again more slowly.",
    "REQUEST_LIMIT_EXCEEDED": "Try again more slowly.",
    "INTERNAL_ERROR": "Check that the store can be reached; the server's log has the cause.",
}

_FILE_SCHEMES = ("", "file")
_NAMED_STORES = ("databricks", "databricks-uc", "uc")
_SQLITE = re.compile(r"sqlite(?:\+\w+)?:///(?P<path>[^?#]+)")
_QUIET = ("mlflow", "alembic")

# Private parts of MLflow, untyped; tests/dependency pins them.
_service: Any = utils

_clients: dict[tuple[int, str], MlflowClient] = {}
_opening = threading.Lock()


def error_code(error: MlflowException) -> str:
    """Name what MLflow objects to."""
    return str(error.error_code)


@contextmanager
def mapped(action: str) -> Iterator[None]:
    """Turn MLflow's errors into ours.

    Parameters
    ----------
    action
        What was attempted, as the end of "could not ...".
    """
    try:
        yield
    except MlflowException as error:
        code = error_code(error)
        kind = ExpAlreadyExistError if code in _TAKEN else TrackingError
        given = f"Could not {action}: {mask_credentials(str(error))}"
        raise kind(given, remedy=_REMEDIES.get(code, "")) from error


def checked_uri(uri: str) -> str:
    """Return the address of a store that MLflow opens.

    Raises
    ------
    StoreRefusedError
        For ``file:`` addresses and plain paths: MLflow has given up file stores.
    """
    scheme = urlsplit(uri).scheme
    is_drive = len(scheme) == 1
    if uri in _NAMED_STORES or (scheme not in _FILE_SCHEMES and not is_drive):
        return uri
    path = Path(unquote(urlsplit(uri).path) if scheme == "file" else uri).absolute()
    if path.suffix in (".db", ".sqlite", ".sqlite3"):
        remedy = f"A SQLite database is given as sqlite:///{path.as_posix()}"
    else:
        database = f"sqlite:///{(path.parent / 'mlflow.db').as_posix()}"
        remedy = f"mlflow migrate-filestore --source '{path}' --target '{database}', then use uri='{database}'."
    raise StoreRefusedError(
        f"The tracking store {uri!r} is a folder of files, which MLflow no longer opens.",
        "a database (sqlite:///mlflow.db, postgresql://...) or a server (http://...).",
        remedy,
    )


def database_file(uri: str) -> Path | None:
    """Return the file of a SQLite store, or ``None`` for any other store."""
    match = _SQLITE.match(uri)
    if match is None or match["path"].startswith(":memory:"):
        return None
    return Path(match["path"])


def artifact_root(database: Path) -> Path:
    """Return the folder beside a database that holds the artifacts of its runs."""
    return database.absolute().parent / "mlruns"


def is_database(uri: str) -> bool:
    """Whether clients write to a database themselves, with no server between."""
    return urlsplit(uri).scheme.split("+")[0] in ("sqlite", "postgresql", "mysql", "mssql")


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
            _clients[key] = _open(checked_uri(uri))
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
    engine = SqlAlchemyStore._engine_map.pop(uri, None)  # noqa: SLF001  # the only handle on open connections
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


def _open(uri: str) -> MlflowClient:
    path = database_file(uri)
    with mapped(f"open the tracking store {mask_credentials(uri)}"), _quiet_loggers():
        if path is None:
            return _connect(uri)
        with _schema_lock(path):
            if not path.exists():
                # Who creates the schema also decides where MLflow's own experiment "Default" keeps its artifacts.
                _service._get_store(uri, artifact_root(path).as_uri())  # noqa: SLF001
            return MlflowClient(tracking_uri=uri)


def _connect(uri: str) -> MlflowClient:
    try:
        return MlflowClient(tracking_uri=uri)
    except ModuleNotFoundError as error:
        scheme = urlsplit(uri).scheme
        raise MissingDependencyError.of(str(error.name), "", f"stores of the kind {scheme}://") from error


@contextmanager
def _schema_lock(path: Path) -> Iterator[None]:
    """Let one process at a time have its first contact with a database file.

    MLflow creates and migrates the schema without a lock of its own, so that of several processes all but one fail.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(path.with_name(f"{path.name}.lock"))
        lock.acquire()
    except OSError as error:
        if not path.exists():
            raise TrackingError(
                f"The tracking database {path} cannot be created: {error}",
                "a folder that can be written.",
                "Choose another place: init(uri='sqlite:///...').",
            ) from error
        logger.debug("No lock beside %s, which exists already: %s", path, error)
        yield
        return
    try:
        yield
    finally:
        lock.release()


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
