"""The folders that a batch writes into."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING

from rollforward.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path


def make_folder(path: Path, option: str) -> None:
    """Make a folder if it is not there, and try to write into it, so that a batch does not find out in its middle.

    Parameters
    ----------
    path
        The folder.
    option
        What chooses it on the command line.

    Raises
    ------
    SettingsError
        If it cannot be made, or not be written into.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise SettingsError(
            f"{option} is '{path}', which cannot be written: {error.strerror}.",
            "a folder that can be made and written.",
            f"Choose another one with {option}.",
        ) from error
