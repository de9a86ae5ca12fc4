"""Help for tests of code that uses rollforward: empty tracking stores that are there at once.

MLflow needs seconds to create a database and milliseconds to open one. Create one per session, copy it per test.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

__all__ = ["copy_store", "create_store", "release_store"]


def create_store(database: str | Path) -> str:
    """Create an empty SQLite tracking store.

    Parameters
    ----------
    database
        The file; its folder is created.

    Returns
    -------
    str
        The address of the store.
    """
    from rollforward.workflow.mlflow_backend import client_for  # noqa: PLC0415  # importing the module costs nothing

    uri = _uri_of(database)
    client_for(uri)
    release_store(uri)
    return uri


def copy_store(template: str | Path, database: str | Path) -> str:
    """Copy a store that is empty and closed, so that the copy is as if it had been created where it is.

    Parameters
    ----------
    template
        File of a store that `create_store` made.
    database
        The new file; its folder must exist.

    Returns
    -------
    str
        The address of the copy.
    """
    shutil.copyfile(template, database)
    location = (Path(database).absolute().parent / "mlruns" / "0").as_uri()
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE experiments SET artifact_location = ? WHERE experiment_id = 0", (location,))
    return _uri_of(database)


def release_store(uri: str) -> None:
    """Close the connections of this process to a SQLite store."""
    from rollforward.workflow.mlflow_backend import forget_client  # noqa: PLC0415  # see above

    forget_client(uri)


def _uri_of(database: str | Path) -> str:
    return f"sqlite:///{Path(database).absolute().as_posix()}"
