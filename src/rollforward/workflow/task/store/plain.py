"""The plain form of a definition, which queries look into.

It is made for asking, not for reading back: a time is its ISO text (with a zone: in UTC), so that texts sort as times
do; a tuple or a set is a list; a class is its dotted name; a path, a number that JSON lacks and everything else is a
text. Keys that are no texts become texts. In keys, a dot and a leading dollar are written in full width (U+FF0E,
U+FF04), because a dot separates the parts of a path and a dollar begins an operator.
"""

from __future__ import annotations

import base64
import datetime as dt
import enum
import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import PurePath
from typing import Any

import numpy as np
import pandas as pd

_INT_BITS = 63
_DEPTH = 60
_DOT, _DOLLAR, _NUL = "\uff0e", "\uff04", "\u2400"


def plain(value: Any, depth: int = 0) -> Any:  # noqa: PLR0911  one return per type
    """Give a value of a definition, or of a query, its plain form.

    Returns
    -------
    object
        Texts, finite numbers up to 64 bits, booleans, ``None``, lists, and dictionaries with text keys; what is nested
        more than 60 deep is one text.
    """
    kind = type(value)
    if kind is str:
        return value if value.isascii() and "\0" not in value else _text(value)
    if value is None or kind is bool:
        return value
    if kind is int and value.bit_length() <= _INT_BITS:
        return value
    if depth >= _DEPTH:
        return str(value)
    if kind is dict or isinstance(value, Mapping):
        # Most keys need no other spelling.
        return {
            key if type(key) is str and key.isidentifier() else plain_key(key): plain(item, depth + 1)
            for key, item in value.items()
        }
    if kind is list or kind is tuple or isinstance(value, list | tuple):
        return [plain(item, depth + 1) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((plain(item, depth + 1) for item in value), key=repr)
    return _leaf(value, depth)


def plain_key(key: Any) -> str:
    """Spell a key so that it can be a part of a dotted path."""
    text = (_text(key) if isinstance(key, str) else str(plain(key))).replace(".", _DOT)
    return f"{_DOLLAR}{text[1:]}" if text.startswith("$") else text


def _text(text: str) -> str:
    # Neither store takes half a character; a NUL ends a text in one of them.
    return text.encode("utf-8", "replace").decode().replace("\0", _NUL)


def _leaf(value: Any, depth: int) -> Any:
    if isinstance(value, np.ndarray):
        return plain(value.tolist(), depth + 1)
    if isinstance(value, np.generic) and not isinstance(value, np.datetime64 | np.timedelta64):
        return plain(value.item(), depth + 1)
    # Members of an enumeration and NaT may be numbers and dates too.
    if not isinstance(value, enum.Enum) and value is not pd.NaT:
        for types, form in _FORMS:
            if isinstance(value, types):
                return form(value)
    if isinstance(value, enum.Enum):
        return f"{_name(type(value))}.{value.name}"
    return _name(value) if hasattr(value, "__qualname__") else str(value)


def _time(value: dt.date | np.datetime64) -> str:
    if type(value) is pd.Timestamp and value.tzinfo is None:
        return value.isoformat()
    try:
        stamp = pd.Timestamp(value)
    except (ValueError, OverflowError):
        return str(value)
    if pd.isna(stamp):
        return "NaT"
    text: str = (stamp if stamp.tzinfo is None else stamp.tz_convert("UTC")).isoformat()
    return text


def _name(value: Any) -> str:
    return f"{value.__module__}.{value.__qualname__}"


_FORMS: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    ((dt.date, np.datetime64), _time),
    (str, _text),
    (int, lambda value: int(value) if value.bit_length() <= _INT_BITS else hex(value)),
    (float, lambda value: float(value) if math.isfinite(value) else str(float(value))),
    ((bytes, bytearray), lambda value: base64.b64encode(value).decode()),
    (PurePath, lambda value: value.as_posix()),
    (Decimal, str),
)
