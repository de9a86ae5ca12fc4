"""How tasks are chosen on the command line. Nothing heavy is loaded here."""

from __future__ import annotations

import argparse
import json
from typing import Any

STATUSES = ("waiting", "running", "part_done", "done", "failed")


def add_selection(action: argparse.ArgumentParser, *, ids: bool) -> None:
    """Let an action choose tasks: by query, by status and, if it takes them, by id."""
    if ids:
        action.add_argument("ids", metavar="ID", nargs="*", help="only these tasks: ids, or the last digits of them")
    action.add_argument(
        "--filter",
        type=query,
        metavar="JSON",
        help='only tasks that a query finds, such as \'{"filter.model.class": "LGBModel"}\'',
    )
    action.add_argument(
        "--status", type=statuses, metavar="STATUS,...", help=f"only tasks of these statuses: {', '.join(STATUSES)}"
    )


def query(text: str) -> dict[str, Any]:
    """Read a query from JSON; what is in it, the pool checks."""
    try:
        found = json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise argparse.ArgumentTypeError(f'{text!r} is no query, such as {{"status": "failed"}}')
    return found


def statuses(text: str) -> list[str]:
    """Read names of statuses, separated by commas."""
    found = [part.strip() for part in text.split(",") if part.strip()]
    for status in found:
        if status not in STATUSES:
            raise argparse.ArgumentTypeError(f"{status!r} is no status; one of {', '.join(STATUSES)}")
    if not found:
        raise argparse.ArgumentTypeError(f"no status; one of {', '.join(STATUSES)}")
    return found
