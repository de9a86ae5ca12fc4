"""Objects that a text format gives back exactly as they were."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

from rollforward.errors import SerializationError

JSON_TYPES: tuple[type, ...] = (str, int, float, bool, type(None))
YAML_TYPES: tuple[type, ...] = (*JSON_TYPES, dt.date, dt.datetime)


def require_plain(obj: Any, types: tuple[type, ...], name: str) -> None:
    """Refuse an object that a text format would give back as something else.

    Types are compared exactly: a numpy number, an enumeration member and a tuple all read back as another type.

    Parameters
    ----------
    obj
        Nested lists and dictionaries, whose keys are texts.
    types
        What they may hold.
    name
        The format, for the message.

    Raises
    ------
    SerializationError
        Naming the place of the first object that does not fit.
    """
    _walk(obj, types, name, "", ())


def _walk(value: Any, types: tuple[type, ...], name: str, where: str, inside: tuple[int, ...]) -> None:
    kind = type(value)
    if kind in types:
        if kind is float and not math.isfinite(value):
            _refuse(name, where, f"is {value!r}", "None, or leave it out")
        return
    if kind not in (list, dict):
        _refuse(name, where, f"is of type {kind.__name__}", _REMEDIES.get(kind.__name__, "one of these types"))
    if id(value) in inside:
        _refuse(name, where, "contains itself", "a structure without a circle")
    inside = (*inside, id(value))
    for key, item in value.items() if kind is dict else enumerate(value):
        if kind is dict and type(key) is not str:
            _refuse(name, where, f"has the key {key!r} of type {type(key).__name__}", "str(key)")
        _walk(item, types, name, f"{where}.{key}" if where else str(key), inside)


_REMEDIES = {
    "tuple": "list(...)",
    "set": "sorted(...)",
    "ndarray": "a .npy file",
    "DataFrame": "a .parquet file",
    "Timestamp": "its isoformat()",
    "date": "its isoformat()",
    "datetime": "its isoformat()",
    "int64": "int(...)",
    "float64": "float(...)",
    "bool": "bool(...)",
}


def _refuse(name: str, where: str, what: str, instead: str) -> None:
    place = f"the value at {where!r}" if where else "the object"
    raise SerializationError(
        f"{name} cannot hold what it would have to give back: {place} {what}.",
        f"lists, dictionaries with text keys, texts, finite numbers, true, false, null{_extra(name)}.",
        f"Give {instead}, or write a .pkl file, which keeps every type.",
    )


def _extra(name: str) -> str:
    return ", dates" if name == "yaml" else ""
