"""The first contact with a database: who creates the tables, how, and what stands in the way.

MLflow creates and migrates its tables without a lock, so that of several processes all but one fail, and tries for
two minutes to connect to what is not there. Here one process at a time comes in, and what cannot work fails at once.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import filelock

from rollforward.errors import MissingDependencyError, StoreUnreachableError, TrackingError
from rollforward.settings.masking import mask_credentials
from rollforward.workflow.mlflow_backend.store.reach import is_reachable, scheme_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection, Engine

logger = logging.getLogger(__name__)

# Seconds: what creating the tables may take on a slow machine, for each of many processes that come at once.
LOCK_PATIENCE = 120.0
_BUSY = 20.0
_HAS_EXPERIMENTS = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'experiments'"
# Where several machines may see the file, the shared memory that WAL needs is not shared.
_NETWORK = ("nfs", "cifs", "smb", "9p", "fuse", "lustre", "gpfs", "beegfs", "ceph", "afs", "glusterfs", "vboxsf")
# Where a driver comes ready to use.
_PACKAGES = {"psycopg": "psycopg[binary]", "psycopg2": "psycopg2-binary", "MySQLdb": "mysqlclient"}
# Any number that no one else locks.
_ADVISORY_KEY = 7_665_662_773


@contextmanager
def first_contact(path: Path) -> Iterator[bool]:
    """Let one process at a time open a SQLite database; a new one is made with a write-ahead log.

    Yields
    ------
    bool
        Whether MLflow has still to create its tables.

    Raises
    ------
    TrackingError
        If the file cannot be created or is no database.
    StoreUnreachableError
        If another process holds the lock, or the database, for too long.
    """
    with _lock_beside(path):
        try:
            yield not _has_tables(path)
        except sqlite3.Error as error:
            raise _why(path, error) from error


def holds_store(path: Path) -> bool:
    """Whether a SQLite file has MLflow's tables, without creating or changing anything.

    What cannot be read counts as a store: opening it says what is wrong.
    """
    if not path.exists():
        return False
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=_BUSY)) as connection:
            return connection.execute(_HAS_EXPERIMENTS).fetchone() is not None
    except sqlite3.Error as error:
        logger.debug("%s cannot be looked into: %s", path, error)
        return True


def uses_wal(path: Path) -> bool:
    """Whether readers and writers of a SQLite database leave each other alone."""
    with closing(sqlite3.connect(path, timeout=_BUSY)) as connection:
        return bool(connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal")


def use_wal(path: Path) -> bool:
    """Switch a SQLite database to a write-ahead log, for good; return whether it has one now.

    Without it, a process that writes waits for all that read. A network file system refuses, or would break it.
    """
    if is_on_network(path):
        return False
    try:
        with closing(sqlite3.connect(path, timeout=_BUSY)) as connection:
            return bool(connection.execute("PRAGMA journal_mode = WAL").fetchone()[0] == "wal")
    except sqlite3.OperationalError as error:
        logger.debug("No write-ahead log for %s: %s", path, error)
        return False


def is_on_network(path: Path) -> bool:
    """Whether a file lies on a network file system, as far as the system says."""
    try:
        mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    folder, best, kind = path.absolute().parent, -1, ""
    for line in mounts.splitlines():
        fields = line.split()
        mount = Path(fields[1].replace("\\040", " "))
        if (folder == mount or mount in folder.parents) and len(mount.parts) >= best:
            best, kind = len(mount.parts), fields[2]
    return kind.startswith(_NETWORK)


def _has_tables(path: Path) -> bool:
    is_there = path.exists()
    with closing(sqlite3.connect(path, timeout=_BUSY)) as connection:
        if is_there and connection.execute(_HAS_EXPERIMENTS).fetchone():
            # Not the table, but a row: a process may have died while it created them.
            return connection.execute("SELECT 1 FROM experiments").fetchone() is not None
    use_wal(path)
    return False


@contextmanager
def _lock_beside(path: Path) -> Iterator[None]:
    lock = filelock.FileLock(path.with_name(f"{path.name}.lock"), timeout=LOCK_PATIENCE)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # A lock file that cannot be made is an error here, and in some places an endless wait there.
        os.close(os.open(lock.lock_file, os.O_RDWR | os.O_CREAT, 0o666))
        lock.acquire()
    except filelock.Timeout as error:
        raise StoreUnreachableError(
            f"Another process has been opening the tracking database {path} for {LOCK_PATIENCE:.0f} s.",
            remedy=f"See which process has {lock.lock_file} open, and end it if it hangs.",
        ) from error
    except (OSError, NotImplementedError) as error:
        if not path.exists():
            raise _not_created(path, error) from error
        logger.debug("No lock beside %s, which exists already: %s", path, error)
        yield
        return
    try:
        yield
    finally:
        lock.release()


def _why(path: Path, error: sqlite3.Error) -> TrackingError:
    text = str(error)
    if "locked" in text:
        return StoreUnreachableError(
            f"The tracking database {path} is locked by another process: {text}",
            remedy="End the process that holds it; `rollforward doctor` says more.",
        )
    if "not a database" in text or "malformed" in text:
        return TrackingError(
            f"The file {path} is no SQLite database, or a damaged one: {text}",
            "a tracking database.",
            "Check the address, or restore the file from a backup.",
        )
    return _not_created(path, error) if not path.exists() else TrackingError(f"{path} cannot be opened: {text}")


def _not_created(path: Path, error: Exception) -> TrackingError:
    return TrackingError(
        f"The tracking database {path} cannot be created: {error}",
        "a folder that can be written.",
        "Choose another place: init(uri='sqlite:///...').",
    )


@contextmanager
def first_contact_with_server(uri: str) -> Iterator[Connection]:
    """Let one process at a time, on all machines, create the tables in a database server.

    Yields
    ------
    Connection
        Which holds the lock while there are no tables.

    Raises
    ------
    StoreUnreachableError
        If nobody answers.
    TrackingError
        If the server refuses: no such database, a wrong password.
    MissingDependencyError
        If its driver is not installed.
    """
    shown = mask_credentials(uri)
    engine = _engine(uri)
    if not is_reachable(uri, timeout=5.0):
        raise StoreUnreachableError(
            f"The database server of {shown} does not answer.", remedy="Check the address, and that it runs."
        )
    import sqlalchemy as sa  # noqa: PLC0415  # not with mlflow-skinny, which needs no database

    try:
        connection = engine.connect()
    except sa.exc.SQLAlchemyError as error:
        text = mask_credentials(str(getattr(error, "orig", None) or error)).strip()
        raise TrackingError(
            f"The database server refused {shown}: {text}",
            "a database that exists, and a user who may create tables in it.",
            "Check user, password and database in the address.",
        ) from error
    with connection:
        if scheme_of(uri) == "postgresql" and not sa.inspect(connection).has_table("experiments"):
            connection.execute(sa.text("SELECT pg_advisory_lock(:key)"), {"key": _ADVISORY_KEY})
        yield connection
    engine.dispose()


def _engine(uri: str) -> Engine:
    import sqlalchemy as sa  # noqa: PLC0415  # as above

    try:
        return sa.create_engine(uri, poolclass=sa.NullPool)
    except ModuleNotFoundError as error:
        package = _PACKAGES.get(str(error.name), str(error.name))
        raise MissingDependencyError(
            f"{error.name} is not installed.",
            f"the driver that an address {urlsplit(uri).scheme}://... names; without a name, SQLAlchemy chooses.",
            f"pip install '{package}'",
        ) from error
