"""Whether a store is there, found out without waiting for it."""

from __future__ import annotations

import os
import re
import socket
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mlflow.exceptions import MlflowException
from mlflow.utils import credentials, rest_utils

from rollforward.workflow.mlflow_backend.store.address import opened_uri

_SQLITE = re.compile(r"sqlite(?:\+\w+)?:///(?P<path>[^?#]+)")
_PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}
_SERVER_ERROR = 500

# Untyped in MLflow; they bring the credentials and certificates that the user gave to MLflow.
_host_creds: Any = credentials.get_default_host_creds
_request: Any = rest_utils.http_request


def database_file(uri: str) -> Path | None:
    """Return the file of a SQLite store, or ``None`` for any other store."""
    match = _SQLITE.match(opened_uri(uri))
    if match is None or match["path"].startswith(":memory:"):
        return None
    return Path(match["path"])


def scheme_of(uri: str) -> str:
    """Return the kind of an address, without the name of a driver: ``postgresql+psycopg2://...`` is postgresql."""
    return urlsplit(opened_uri(uri)).scheme.split("+")[0]


def is_database(uri: str) -> bool:
    """Whether clients write to a database themselves, with no server between."""
    return scheme_of(uri) in ("sqlite", *_PORTS)


def is_server(uri: str) -> bool:
    """Whether the store is behind an MLflow server."""
    return scheme_of(uri) in ("http", "https")


def is_reachable(uri: str, timeout: float = 2.0) -> bool:
    """Whether a store answers now; neither raises nor creates anything.

    A server has to answer a small request, with anything but an error of its own; a database server has to accept a
    connection; a SQLite file must be one that can be written, or be created. Of other addresses nothing is known: true.

    Parameters
    ----------
    uri
        The store.
    timeout
        Seconds to wait for each step of the answer.
    """
    uri = opened_uri(uri)
    if is_server(uri):
        return _answers(uri, timeout)
    if database_file(uri) is not None:
        return why_not_writable(uri, timeout) is None
    if scheme_of(uri) in _PORTS:
        return _accepts(uri, timeout)
    return True


def why_not_writable(uri: str, timeout: float = 2.0) -> str | None:
    """Say why a SQLite store cannot be written, or return ``None`` if it can be.

    That another process writes at this moment is no obstacle.
    """
    path = database_file(uri)
    if path is None:
        return None
    if not path.exists():
        folder = next(parent for parent in path.absolute().parents if parent.exists())
        return None if folder.is_dir() and os.access(folder, os.W_OK) else f"{folder} cannot be written"
    try:
        # Only SQLite itself may touch the file: to close any other handle would drop the locks of this process.
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=timeout)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.rollback()
    except sqlite3.Error as error:
        return None if "locked" in str(error) else str(error)
    return None


def _answers(uri: str, timeout: float) -> bool:
    try:
        creds = _host_creds(uri)
        response = _request(creds, "/health", "GET", max_retries=0, timeout=timeout, raise_on_status=False)
    except MlflowException:
        return False
    return bool(response.status_code < _SERVER_ERROR)


def _accepts(uri: str, timeout: float) -> bool:
    parts = urlsplit(uri)
    if not parts.hostname:
        # A socket in the file system, or a host among the options: the driver knows.
        return True
    try:
        with socket.create_connection((parts.hostname, parts.port or _PORTS[scheme_of(uri)]), timeout=timeout):
            return True
    except OSError:
        return False
