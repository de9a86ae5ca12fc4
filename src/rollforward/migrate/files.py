"""The files that are looked at: found, read and written."""

from __future__ import annotations

import codecs
import errno
import io
import os
import shutil
import tokenize
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rollforward.errors import SettingsError
from rollforward.serialize.atomic import atomic_write

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PYTHON, YAML, NOTEBOOK = (".py", ".pyi"), (".yaml", ".yml"), (".ipynb",)
SUFFIXES = PYTHON + YAML + NOTEBOOK
_SKIPPED = {"__pycache__", "__pypackages__", "node_modules", "site-packages", "venv", "mlruns", "mlartifacts"}


def found(paths: Iterable[str | os.PathLike[str]]) -> Iterator[Path]:
    """Yield the files under the given paths, each once, in order.

    Folders are searched; version control, environments, caches and links to folders in them are left out. A folder that
    cannot be listed is yielded itself: whoever reads it learns why.

    Raises
    ------
    SettingsError
        If a path does not exist, or is a file that is neither Python nor YAML nor a notebook.
    """
    given = [Path(path) for path in paths]
    for path in given:
        if not path.exists():
            raise SettingsError(f"There is no {path}.", "files and folders that exist.", "Correct the path.")
        if path.is_file() and path.suffix not in SUFFIXES:
            raise SettingsError(f"{path} is a {path.suffix or 'nameless'} file.", f"one of {', '.join(SUFFIXES)}.")
    seen: set[Path] = set()
    for path in given:
        for file in [path] if path.is_file() else _inside(path):
            real = file.resolve()
            if real not in seen:
                seen.add(real)
                yield file


def _inside(folder: Path) -> Iterator[Path]:
    closed: list[Path] = []
    for root, folders, files in os.walk(folder, onerror=lambda error: closed.append(Path(error.filename))):
        if not os.access(root, os.X_OK):
            closed.append(Path(root))
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not _is_skipped(Path(root, name)))
        known = (Path(root, name) for name in sorted(files) if Path(name).suffix in SUFFIXES)
        # Neither pipes, which would wait for somebody, nor links to nothing, which some editors lock files with.
        yield from (file for file in known if os.path.isfile(file))  # noqa: PTH113  # Path.is_file may raise
    yield from closed


def _is_skipped(folder: Path) -> bool:
    return folder.name.startswith(".") or folder.name in _SKIPPED or os.access(folder / "pyvenv.cfg", os.F_OK)


@dataclass(frozen=True)
class Content:
    """A file's text, and how it is spelt in bytes.

    Parameters
    ----------
    text
        With its line ends as they are, without the mark of byte order.
    encoding
        What it is written in.
    bom
        The mark of byte order, or nothing.
    """

    text: str
    encoding: str = "utf-8"
    bom: bytes = b""

    def spelt(self, text: str) -> bytes:
        """Spell another text the same way."""
        return self.bom + text.encode(self.encoding)


def content_of(data: bytes, suffix: str) -> Content:
    """Decode a file; Python says in its first lines what it is written in, all else is UTF-8.

    Raises
    ------
    ValueError, SyntaxError
        If it is written in something else.
    """
    bom = codecs.BOM_UTF8 if data.startswith(codecs.BOM_UTF8) else b""
    encoding = "utf-8"
    if suffix in PYTHON:
        encoding = tokenize.detect_encoding(io.BytesIO(data).readline)[0].removesuffix("-sig")
    content = Content(data[len(bom) :].decode(encoding), encoding, bom)
    if content.spelt(content.text) != data:
        raise ValueError(f"not the same after reading and writing it as {encoding}")
    return content


def replace(path: Path, data: bytes) -> None:
    """Write a file whole or not at all; who may do what with it stays.

    Raises
    ------
    OSError
        If it cannot be written, or is protected: only its folder has to be writable for it to be replaced.
    """
    real = path.resolve()
    if not os.access(real, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    with atomic_write(real) as file:
        file.write(data)
        shutil.copymode(real, file.name)
