"""What the arguments of the command line may be. Nothing heavy is loaded here."""

from __future__ import annotations

import argparse
import json
import re
from typing import Any

STATUSES = ("waiting", "running", "part_done", "done", "failed")

_TIME = re.compile(r"(?P<number>\d+(?:\.\d+)?|\.\d+)\s*(?P<unit>[smhd]?)")
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


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


def non_negative(text: str) -> float:
    """Read a length of time: seconds, or a number with ``s``, ``m``, ``h`` or ``d``."""
    match = _TIME.fullmatch(text.strip())
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no time; seconds, or a number with s, m, h or d")
    return float(match["number"]) * _UNITS[match["unit"]]


def seconds(text: str) -> float:
    """Read a length of time that is not zero."""
    found = non_negative(text)
    if found == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no length of time")
    return found


def integer(text: str) -> int:
    """Read a whole number that both stores can hold."""
    try:
        found = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number") from None
    if not -(2**31) <= found < 2**31:
        raise argparse.ArgumentTypeError(f"{text} is out of range: -2**31 to 2**31 - 1")
    return found


def positive(text: str) -> int:
    """Read a whole number above zero."""
    found = integer(text)
    if found < 1:
        raise argparse.ArgumentTypeError(f"{text} is not above zero")
    return found
