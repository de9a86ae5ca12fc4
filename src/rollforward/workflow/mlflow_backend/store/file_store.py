"""Stores that are folders of files: MLflow has given them up, and moves them into a database."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

from rollforward.errors import TrackingError

_LAST = 200


def folder_of_files(uri: str) -> Path:
    """Return the folder that a ``file:`` address or a plain path names."""
    return Path(unquote(urlsplit(uri).path) if urlsplit(uri).scheme == "file" else uri).absolute()


def is_file_store(folder: Path) -> bool:
    """Whether a folder holds experiments as files."""
    return any(path.is_file() for path in folder.glob("*/meta.yaml"))


def target_for(folder: Path) -> str:
    """Return the address of a database beside a folder that does not exist yet: MLflow would replace one that does."""
    names = ("mlflow.db", f"{folder.name}.db", *(f"{folder.name}-{number}.db" for number in range(2, _LAST)))
    free = next(name for name in names if not (folder.parent / name).exists())
    return f"sqlite:///{(folder.parent / free).as_posix()}"


def command_for(folder: Path, target: str) -> str:
    """Return the command that copies a folder of files into a database."""
    return f"mlflow migrate-filestore --source '{folder}' --target '{target}'"


def migrate(folder: Path, target: str) -> str:
    """Copy a folder of files into a new database; the folder, and the artifacts in it, stay.

    Returns
    -------
    str
        What MLflow counted.

    Raises
    ------
    TrackingError
        If MLflow could not copy it all.
    """
    # Its prompt would replace a database that exists; without an answer it stops instead.
    done = subprocess.run(  # noqa: S603  # a fixed command
        [sys.executable, "-m", "mlflow", "migrate-filestore", "--source", folder, "--target", target, "--no-progress"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"MLFLOW_ALLOW_FILE_STORE": "true"},
    )
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise TrackingError(
            f"MLflow could not copy {folder}: {''.join(last)}", remedy=f"See all it says: {command_for(folder, target)}"
        )
    return " ".join(done.stdout.split())
