"""What may be logged: keys, numbers, texts. Checked at the call, before anything is written."""

from __future__ import annotations

import posixpath
import re
import sys
from collections.abc import Mapping
from numbers import Integral
from typing import TYPE_CHECKING, Any

from rollforward.errors import TrackingError

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_KEY = 250
MAX_PARAM = 6000
MAX_TAG = 8000

_ON_WINDOWS = sys.platform == "win32"
_LEGAL = re.compile(r"[/\w.\- ]*" if _ON_WINDOWS else r"[/\w.\- :]*")
_ALLOWED = "letters, digits, spaces and _ - . /" if _ON_WINDOWS else "letters, digits, spaces and _ - . / :"
_STRANGER = re.compile(r"[^/\w.\- ]" if _ON_WINDOWS else r"[^/\w.\- :]")
_SHOWN = 200
_MAX_STEP = 2**63
_FLOAT = frozenset({float})

# A loop logs the same few keys all the time.
_legal_keys: set[str] = set()
_MAX_REMEMBERED = 10_000


def check_keys(keys: Iterable[Any], kind: str) -> None:
    """Refuse keys that MLflow does not take.

    Parameters
    ----------
    keys
        What is to be logged.
    kind
        ``"metric"``, ``"param"`` or ``"tag"``.

    Raises
    ------
    TrackingError
        Naming the key, what is wrong with it, and a key that is right.
    """
    if _legal_keys.issuperset(keys):
        return
    for key in keys:
        if not isinstance(key, str) or not _LEGAL.fullmatch(key):
            better = _STRANGER.sub("_", str(key))
            raise TrackingError(f"{key!r} is no key of a {kind}.", f"{_ALLOWED}.", f"Call it {better!r}.")
        if key in ("", ".") or posixpath.normpath(key) != key or key.startswith(("..", "/")):
            raise TrackingError(
                f"{key!r} is no key of a {kind}.",
                "a key that could be the path of a file: not empty, no empty part, no '.' or '..' part.",
            )
        if len(key) > MAX_KEY:
            raise TrackingError(
                f"The {kind} {key[:40]!r}... has a key of {len(key)} characters.", f"at most {MAX_KEY}."
            )
        if len(_legal_keys) < _MAX_REMEMBERED:
            _legal_keys.add(key)


def numbers(values: dict[str, Any]) -> dict[str, float]:
    """Turn the values of metrics into floats; the same dictionary if they are floats already.

    Raises
    ------
    TypeError
        If one is no real number.
    """
    if _FLOAT.issuperset(map(type, values.values())):
        return values
    return {key: number(key, value) for key, value in values.items()}


def number(key: str, value: Any) -> float:
    """Turn the value of a metric into a float.

    Raises
    ------
    TypeError
        If it is no real number.
    """
    if isinstance(value, float):
        return float(value)
    try:
        element = _only_element(value)
        # float() would also read a text, which is a mistake more often than not.
        if hasattr(type(element), "__float__"):
            return float(element)
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise TypeError(_no_number(key, value)) from error
    raise TypeError(_no_number(key, value))


def _only_element(value: Any) -> Any:
    """Take the element out of a NumPy scalar, an array or a tensor of one element; anything else stays."""
    item = getattr(value, "item", None)
    return item() if callable(item) else value


def _no_number(key: str, value: Any) -> str:
    text = repr(value)
    shown = text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
    return (
        f"metric {key!r} is {shown}, of type {type(value).__name__}; expected one real number that a float can hold "
        "(Python's, NumPy's, a 0-d array or tensor, Decimal, bool). Texts belong into log_params or set_tags, "
        "arrays into save_objects."
    )


def checked_step(step: Any) -> int:
    """Turn a step into an integer; ``None`` is 0.

    Raises
    ------
    TypeError
        If it is no integer.
    TrackingError
        If it has more than 64 bits.
    """
    if step is None:
        return 0
    if type(step) is int and -_MAX_STEP <= step < _MAX_STEP:
        return step
    element = step if type(step) is int else _only_element(step)
    if not isinstance(element, Integral) or isinstance(element, bool):
        hint = " Metrics are given by name: log_metrics(**metrics)." if isinstance(step, Mapping) else ""
        raise TypeError(f"step is {step!r}, of type {type(step).__name__}; expected an integer or None.{hint}")
    integer = int(element)
    if not -_MAX_STEP <= integer < _MAX_STEP:
        raise TrackingError(f"step is {integer}.", "an integer of 64 bits.")
    return integer


def short_form(text: str, limit: int, whole: str) -> str:
    """Shorten a text that the store cannot hold, saying where all of it is.

    Parameters
    ----------
    text
        The text.
    limit
        Characters that the store takes.
    whole
        Artifact that holds all of it.
    """
    if len(text) <= limit:
        return text
    return f"{text[:_SHOWN]}... ({len(text)} characters, all of them in the artifact {whole})"


def artifact_of(kind: str, key: str) -> str:
    """Name the artifact that holds a long value; a colon is no part of a file name everywhere."""
    return f"{kind}s/{key.replace(':', '_')}.txt"
