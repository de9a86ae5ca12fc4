"""Task definitions and results as text: JSON, with a tag for each type that JSON lacks.

`decode` gives back what `encode` took, with types and the order of keys. Nothing is ever unpickled: what has no form
here is refused before anything is written. The forms, each a dictionary with one key that begins with ``$``:

``$tuple $set $frozenset $slice``       lists of the items
``$dict``                               pairs, of a dictionary with a key that is no text or begins with ``$``
``$float $int $complex $bytes``         nan, inf and -inf; integers over 63 bits, in hexadecimal; base64
``$decimal $path $uuid``                texts
``$datetime $date $time $timedelta``    of the standard library; a zone by its name
``$timestamp $pandas_timedelta``        of pandas, with zone and unit; ``$nat``, ``$na``, ``$period``, ``$offset``
``$numpy $array``                       scalars with their type; arrays up to 1 MB
``$name $enum``                         classes, functions and members of enumerations, by name
``$recorder``                           a recorder: experiment, id and store without credentials
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from rollforward.errors import TaskError
from rollforward.workflow.recorder import Recorder
from rollforward.workflow.task import leaves
from rollforward.workflow.task.references import RecorderRef

DEPTH = 100
_JSON_INT_BITS = 63


def encode(value: Any, name: str = "task") -> str:
    """Write a definition or a result as text.

    Parameters
    ----------
    value
        Nested dictionaries, lists, tuples and sets of the types above. A subclass of a dictionary or a list comes back
        as a plain one.
    name
        What the value is, for the message.

    Returns
    -------
    str
        ASCII.

    Raises
    ------
    TaskError
        If something in it has no form, contains itself or is nested more than 100 deep; names the place.
    """
    try:
        return json.dumps(_form(value, 0), separators=(",", ":"), allow_nan=False)
    except _Refused as refused:
        where = ".".join([name, *reversed(refused.path)])
        raise TaskError(f"{where}: {refused.given}", refused.expected, refused.remedy) from refused.__cause__


def decode(text: str) -> Any:
    """Read what `encode` wrote.

    A class, a function or a member of an enumeration is imported by its name; a recorder comes back as a `RecorderRef`.

    Raises
    ------
    TaskError
        If it is not text of `encode`, or names something that is not there.
    """
    try:
        return json.loads(text, object_hook=_read)
    except (ValueError, TypeError, LookupError, ArithmeticError, RecursionError) as error:
        if isinstance(error, TaskError):
            raise
        raise TaskError(
            f"A stored task cannot be read: {error}.",
            "a definition or a result written by rollforward.",
            "Submit the task again; if it was written by a newer version, update this one.",
        ) from error


class _Refused(Exception):  # noqa: N818  it never leaves this module
    """Something without a form; its place is put together on the way out, so that a walk that succeeds pays nothing."""

    def __init__(self, given: str, expected: str, remedy: str) -> None:
        super().__init__(given)
        self.given, self.expected, self.remedy = given, expected, remedy
        self.path: list[str] = []


def _form(value: Any, depth: int) -> Any:
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return value
    if kind is int and value.bit_length() <= _JSON_INT_BITS:
        return value
    if kind is float and value - value == 0:  # finite
        return value
    if kind is dict or kind is list or isinstance(value, _CONTAINERS):
        if depth >= DEPTH:
            raise _Refused(
                f"nested more than {DEPTH} deep, or it contains itself.",
                "a structure without a circle.",
                "Break the circle.",
            )
        return _container(value, depth + 1)
    if isinstance(value, Recorder | RecorderRef):
        ref = RecorderRef.of(value) if isinstance(value, Recorder) else value
        return {"$recorder": [ref.experiment_id, ref.id, ref.uri]}
    return _leaf(value, depth)


def _item(value: Any, key: object, depth: int) -> Any:
    try:
        return _form(value, depth)
    except _Refused as refused:
        refused.path.append(str(key))
        raise


def _container(value: Any, depth: int) -> Any:
    if isinstance(value, dict | Mapping):
        for key in value:
            if type(key) is not str or key[:1] == "$":
                pairs = [[_item(key, f"key {key!r}", depth), _item(part, key, depth)] for key, part in value.items()]
                return {"$dict": pairs}
        return {key: part if type(part) is str else _item(part, key, depth) for key, part in value.items()}
    if isinstance(value, list):
        return [_item(part, i, depth) for i, part in enumerate(value)]
    if isinstance(value, slice):
        return {"$slice": [_item(part, "slice", depth) for part in (value.start, value.stop, value.step)]}
    if isinstance(value, set | frozenset):
        parts = sorted((_item(part, "{}", depth) for part in value), key=lambda form: json.dumps(form, sort_keys=True))
        return {"$set" if isinstance(value, set) else "$frozenset": parts}
    if type(value) is not tuple:
        raise _refusal(value, "Give a plain tuple or a dictionary.")
    return {"$tuple": [_item(part, i, depth) for i, part in enumerate(value)]}


def _leaf(value: Any, depth: int) -> Any:
    try:
        found = leaves.form_of(value)
    except ValueError as error:
        raise _refusal(value, f"{error}") from error
    if found is None:
        raise _refusal(value, _REMEDY)
    tag, body = found
    if tag in ("$array", "$numpy"):
        # An array of objects, and the value of a numpy scalar, are made of values themselves.
        return {tag: [*body[:-1], _form(body[-1], depth + 1)]}
    return {tag: body}


def _refusal(value: Any, remedy: str) -> _Refused:
    kind = type(value)
    return _Refused(
        f"an object of type {kind.__module__}.{kind.__qualname__} cannot be stored as data.",
        "plain values, dates, numpy scalars, small arrays, recorders, and classes or functions by name.",
        remedy,
    )


_CONTAINERS = (dict, list, tuple, Mapping, set, frozenset, slice)
_REMEDY = (
    'Describe it as {"class": ..., "module_path": ..., "kwargs": {...}}, name the file that holds it, or save it as an '
    "artifact and return the recorder."
)


def _read(form: dict[str, Any]) -> Any:
    if len(form) != 1:
        return form
    ((tag, body),) = form.items()
    if not tag.startswith("$"):
        return form
    reader = _READERS.get(tag) or leaves.READERS.get(tag)
    if reader is None:
        raise ValueError(f"unknown tag {tag}")
    return reader(body)


_READERS: dict[str, Callable[[Any], Any]] = {
    "$tuple": tuple,
    "$set": set,
    "$frozenset": frozenset,
    "$dict": dict,
    "$slice": lambda parts: slice(*parts),
    "$recorder": lambda parts: RecorderRef(*parts),
}
