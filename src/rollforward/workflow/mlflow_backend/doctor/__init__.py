"""Examine a tracking store, and what on this machine has to do with it."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING

from rollforward.errors import RollforwardError
from rollforward.workflow.mlflow_backend.doctor.finding import Finding, Level, note, problem
from rollforward.workflow.mlflow_backend.doctor.machine import calendar_horizon, folders, packages
from rollforward.workflow.mlflow_backend.doctor.runs import awaited, dead, leftovers
from rollforward.workflow.mlflow_backend.doctor.server import http_server
from rollforward.workflow.mlflow_backend.doctor.store import (
    database_server,
    file_store,
    forgotten_files,
    is_folder,
    is_open_to_all,
    sqlite_file,
)
from rollforward.workflow.mlflow_backend.store.client import checked_uri
from rollforward.workflow.mlflow_backend.store.reach import is_server, scheme_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rollforward.workflow.mlflow_backend.alive.dead import DeadRun

logger = logging.getLogger(__name__)

_OF_THE_STORE = ("store", "server", "access", "clock", "sharing", "speed", "tables", "whole", "writable", "artifacts")

__all__ = ["Finding", "Level", "examine", "is_well", "safely"]


def examine(uri: str, *, fix: bool = False) -> list[Finding]:
    """Look at everything that may go wrong with a store.

    Parameters
    ----------
    uri
        The store.
    fix
        Repair what can be repaired without a choice: dead runs are marked KILLED, what waits for the store is uploaded,
        a database gets its write-ahead log, a folder of files is copied into a new database.

    Returns
    -------
    list of Finding
        In the order they were looked at. After a repair, what is found then.
    """
    found = [*packages(), *safely("folders", lambda: folders(uri))]
    reached = safely("store", lambda: _store(uri, fix=fix))
    found += reached
    is_open = is_well(uri, reached)
    before: list[DeadRun] = []
    if is_open and fix:
        with suppress(RollforwardError):  # the same is found below
            before = awaited(uri)
    # Uploaded before runs are judged: what waits says how they ended.
    waiting = safely("spool", lambda: leftovers(uri, fix=fix))
    if is_open:
        found += safely("runs", lambda: dead(uri, fix=fix, before=before))
    return found + waiting + safely("calendar", calendar_horizon)


def is_well(uri: str, found: Sequence[Finding]) -> bool:
    """Whether a store may be opened for more.

    To open a database is to create or to migrate its tables: an examination does neither.

    Parameters
    ----------
    uri
        The store.
    found
        What was found of it.
    """
    is_bad = any(item.level is Level.PROBLEM and item.check in _OF_THE_STORE for item in found)
    return not is_bad and is_open_to_all(uri)


def _store(uri: str, *, fix: bool) -> Iterator[Finding]:
    if is_folder(uri):
        yield from file_store(uri, fix=fix)
        return
    checked_uri(uri)
    if is_server(uri):
        yield from http_server(uri)
    elif scheme_of(uri) == "sqlite":
        yield from sqlite_file(uri, fix=fix)
        yield from forgotten_files(uri)
    elif scheme_of(uri) in ("postgresql", "mysql", "mssql"):
        yield from database_server(uri)
    else:
        yield note("store", f"Of stores of the kind {scheme_of(uri)!r} nothing is known here.")


def safely(check: str, look: Callable[[], Iterator[Finding]]) -> list[Finding]:
    """Make a finding of an error: an examination that stops at the first ailment is of little use."""
    found: list[Finding] = []
    try:
        found.extend(look())
    except RollforwardError as error:
        found.append(problem(check, error.given, error.remedy or error.expected))
    except Exception as error:
        logger.debug("The examination failed", exc_info=True)
        found.append(problem(check, f"{type(error).__name__}: {error}", "See the whole error: --traceback"))
    return found
