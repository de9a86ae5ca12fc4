"""The forms of single values: how each type that JSON lacks is written as plain data, and read back."""

from __future__ import annotations

import base64
import datetime as dt
import enum
import importlib
import math
import sys
import uuid
import zoneinfo
from decimal import Decimal
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rollforward.errors import TaskError

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_ARRAY_BYTES = 1_000_000
_MAIN = "__main__"

Form = tuple[str, Any]


def form_of(value: Any) -> Form | None:
    """Give the tag and the plain form of a single value; ``None`` for a type that has none.

    The last item of the forms of ``$numpy`` and ``$array`` is a value that has a form itself.

    Raises
    ------
    ValueError
        If this value of a known type has no form; says what to give instead.
    """
    exact = _BY_TYPE.get(type(value))
    if exact is not None:
        return exact(value)
    if isinstance(value, enum.Enum):
        return "$enum", [*named(type(value)), value.name]
    for kind, writer in _BY_BASE.items():
        if isinstance(value, kind):
            return writer(value)
    if callable(value) and hasattr(value, "__qualname__"):
        return "$name", named(value)
    return None


def named(value: Any) -> list[str]:
    """Give the module and the name under which a class or a function is found.

    Raises
    ------
    ValueError
        If it is found under none, such as a lambda.
    """
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    try:
        found = _attribute(sys.modules[str(module)], str(name))
    except (AttributeError, KeyError):
        found = None
    # A method is found again as another object that equals it.
    if found is None or found != value:
        raise ValueError(f"Define {name or 'it'} at the top of a module, so that other processes find it by name.")
    return [str(module), str(name)]


def by_name(module: str, name: str) -> Any:
    """Import what `named` named.

    Raises
    ------
    TaskError
        If it is not there.
    """
    try:
        return _attribute(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        remedy = "Install here what the task was submitted with, in the same version."
        if module == _MAIN:
            remedy = f"Move {name} out of the script that submits, into a module that both sides import."
        raise TaskError(
            f"The task names {module}.{name}, which is not there: {error}.", "an importable name.", remedy
        ) from error


def _attribute(found: Any, name: str) -> Any:
    for part in name.split("."):
        found = getattr(found, part)
    return found


def _zone(zone: dt.tzinfo | None) -> str | None:
    if zone is None:
        return None
    key = getattr(zone, "key", None) or getattr(zone, "zone", None)
    if isinstance(key, str):
        return key
    offset = zone.utcoffset(None)
    if offset is None:
        raise ValueError("Give a zone of zoneinfo, or UTC.")
    return str(offset.total_seconds())


def _zone_of(name: str | None) -> dt.tzinfo | None:
    if name is None:
        return None
    try:
        seconds = float(name)
    except ValueError:
        return zoneinfo.ZoneInfo(name)
    return dt.UTC if seconds == 0 else dt.timezone(dt.timedelta(seconds=seconds))


def _datetime(value: dt.datetime) -> Form:
    return "$datetime", [value.replace(tzinfo=None, fold=0).isoformat(), value.fold, _zone(value.tzinfo)]


def _read_datetime(body: Any) -> dt.datetime:
    text, fold, zone = body
    return dt.datetime.fromisoformat(text).replace(fold=fold, tzinfo=_zone_of(zone))


def _timestamp(value: pd.Timestamp) -> Form:
    moment = value if value.tzinfo is None else value.tz_convert("UTC").tz_localize(None)
    return "$timestamp", [str(moment.asm8), value.unit, _zone(value.tzinfo)]


def _read_timestamp(body: Any) -> pd.Timestamp:
    text, unit, zone = body
    moment = pd.Timestamp(np.datetime64(text, unit))
    return moment if zone is None else moment.tz_localize("UTC").tz_convert(_zone_of(zone))


def _span(value: pd.Timedelta) -> Form:
    return "$pandas_timedelta", [int(value.asm8.astype("int64")), value.unit]


def _clock(value: dt.time) -> Form:
    return "$time", [value.replace(tzinfo=None, fold=0).isoformat(), value.fold, _zone(value.tzinfo)]


def _read_clock(body: Any) -> dt.time:
    text, fold, zone = body
    return dt.time.fromisoformat(text).replace(fold=fold, tzinfo=_zone_of(zone))


def _number(value: float) -> Form:
    return "$float", str(value)


def _scalar(value: np.generic) -> Form:
    if isinstance(value, np.void | np.longdouble | np.clongdouble | np.object_):
        raise ValueError("Give a number of at most 64 bits.")  # noqa: TRY004  the caller wants one type
    kind = value.dtype.str
    if isinstance(value, np.datetime64):
        return "$numpy", [kind, str(value)]
    if isinstance(value, np.timedelta64):
        return "$numpy", [kind, int(value.astype("int64"))]
    return "$numpy", [kind, value.item()]


def _read_scalar(body: Any) -> Any:
    kind, value = body
    dtype = np.dtype(kind)
    if dtype.kind == "M":
        return np.array(value, dtype=dtype)[()]
    if dtype.kind == "m":
        return np.array(value, dtype="int64").view(dtype)[()]
    return dtype.type(value)


def _array(array: np.ndarray[Any, Any]) -> Form:
    if array.dtype.names is not None or array.dtype.kind == "V" or array.dtype.str[1:] in ("f16", "c32"):
        raise ValueError("Give an array of one plain type.")
    if array.nbytes > MAX_ARRAY_BYTES:
        raise ValueError(
            f"It has {array.nbytes:,} bytes, more than {MAX_ARRAY_BYTES:,}: name a file that holds it, or save it as "
            "an artifact."
        )
    if array.dtype.hasobject:
        return "$array", ["O", list(array.shape), array.ravel().tolist()]
    return "$array", [array.dtype.str, list(array.shape), base64.b64encode(array.tobytes()).decode()]


def _read_array(body: Any) -> np.ndarray[Any, Any]:
    kind, shape, content = body
    if kind == "O":
        flat = np.empty(math.prod(shape), dtype=object)
        for i, item in enumerate(content):
            flat[i] = item
        return flat.reshape(shape)
    return np.frombuffer(base64.b64decode(content), dtype=np.dtype(kind)).reshape(shape).copy()


def _duration(value: dt.timedelta) -> Form:
    return "$timedelta", [value.days, value.seconds, value.microseconds]


def _base64(value: bytes | bytearray) -> Form:
    return ("$bytes" if isinstance(value, bytes) else "$bytearray"), base64.b64encode(value).decode()


def _long(value: int) -> Form:
    return "$int", hex(value)


# A subclass of these would come back as its base, and is refused.
_BY_TYPE: dict[type, Callable[[Any], Form]] = {
    int: _long,
    float: _number,
    type(pd.NaT): lambda _: ("$nat", True),
    type(pd.NA): lambda _: ("$na", True),
    pd.Timestamp: _timestamp,
    pd.Timedelta: _span,
    pd.Period: lambda value: ("$period", [value.ordinal, value.freqstr]),
    dt.datetime: _datetime,
    dt.date: lambda value: ("$date", value.isoformat()),
    dt.time: _clock,
    dt.timedelta: _duration,
    np.ndarray: _array,
    bytes: _base64,
    bytearray: _base64,
    complex: lambda value: ("$complex", [str(value.real), str(value.imag)]),
    Decimal: lambda value: ("$decimal", str(value)),
    uuid.UUID: lambda value: ("$uuid", str(value)),
}

# Of these there are several types on purpose.
_BY_BASE: dict[type, Callable[[Any], Form]] = {
    np.generic: _scalar,
    PurePath: lambda value: ("$path", value.as_posix()),
    pd.offsets.BaseOffset: lambda value: ("$offset", value.freqstr),
}

READERS: dict[str, Callable[[Any], Any]] = {
    "$int": lambda text: int(text, 16),
    "$float": float,
    "$nat": lambda _: pd.NaT,
    "$na": lambda _: pd.NA,
    "$timestamp": _read_timestamp,
    "$pandas_timedelta": lambda body: pd.Timedelta(np.timedelta64(body[0], body[1])),
    "$datetime": _read_datetime,
    "$date": dt.date.fromisoformat,
    "$time": _read_clock,
    "$timedelta": lambda body: dt.timedelta(*body),
    "$numpy": _read_scalar,
    "$array": _read_array,
    "$bytes": base64.b64decode,
    "$bytearray": lambda text: bytearray(base64.b64decode(text)),
    "$complex": lambda parts: complex(float(parts[0]), float(parts[1])),
    "$decimal": Decimal,
    "$uuid": uuid.UUID,
    "$path": Path,
    "$period": lambda body: pd.Period(ordinal=body[0], freq=body[1]),
    "$offset": pd.tseries.frequencies.to_offset,
    "$name": lambda body: by_name(*body),
    "$enum": lambda body: by_name(body[0], body[1])[body[2]],
}
