"""The installed packages as a lock-like list, from the names of folders: no metadata is parsed."""

from __future__ import annotations

import json
import logging
import os
import platform
import re
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

from rollforward.settings.masking import mask_credentials

logger = logging.getLogger(__name__)

_FOLDER = re.compile(r"(?P<name>[A-Za-z0-9][\w.]*?)-(?P<version>[^-]+)(?:-py[\d.]+)?\.(?:dist|egg)-info")


def requirements() -> str:
    """List the packages that this process can import, in the form of ``requirements.txt``.

    The first two lines, comments, name the interpreter and the platform. A package that was installed from version
    control has its commit, one from a folder a comment. Read anew only after a folder of ``sys.path`` has changed.
    """
    folders = tuple((entry or ".", _changed(entry or ".")) for entry in dict.fromkeys(sys.path))
    return "\n".join((f"# {interpreter()}", f"# {system()}", *_lines(folders))) + "\n"


def interpreter() -> str:
    """Name the interpreter, such as ``CPython 3.12.4``."""
    return f"{platform.python_implementation()} {platform.python_version()}"


def system() -> str:
    """Name the platform, such as ``Linux 6.8.0 x86_64``."""
    return f"{platform.system()} {platform.release()} {platform.machine()}"


def _changed(folder: str) -> int:
    try:
        return Path(folder).stat().st_mtime_ns
    except OSError:
        return 0


@lru_cache(maxsize=4)
def _lines(folders: tuple[tuple[str, int], ...]) -> tuple[str, ...]:
    found: dict[str, str] = {}
    for folder, changed in folders:
        for name, line in _packages(folder) if changed else ():
            # What comes first on the path is what is imported.
            found.setdefault(re.sub(r"[-_.]+", "-", name).lower(), line)
    return tuple(line for _, line in sorted(found.items()))


def _packages(folder: str) -> list[tuple[str, str]]:
    try:
        with os.scandir(folder) as entries:
            matches = [(entry.path, _FOLDER.fullmatch(entry.name)) for entry in entries]
    except OSError:  # a zip file, or a folder that may not be read
        return []
    return [(match["name"], _line(match, path)) for path, match in matches if match is not None]


def _line(match: re.Match[str], path: str) -> str:
    pinned = f"{match['name']}=={match['version']}"
    origin = _origin(Path(path) / "direct_url.json")
    url = mask_credentials(str(origin.get("url", "")))
    source = origin.get("vcs_info")
    if isinstance(source, dict) and source.get("commit_id"):
        return f"{match['name']} @ {source.get('vcs', 'git')}+{url}@{source['commit_id']}"
    return f"{pinned}  # {url}" if url else pinned


def _origin(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
