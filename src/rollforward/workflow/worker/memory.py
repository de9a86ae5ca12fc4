"""Memory of processes, and how amounts of it are spelled."""

from __future__ import annotations

import os
import re
from pathlib import Path

_SIZE = re.compile(r"\s*(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[kmgt]?)i?b?\s*", re.IGNORECASE)
_FACTOR = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
_PROC = Path("/proc")


def parse_size(text: str) -> int:
    """Read an amount of memory: bytes, or a number with K, M, G or T (powers of 1024).

    Raises
    ------
    ValueError
        For anything else.

    Examples
    --------
    >>> parse_size("1.5G")
    1610612736
    """
    match = _SIZE.fullmatch(text)
    if match is None or not float(match["number"]):
        raise ValueError(f"{text!r} is no amount of memory such as 500M or 2G")
    return int(float(match["number"]) * _FACTOR[match["unit"].lower()])


def spelled(size: float) -> str:
    """Spell an amount of memory.

    Examples
    --------
    >>> spelled(1610612736)
    '1.5 GiB'
    """
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:  # noqa: PLR2004  # what the units stand for
            return f"{size:.3g} {unit}"
        size /= 1024
    return f"{size:.3g} GiB"


def can_be_measured() -> bool:
    """Tell whether this system shows the memory of processes."""
    return (_PROC / "self/statm").exists()


def resident(pid: int) -> int:
    """Give the bytes that a process and its children have in memory; what they share counts for each of them."""
    try:
        pages = int((_PROC / f"{pid}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError, ValueError):
        return 0  # it is gone
    return pages * os.sysconf("SC_PAGE_SIZE") + sum(resident(child) for child in _children(pid))


def _children(pid: int) -> list[int]:
    found: list[int] = []
    try:
        for thread in (_PROC / f"{pid}/task").iterdir():
            found += map(int, (thread / "children").read_text(encoding="ascii").split())
    except (OSError, ValueError):
        pass  # it is gone, or the kernel does not tell
    return found
