"""The command line's choice of runs, in the words of MLflow's search."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rollforward.cli.stored.arguments import STATUSES

if TYPE_CHECKING:
    import argparse

_PLAIN = re.compile(r"[\w./-]+")
_COLUMNS = {
    "name": "attributes.run_name",
    "status": "attributes.status",
    "started": "attributes.start_time",
    "ended": "attributes.end_time",
}
_GROUPS = ("metrics", "params", "tags", "attributes")


def filter_of(arguments: argparse.Namespace) -> str:
    """Return the filter for the runs that the command line chooses."""
    parts = []
    if arguments.status:
        # MLflow has no OR, and no IN for a status: all others are left out.
        parts += [f"attributes.status != '{name}'" for name in STATUSES if name not in arguments.status]
    if arguments.since:
        parts.append(f"attributes.start_time >= {int(arguments.since.timestamp() * 1000)}")
    if arguments.filter.strip():
        parts.append(arguments.filter.strip())
    return " AND ".join(parts)


def order_of(key: str | None, *, ascending: bool) -> list[str] | None:
    """Return the order that the command line wants; ``None`` is the newest first.

    Parameters
    ----------
    key
        A metric, ``params.<param>``, or one of name, status, started and ended.
    ascending
        Lowest first. Otherwise the highest is first, and of texts the first of the alphabet.
    """
    if key is None:
        return ["attributes.start_time ASC"] if ascending else None
    column = _COLUMNS.get(key)
    if column is None:
        group, _, name = key.partition(".")
        group, name = (group, name) if group in _GROUPS and name else ("metrics", key)
        column = f"{group}.{name}" if _PLAIN.fullmatch(name) else f"{group}.`{name}`"
    is_text = column.startswith(("params.", "tags.")) or key in ("name", "status")
    return [f"{column} {'ASC' if is_text != ascending else 'DESC'}", "attributes.start_time DESC"]
