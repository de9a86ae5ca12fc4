"""The command line's choice of runs, in the words of MLflow's search."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rollforward.cli.stored.arguments import STATUSES
from rollforward.settings.nearest import did_you_mean

if TYPE_CHECKING:
    import argparse

    from rollforward.workflow.mlflow_backend.inventory import FoundRun

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
        group, name = _split(key)
        column = f"{group}.{name}" if _PLAIN.fullmatch(name) else f"{group}.`{name}`"
    is_text = column.startswith(("params.", "tags.")) or key in ("name", "status")
    return [f"{column} {'ASC' if is_text != ascending else 'DESC'}", "attributes.start_time DESC"]


def lacked(run: FoundRun, key: str | None) -> str:
    """Say what the first of some sorted runs lacks of what they are sorted by, and so do all; empty if nothing.

    Parameters
    ----------
    run
        The first one: those that lack it are last.
    key
        As in `order_of`.
    """
    if key is None or key in _COLUMNS:
        return ""
    group, name = _split(key)
    known = {"metrics": run.metrics, "params": run.params, "tags": run.tags}.get(group)
    if known is None or name in known:
        return ""
    return f"no run has the {group[:-1]} {name!r}. {did_you_mean(name, known, otherwise='The newest are first.')}"


def _split(key: str) -> tuple[str, str]:
    group, _, name = key.partition(".")
    return (group, name) if group in _GROUPS and name else ("metrics", key)
