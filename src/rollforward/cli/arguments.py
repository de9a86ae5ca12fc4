"""Numbers and lengths of time on the command line: what argparse reads them with. Nothing heavy is loaded here."""

from __future__ import annotations

import argparse
import math
import re

_TIME = re.compile(r"(?P<number>\d+(?:\.\d+)?|\.\d+)\s*(?P<unit>[smhd]?)")
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


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


def port(text: str) -> int:
    """Read the number of a port."""
    found = integer(text)
    if not 0 < found < 2**16:
        raise argparse.ArgumentTypeError(f"{text} is no port: 1 to 65535")
    return found


def amount(text: str) -> float:
    """Read a number that is not below zero."""
    try:
        found = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None
    if not (math.isfinite(found) and found >= 0):
        raise argparse.ArgumentTypeError(f"{text} is not a number of zero or more")
    return found
