"""What a value must be like to be a setting; environment and files spell it as a text."""

from __future__ import annotations

import math
import re
from typing import Any

from rollforward.errors import SettingsError

SPOOL_MODES = ("auto", "on", "off")
_SWITCHES = {"true": True, "1": True, "on": True, "yes": True, "false": False, "0": False, "off": False, "no": False}
_PATTERN = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*\.(?:[^\W\d]\w*|\*)")


def require_switch(value: Any, name: str) -> bool:
    """Return a setting that is on or off; a text is read as TOML and shells spell it.

    Raises
    ------
    SettingsError
        If it is neither.
    """
    switch = _switch(value)
    if switch is None:
        raise _wrong(name, value, f"true or false (as a text: {', '.join(_SWITCHES)}).")
    return switch


def require_mode(value: Any, name: str) -> str:
    """Return one of `SPOOL_MODES`; true is on, and false is off.

    Raises
    ------
    SettingsError
        If it is none of them.
    """
    text = value.strip().lower() if isinstance(value, str) else value
    if text in SPOOL_MODES:
        return str(text)
    switch = _switch(value)
    if switch is None:
        raise _wrong(name, value, f"one of {', '.join(SPOOL_MODES)}.")
    return "on" if switch else "off"


def require_seconds(value: Any, name: str) -> float:
    """Return a length of time in seconds, zero or more.

    Raises
    ------
    SettingsError
        If it is no number, negative or not finite.
    """
    try:
        seconds = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise _wrong(name, value, "a number of seconds, zero or more.")
    return seconds


def require_classes(value: Any, name: str) -> tuple[str, ...]:
    """Return patterns of classes; a text holds them separated by commas.

    Raises
    ------
    SettingsError
        If one is neither ``package.module.Class`` nor ``package.*``.
    """
    given = value.split(",") if isinstance(value, str) else value
    if not isinstance(given, list | tuple | set | frozenset):
        raise _wrong(name, value, "a list of texts.")
    patterns = [item.strip() if isinstance(item, str) else item for item in given]
    for pattern in patterns:
        if not isinstance(pattern, str) or _PATTERN.fullmatch(pattern) is None:
            raise _wrong(name, pattern, "patterns such as 'package.module.Class' and 'package.*'.")
    return tuple(sorted(set(patterns)) if isinstance(value, set | frozenset) else dict.fromkeys(patterns))


def require_text(value: Any, name: str) -> str:
    """Return a setting that must be a text.

    Raises
    ------
    SettingsError
        If it is none, or blank.
    """
    if isinstance(value, str) and value.strip():
        return value
    raise SettingsError(
        f"{name} is {'blank' if isinstance(value, str) else f'of type {type(value).__name__}'}.",
        "a text that is not blank.",
        f"Correct {name}, or leave it out to take the default.",
    )


def _switch(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    return _SWITCHES.get(value.strip().lower()) if isinstance(value, str) else None


def _wrong(name: str, value: Any, expected: str) -> SettingsError:
    return SettingsError(f"{name} is {value!r}.", expected, f"Correct {name}, or leave it out to take the default.")
