"""The section ``sys``: folders to import from, for as long as the workflow runs, and in the processes it starts."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rollforward.workflow.config.problems import Places

_VARIABLE = "PYTHONPATH"


def folders(content: Mapping[str, Any], places: Places, files: Mapping[str, Path]) -> tuple[str, ...]:
    """List the folders of the section, absolute.

    Parameters
    ----------
    content, places
        The document; ``sys.rel_path`` is relative to the folder of the file that says it.
    files
        The path of each file by its name in `places`.
    """
    section = content.get("sys") or {}
    found = [Path(path).expanduser().absolute() for path in _as_list(section.get("path"))]
    top = next(iter(files.values()))
    place = places.get(("sys", "rel_path"))
    home = files.get(place.file, top) if place is not None else top
    found += [home.absolute().parent / path for path in _as_list(section.get("rel_path"))]
    return tuple(dict.fromkeys(os.path.normpath(path) for path in found))


@contextmanager
def on_search_path(added: Sequence[str]) -> Iterator[None]:
    """Append folders to ``sys.path``, and to ``PYTHONPATH`` for the processes that are started meanwhile."""
    new = [path for path in added if path not in sys.path]
    before = os.environ.get(_VARIABLE)
    sys.path.extend(new)
    if new:
        os.environ[_VARIABLE] = os.pathsep.join([*([before] if before else []), *new])
    try:
        yield
    finally:
        for path in new:
            if path in sys.path:
                sys.path.remove(path)
        if new and before is None:
            os.environ.pop(_VARIABLE, None)
        elif new and before is not None:
            os.environ[_VARIABLE] = before


def _as_list(value: Any) -> list[Any]:
    return [] if value is None else [value] if isinstance(value, str) else list(value)
