"""The version of MLflow's tables in a database, and what it says about who may open it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any, Literal

from mlflow.version import VERSION

from rollforward.errors import StoreRefusedError
from rollforward.settings.masking import mask_credentials

if TYPE_CHECKING:
    from pathlib import Path

    from mlflow.exceptions import MlflowException

Age = Literal["as expected", "older", "newer"]


def version_of(path: Path) -> str | None:
    """Return the version of the tables in a SQLite file, or ``None`` if it has none."""
    try:
        with closing(sqlite3.connect(path)) as connection:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.OperationalError:
        return None
    return None if row is None else str(row[0])


def age_of(version: str) -> Age:
    """Say whether the MLflow that is installed made tables of this version, or an older or newer one did."""
    # Not with mlflow-skinny, which needs no database.
    import mlflow.store.db.utils  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415

    # Private and untyped; tests/dependency pins it.
    tables: Any = mlflow.store.db.utils
    script = ScriptDirectory.from_config(tables._get_alembic_config(db_url=""))  # noqa: SLF001
    if version in script.get_heads():
        return "as expected"
    try:
        script.get_revision(version)
    except CommandError:
        return "newer"
    return "older"


def raise_if_newer(uri: str, version: str | None, error: MlflowException) -> None:
    """Say in plain words that a database belongs to a newer MLflow, whose own message advises the opposite.

    Raises
    ------
    StoreRefusedError
        If it does.
    """
    if version is None or age_of(version) != "newer":
        return
    raise StoreRefusedError(
        f"The tables of {mask_credentials(uri)} (version {version}) were made by a newer MLflow than {VERSION}.",
        "one version of MLflow for all who open a database, or a server in front of it.",
        "pip install --upgrade mlflow",
    ) from error
