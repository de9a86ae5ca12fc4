"""The one form of everything that has an identity.

The form is JSON, so it is the same in every process and on every machine. The rules:

- The order of dictionary keys does not matter; that of lists does. A tuple equals the list of the same items, because
  a configuration read from YAML has only lists. A set equals no list.
- ``1``, ``1.0``, ``True`` and ``"1"`` are four different values. A numpy scalar equals the Python value it holds, and
  ``-0.0`` equals ``0.0``. NaN equals NaN whatever its bits; ``None``, NaN and NaT are three values.
- A date, a datetime, a Timestamp and a ``datetime64`` of the same moment are the same; a text that spells a date is
  another value. Times with a zone are compared as moments, and equal no time without one.
- A class or function that can be imported is its name, so editing its code does not change an identity. A frozen
  dataclass is its name and its fields. Arrays and frames are their content, with types and labels.
- Any other object has no identity that would survive the process: it is refused.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import enum
import hashlib
import json
import math
import sys
import uuid
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import PurePath
from typing import Any

import numpy as np
import pandas as pd

from rollforward.errors import TaskError

_JSON_INT_BITS = 63
_QUICK_DEPTH = 50


def canonical(obj: Any) -> Any:
    """Give an object the one JSON-able form of its identity.

    Parameters
    ----------
    obj
        Nested dictionaries, lists, tuples and sets of plain values, dates, numpy and pandas values, paths, importable
        classes and functions.

    Returns
    -------
    object
        Texts, numbers, booleans, ``None``, lists and dictionaries. What JSON has no form for is a dictionary with one
        key that begins with ``$``.

    Raises
    ------
    TaskError
        If something in it has no identity, or it contains itself; names the place.
    """
    try:
        return _quick(obj, 0)
    except (_NotQuickError, TaskError):
        # The slow walk knows every type, and the place of what it refuses.
        return _canonical(obj, "", ())


def canonical_text(form: Any) -> str:
    """Spell a canonical form: the one text of it."""
    return json.dumps(form, sort_keys=True, separators=(",", ":"), allow_nan=False)


class _NotQuickError(Exception):
    """Something that `_quick` leaves to `_canonical`."""


def _quick(value: Any, depth: int) -> Any:  # noqa: PLR0911  one return per type is the speed of it
    """Give the same form as `_canonical`, for what most definitions are made of."""
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return value
    if kind is int and value.bit_length() <= _JSON_INT_BITS:
        return value
    if kind is dict and depth < _QUICK_DEPTH:
        for key in value:
            if type(key) is not str or key[:1] == "$":
                raise _NotQuickError
        return {key: part if type(part) is str else _quick(part, depth + 1) for key, part in value.items()}
    if (kind is list or kind is tuple) and depth < _QUICK_DEPTH:
        return [_quick(part, depth + 1) for part in value]
    if kind is float:
        return _number(value)
    if kind is pd.Timestamp:
        return _moment(value)
    if isinstance(value, Mapping | list | tuple | set | frozenset | slice) or _is_record(value):
        raise _NotQuickError
    return _canonical(value, "", ())


def _canonical(value: Any, where: str, inside: tuple[int, ...]) -> Any:
    if value is None or isinstance(value, bool):
        return value
    # The members of an enumeration may be numbers or texts too.
    if not isinstance(value, enum.Enum):
        for types, form in _SCALARS:
            if isinstance(value, types):
                return form(value)
    if isinstance(value, Mapping | list | tuple | set | frozenset | slice) or _is_record(value):
        if id(value) in inside:
            raise TaskError(f"{_at(where)}it contains itself.", "a structure without a circle.", "Break the circle.")
        return _container(value, where, (*inside, id(value)))
    return _leaf(value, where, inside)


def _leaf(value: Any, where: str, inside: tuple[int, ...]) -> Any:
    if isinstance(value, enum.Enum):
        return {"$enum": f"{_importable(type(value), where)}.{value.name}"}
    if isinstance(value, np.ndarray):
        return {"$array": _array(value, where, inside)}
    if isinstance(value, pd.DataFrame | pd.Series | pd.Index):
        return {"$frame": _frame(value, where, inside)}
    if isinstance(value, np.generic):
        return _canonical(value.item(), where, inside)
    if callable(value):
        return {"$name": _importable(value, where)}
    raise _no_identity(value, where)


def _container(value: Any, where: str, inside: tuple[int, ...]) -> Any:
    def item(part: Any, key: object) -> Any:
        return _canonical(part, f"{where}.{key}" if where else str(key), inside)

    if isinstance(value, Mapping):
        if all(_is_plain_key(key) for key in value):
            return {str(key): item(part, key) for key, part in value.items()}
        pairs = [[item(key, key), item(part, key)] for key, part in value.items()]
        return {"$dict": sorted(pairs, key=canonical_text)}
    if isinstance(value, list | tuple):
        return [item(part, i) for i, part in enumerate(value)]
    if isinstance(value, set | frozenset):
        return {"$set": sorted((item(part, "{}") for part in value), key=canonical_text)}
    if isinstance(value, slice):
        return {"$slice": [item(part, "slice") for part in (value.start, value.stop, value.step)]}
    fields = {field.name: item(getattr(value, field.name), field.name) for field in dataclasses.fields(value)}
    return {"$record": [_importable(type(value), where), fields]}


def _is_plain_key(key: Any) -> bool:
    return isinstance(key, str) and not isinstance(key, enum.Enum) and not key.startswith("$")


def _is_record(value: Any) -> bool:
    # Asked of the class itself: a plain subclass of a dataclass may hold more than its fields.
    parameters = vars(type(value)).get("__dataclass_params__")
    return parameters is not None and bool(parameters.frozen)


def _integer(value: int | np.integer[Any]) -> Any:
    number = int(value)
    # Other readers of JSON round a longer number, and Python refuses to spell a very long one.
    return number if number.bit_length() <= _JSON_INT_BITS else {"$int": hex(number)}


def _number(value: float | np.floating[Any]) -> Any:
    number = float(value)
    return number + 0.0 if math.isfinite(number) else {"$float": str(number)}


def _moment(value: dt.date | np.datetime64) -> Any:
    try:
        stamp = pd.Timestamp(value)
    except (ValueError, OverflowError):
        # Years that pandas does not know.
        return {"$time": str(value)}
    if pd.isna(stamp):
        return {"$time": "NaT"}
    if stamp.tzinfo is None:
        return {"$time": stamp.isoformat()}
    return {"$time": stamp.tz_convert("UTC").isoformat()}


def _duration(value: dt.timedelta | np.timedelta64) -> Any:
    try:
        delta = pd.Timedelta(value)
    except (ValueError, OverflowError):
        # Months, years and spans that pandas does not know.
        return {"$duration": str(value)}
    return {"$duration": "NaT" if pd.isna(delta) else delta.isoformat()}


# In this order: a Timestamp is a datetime is a date, and numpy's float64 is a float.
_SCALARS: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (str, str),
    (np.bool_, bool),
    (np.timedelta64, _duration),
    ((int, np.integer), _integer),
    ((float, np.floating), _number),
    ((type(pd.NaT), dt.date, np.datetime64), _moment),
    (dt.timedelta, _duration),
    (dt.time, lambda value: {"$clock": value.isoformat()}),
    (type(pd.NA), lambda _: {"$na": True}),
    ((bytes, bytearray), lambda value: {"$bytes": base64.b64encode(value).decode()}),
    (complex, lambda value: {"$complex": [_number(value.real), _number(value.imag)]}),
    (Decimal, lambda value: {"$decimal": str(value)}),
    (uuid.UUID, lambda value: {"$uuid": str(value)}),
    (PurePath, lambda value: {"$path": value.as_posix()}),
    (pd.Period, lambda value: {"$period": [str(value), value.freqstr]}),
    (pd.offsets.BaseOffset, lambda value: {"$offset": value.freqstr}),
)


def _array(array: np.ndarray[Any, Any], where: str, inside: tuple[int, ...]) -> Any:
    if array.dtype.hasobject:
        return [list(array.shape), _canonical(array.ravel().tolist(), where, inside)]
    # The byte order of the machine is no property of the data.
    plain = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    return [str(plain.dtype), list(array.shape), hashlib.sha256(plain.tobytes()).hexdigest()]


def _frame(frame: pd.DataFrame | pd.Series[Any] | pd.Index[Any], where: str, inside: tuple[int, ...]) -> Any:
    try:
        rows = pd.util.hash_pandas_object(frame).to_numpy(dtype="<u8")
    except (TypeError, ValueError) as error:
        raise TaskError(
            f"{_at(where)}a {type(frame).__name__} that pandas cannot hash: {error}.",
            "columns of numbers, texts or dates.",
            "Convert the column, or name the file that holds the data.",
        ) from error
    form = [type(frame).__name__, list(frame.shape), hashlib.sha256(rows.tobytes()).hexdigest()]
    if isinstance(frame, pd.Index):
        return [*form, _canonical([list(frame.names), _dtypes(frame)], where, inside)]
    columns: list[Any]
    if isinstance(frame, pd.Series):
        columns = [frame.name, str(frame.dtype)]
    else:
        columns = [list(frame.columns), list(frame.columns.names), [str(dtype) for dtype in frame.dtypes]]
    return [*form, _canonical([columns, list(frame.index.names), _dtypes(frame.index)], where, inside)]


def _dtypes(index: pd.Index[Any]) -> list[str]:
    levels = index.levels if isinstance(index, pd.MultiIndex) else [index]
    return [str(level.dtype) for level in levels]


def _importable(value: Any, where: str) -> str:
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    found: Any = sys.modules.get(str(module))
    for part in str(name).split("."):
        found = getattr(found, part, None)
    # A method is found again as another object that equals it.
    if found is None or found != value:
        raise _no_identity(value, where)
    return f"{module}.{name}"


def _no_identity(value: Any, where: str) -> TaskError:
    return TaskError(
        f"{_at(where)}an object of type {type(value).__module__}.{type(value).__qualname__} has no identity that "
        "another process would know.",
        "plain values, dates, arrays, frames, and classes or functions that can be imported by name.",
        'Describe it as {"class": ..., "module_path": ..., "kwargs": {...}}.',
    )


def _at(where: str) -> str:
    return f"{where}: " if where else ""
