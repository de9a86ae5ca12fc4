"""Ids of tasks where there is no MongoDB server to make them."""

from __future__ import annotations

import itertools
import os
import re
import secrets
import time
from typing import Any

_HEX = re.compile(r"[0-9a-fA-F]{24}")
_counter = itertools.count(secrets.randbelow(1 << 24))


class TaskId(str):
    """An id like MongoDB's ObjectId: 24 hexadecimal digits, the first eight of them the seconds since 1970.

    It equals its text, and an ObjectId of the same digits.
    """

    __slots__ = ()

    @classmethod
    def new(cls) -> TaskId:
        """Make an id that no other process makes."""
        # The process is asked each time: a forked child has its parent's counter.
        origin = secrets.token_bytes(3) + (os.getpid() & 0xFFFF).to_bytes(2, "big")
        count = next(_counter) & 0xFFFFFF
        return cls(f"{int(time.time()) & 0xFFFFFFFF:08x}{origin.hex()}{count:06x}")

    def __repr__(self) -> str:
        return f"TaskId({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return str.__eq__(self, str(other)) if type(other).__name__ == "ObjectId" else str.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return str.__hash__(self)


def is_id(value: Any) -> bool:
    """Tell whether a value is an id, or the text of one."""
    return (isinstance(value, str) or type(value).__name__ == "ObjectId") and bool(_HEX.fullmatch(str(value)))
