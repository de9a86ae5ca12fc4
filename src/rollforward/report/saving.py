"""A page, or a picture, in a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollforward.errors import DataError
from rollforward.serialize.atomic import atomic_write

if TYPE_CHECKING:
    from pathlib import Path


def save_page(content: str | bytes, target: Path) -> Path:
    """Write a page or a picture; the file is either the whole new page or what it was before.

    Parameters
    ----------
    content
        The page, or the bytes of the picture.
    target
        The file; its folder is made if needed.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    DataError
        If the file cannot be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(target) as file:
            file.write(content.encode() if isinstance(content, str) else content)
    except OSError as error:
        raise DataError(
            f"The report cannot be written to {target}: {error.strerror or error}.",
            "a file in a folder that can be written to.",
            "Choose another path.",
        ) from error
    return target
