"""What a ``requirements.txt`` asks for, as text that two models can be compared by."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from rollforward.errors import DataSourceError

if TYPE_CHECKING:
    from pathlib import Path

_INCLUDE = re.compile(r"^(?:-r|--requirement|(?P<limits>-c|--constraint))[ =]?\s*(?P<path>\S+)")
_COMMENT = re.compile(r"(^|\s)#.*$")


def requirement_lines(path: Path) -> list[str]:
    """Read the lines of a requirements file that say something.

    Files that it includes take the place of their names, each line of a constraints file marked as one, and a package
    file that it names is followed by the SHA-256 of its content, so that lines that are equal ask for the same.

    Raises
    ------
    DataSourceError
        If a file cannot be read.
    """
    return _lines(path, frozenset())


def _lines(path: Path, above: frozenset[Path]) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise DataSourceError(
            f"{path} cannot be read: {error}.",
            "a readable requirements file, in UTF-8.",
            "Correct it, or the line that names it.",
        ) from error
    found = []
    for raw in text.splitlines():
        line = _COMMENT.sub("", raw).strip()
        included = _INCLUDE.match(line)
        if included is not None:
            # Where an include stands is where the path begins, as pip reads it.
            inner = (path.parent / included["path"]).resolve()
            if inner not in above:
                mark = "-c " if included["limits"] else ""
                found += [f"{mark}{one}" for one in _lines(inner, above | {path.resolve()})]
        elif line:
            found.append(line + _content_of(line, path.parent))
    return found


def _content_of(line: str, folder: Path) -> str:
    # Paths of package files belong to the folder of the model, where the installer is run.
    file = folder / line.split(" ", 1)[0].removeprefix("file://")
    if file.suffix in (".whl", ".gz", ".zip") and file.is_file():
        return f" sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}"
    return ""
