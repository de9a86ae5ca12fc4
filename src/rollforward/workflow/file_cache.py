"""Copies of remote artifacts on this machine, so that the same content travels once.

A copy is found by the SHA-256 of its content and by nothing else: it serves every store, run and name that promises
this content, and can never be an old one. Processes may share the folder: a file appears whole, and one that is
deleted stays readable for whoever has it open. Nothing here makes a load fail; what cannot be kept is fetched again.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from rollforward.serialize.atomic import atomic_write

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger(__name__)

VARIABLE = "ROLLFORWARD_CACHE_DIR"
# Bytes: all copies, the largest one, and what this process adds between two looks at all of them.
LIMIT = 2 * 2**30
_LARGEST, _BETWEEN = LIMIT // 4, LIMIT // 16
_KEPT = 0.9
# Seconds after which half a file is nobody's.
_ABANDONED = 24 * 3600.0
_HEX = frozenset("0123456789abcdef")
_DIGITS = 64


class FileCache:
    """Files by the SHA-256 of their content, those that were used last.

    Parameters
    ----------
    limit
        Bytes that the files may have together.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        # What was added since all files were last looked at; the first one looks.
        self._added = limit

    def open(self, sha256: str) -> IO[bytes] | None:
        """Open the copy of a content, and note that it was used; ``None`` if there is none."""
        path = _place(sha256)
        if path is None:
            return None
        with suppress(OSError):
            file = path.open("rb")
            with suppress(OSError):
                os.utime(path)
            return file
        return None

    def keep(self, sha256: str, file: IO[bytes]) -> None:
        """Keep a copy of a file whose content has been compared with its hash.

        Parameters
        ----------
        sha256
            Of the content.
        file
            Binary, open; is read from its beginning.
        """
        path = _place(sha256)
        size = os.fstat(file.fileno()).st_size
        if path is None or size > min(_LARGEST, self._limit):
            return
        try:
            # For nobody else's eyes: predictions may be worth money.
            cache_dir().mkdir(parents=True, exist_ok=True, mode=0o700)
            path.parent.mkdir(exist_ok=True)
            file.seek(0)
            with atomic_write(path) as copy:
                shutil.copyfileobj(file, copy)
            self._count(size)
        except OSError as error:
            logger.debug("No copy is kept in %s: %s", cache_dir(), error)

    def drop(self, sha256: str) -> None:
        """Forget a copy that turned out to be damaged."""
        path = _place(sha256)
        if path is not None:
            with suppress(OSError):
                path.unlink()

    def _count(self, size: int) -> None:
        with self._lock:
            self._added += size
            if self._added < min(_BETWEEN, self._limit // 2):
                return
            self._added = 0
            self._shrink()

    def _shrink(self) -> None:
        """Delete what was not used for longest, until there is some room."""
        found = sorted(_copies(), key=lambda copy: copy[1].st_mtime)
        total = sum(stat.st_size for _, stat in found)
        if total <= self._limit:
            return
        for path, stat in found:
            if total <= self._limit * _KEPT:
                return
            with suppress(OSError):
                path.unlink()
            total -= stat.st_size


file_cache = FileCache()


def clear_cache() -> int:
    """Delete all copies of remote artifacts that are kept on this machine.

    Returns
    -------
    int
        The bytes that were freed.
    """
    freed = 0
    for path, stat in list(_copies()):
        with suppress(OSError):
            path.unlink()
            freed += stat.st_size
    return freed


def cache_dir() -> Path:
    """Return the folder of the copies: ``ROLLFORWARD_CACHE_DIR``, or one in the user's folder for caches."""
    given = os.environ.get(VARIABLE)
    return Path(given).expanduser().absolute() if given else _cache_home() / "rollforward" / "artifacts"


def _cache_home() -> Path:
    given = os.environ.get("XDG_CACHE_HOME", "")
    if Path(given).is_absolute():
        return Path(given)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path.home() / ".cache"


def _place(sha256: str) -> Path | None:
    """Return where a copy is; a hash comes from a store, and must not lead elsewhere."""
    if len(sha256) != _DIGITS or not _HEX.issuperset(sha256):
        return None
    return cache_dir() / sha256[:2] / sha256


def _copies() -> Iterator[tuple[Path, os.stat_result]]:
    """List the copies; half a file that a killed process left is removed on the way."""
    for path in cache_dir().glob("??/*"):
        with suppress(OSError):
            stat = path.stat()
            if _place(path.name) == path:
                yield path, stat
            elif path.name.endswith(".tmp") and time.time() - stat.st_mtime > _ABANDONED:
                path.unlink()
