"""Files by their descriptors: locked, read at a position, written whole; on Windows too."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def read_at(descriptor: int, offset: int, size: int) -> bytes:
    """Read from a position on."""
    os.lseek(descriptor, offset, os.SEEK_SET)
    return os.read(descriptor, size)


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of it, however small the parts that are taken."""
    while data:
        data = data[os.write(descriptor, data) :]


def is_still(path: Path, descriptor: int) -> bool:
    """Whether a file was neither removed nor replaced before it was locked."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


if sys.platform == "win32":
    import msvcrt

    _FAR = 2**31 - 2  # what is locked cannot be read, so a byte is locked that is not there

    def lock(descriptor: int, *, wait: bool) -> bool:
        """Lock for as long as the descriptor is open; ``False`` if somebody else has."""
        os.lseek(descriptor, _FAR, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    import fcntl

    def lock(descriptor: int, *, wait: bool) -> bool:
        """Lock for as long as the descriptor, or a forked copy of it, is open; ``False`` if somebody else has."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
