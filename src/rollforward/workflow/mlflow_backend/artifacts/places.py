"""Names and places of artifacts, and the files that become some."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

from rollforward.errors import TrackingError
from rollforward.serialize import atomic_write

if TYPE_CHECKING:
    from collections.abc import Mapping


def local_folder(address: str) -> Path | None:
    """Return the folder that an address of artifacts means, or ``None`` if it is not on this machine."""
    parts = urlsplit(address)
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        return Path(url2pathname(parts.path))
    is_plain = not parts.scheme or len(parts.scheme) == 1  # one letter: a drive
    return Path(address) if is_plain else None


def checked_name(name: str, folder: str | None = None) -> str:
    """Return an artifact's path from the root of its run.

    Raises
    ------
    TrackingError
        If it is empty or leads out of the run's folder.
    """
    path = PurePosixPath(folder or "", name)
    if not name or path.is_absolute() or ".." in path.parts or "\\" in name or not path.parts:
        raise TrackingError(
            f"{str(path)!r} is no name of an artifact.", "a relative path with / between folders, inside the run."
        )
    return str(path)


def files_of(path: str | Path, folder: str | None = None) -> dict[str, Path]:
    """List what becomes of a file, or of what a folder contains: artifact to file.

    Raises
    ------
    TrackingError
        If there is nothing at the path, or the artifacts' folder leads out of the run's.
    """
    if not isinstance(path, str | os.PathLike):
        raise TrackingError(
            f"A path was expected, and got a {type(path).__name__}.",
            "a file or a folder; objects are given by name.",
            'save_objects(**{"pred.pkl": pred})',
        )
    source = Path(path)
    root = PurePosixPath("" if folder is None else checked_name(folder))
    if source.is_file():
        return {str(root / source.name): source}
    if not source.is_dir():
        raise TrackingError(f"There is nothing at {source}.", "a file or a folder.")
    found: dict[str, Path] = {}
    for place, _, names in os.walk(source, followlinks=True):
        below = root / PurePosixPath(Path(place).relative_to(source).as_posix())
        found |= {str(below / name): Path(place, name) for name in names}
    return found


def place(stage: Path, name: str) -> Path:
    """Return the file of an artifact in a folder, whose own folder is there."""
    path = stage / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def copies_in(stage: Path, files: Mapping[str, Path]) -> dict[str, Path]:
    """Copy files into a folder, each to the place of its artifact."""
    copies = {name: place(stage, name) for name in files}
    for name, source in files.items():
        shutil.copy2(source, copies[name])
    return copies


def move_file(source: Path, target: Path) -> None:
    """Put a file at another place, whole or not at all."""
    try:
        source.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _copy_file(source, target)
        source.unlink()


def copy_to(source: Path, folder: Path) -> str:
    """Copy a file or a folder into another folder; each file appears whole."""
    for name, file in files_of(source).items():
        target = folder / source.name / name if source.is_dir() else folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        _copy_file(file, target)
    return str(folder / source.name)


def _copy_file(source: Path, target: Path) -> None:
    with atomic_write(target) as copy, source.open("rb") as original:
        shutil.copyfileobj(original, copy)
    shutil.copystat(source, target)


def folder_of(name: str) -> str | None:
    """Return the folder of an artifact, ``None`` for the root of the run."""
    parent = str(PurePosixPath(name).parent)
    return None if parent == "." else parent
