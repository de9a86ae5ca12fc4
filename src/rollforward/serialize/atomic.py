"""Write a file whole or not at all."""

from __future__ import annotations

import os
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Open a binary file that takes the place of `path` when the block ends well.

    The bytes go to a temporary file in the same folder. If the block raises, or the process is killed, what was at
    `path` is untouched; readers never see half a file. A symbolic link is followed. The file is not forced to the disk:
    a power failure is not a killed process.

    Parameters
    ----------
    path
        Its folder must exist.

    Raises
    ------
    OSError
        If the folder does not exist or cannot be written.
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{target.name[:64]}.{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("xb") as file:
            yield file
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
