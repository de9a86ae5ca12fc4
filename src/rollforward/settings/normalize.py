"""One source of settings -> fields of `Settings`, with Qlib's two dictionaries taken apart."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rollforward.errors import SettingsError
from rollforward.settings.checks import require_classes, require_mode, require_seconds, require_switch, require_text
from rollforward.settings.keys import KEYS, MANAGER_KEYS, MONGO_KEYS, refuse_unknown
from rollforward.settings.masking import masked
from rollforward.settings.qlib import QLIB_INIT, gathered, require_options
from rollforward.settings.values import DEFAULT_MANAGER

_SQLITE = re.compile(r"(?P<scheme>sqlite(?:\+\w+)?:///)(?P<path>[^?#]+)(?P<rest>.*)", re.DOTALL)
_CHECKS: Mapping[str, Callable[[Any, str], Any]] = {
    **dict.fromkeys(("async_log", "provenance", "capture_output", "system_metrics"), require_switch),
    "spool": require_mode,
    "heartbeat": require_seconds,
    "trusted_classes": require_classes,
}
_OFFLINE = "offline:"
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")


@dataclass(frozen=True)
class Source:
    """Where settings were read.

    Parameters
    ----------
    label
        How messages call it.
    folder
        What its relative paths are relative to.
    prefix
        What the environment puts before a name, which is in capitals then.
    """

    label: str
    folder: Path
    prefix: str = ""

    def name_of(self, key: str) -> str:
        """Spell a key as the user did in this source."""
        return f"{self.label}: {self.prefix}{key.upper()}" if self.prefix else f"{self.label}: {key}"


def normalize(given: Mapping[str, Any], source: Source) -> dict[str, Any]:
    """Check the settings of one source and spell them as fields of `Settings`.

    ``None`` counts as not given. Relative SQLite paths, artifact roots and spool folders become absolute.

    Raises
    ------
    SettingsError
        For an unknown key, a wrong type, or a short form that contradicts a dictionary.
    """
    given = gathered(given)
    refuse_unknown(given, KEYS, source.label)
    present = {key: value for key, value in given.items() if value is not None}
    fields: dict[str, Any] = {}
    for key, value in present.items():
        if key not in ("exp_manager", "mongo"):
            _add(fields, key, _checked(key, value, source), source.name_of(key), source)
    _add_manager(fields, present.get("exp_manager"), source)
    _add_mongo(fields, present.get("mongo"), source)
    return fields


def absolute_sqlite(uri: str, folder: Path) -> str:
    """Make a relative path of a SQLite or offline store absolute; every other address stays as it is."""
    if uri.startswith(_OFFLINE) and len(uri) > len(_OFFLINE):
        return f"{_OFFLINE}{(folder / Path(uri.removeprefix(_OFFLINE)).expanduser()).resolve().as_posix()}"
    match = _SQLITE.fullmatch(uri)
    if match is None or match["path"].startswith(":memory:"):
        return uri
    return f"{match['scheme']}{(folder / match['path']).resolve().as_posix()}{match['rest']}"


def _checked(key: str, value: Any, source: Source) -> Any:
    name = source.name_of(key)
    if key == "calendar":
        return require_text(value, name) if isinstance(value, str) else value
    if key == QLIB_INIT:
        return require_options(value, name, source.folder)
    if key in _CHECKS:
        return _CHECKS[key](value, name)
    text = require_text(os.fspath(value) if isinstance(value, os.PathLike) else value, name)
    if key == "artifact_root":
        return text if _SCHEME.match(text) else str((source.folder / text).resolve())
    if key == "spool_dir":
        return str((source.folder / Path(text).expanduser()).resolve())
    return absolute_sqlite(text, source.folder) if key in ("uri", "task_store") else text


def _add(fields: dict[str, Any], key: str, value: Any, name: str, source: Source) -> None:
    if key in fields and fields[key] != value:
        raise SettingsError(
            f"{name} is {masked(value)!r}, and {source.name_of(key)} is {masked(fields[key])!r}.",
            "one of the two, or twice the same.",
            "Remove one of them.",
        )
    fields[key] = value


def _add_manager(fields: dict[str, Any], manager: Any, source: Source) -> None:
    if manager is None:
        return
    name = source.name_of("exp_manager")
    config = _mapping(manager, name)
    refuse_unknown(config, MANAGER_KEYS, name)
    kwargs = dict(_mapping(config.get("kwargs") or {}, f"{name}.kwargs"))
    for short, long in (("uri", "uri"), ("experiment", "default_exp_name")):
        value = kwargs.pop(long, None)
        if value is not None:
            _add(fields, short, _checked(short, value, source), f"{name}.kwargs.{long}", source)
    chosen = {key: config[key] for key in ("class", "module_path") if config.get(key) is not None}
    if chosen or kwargs:
        # A class that is given without a module brings its own, or is found where ours are.
        fields["exp_manager"] = dict(DEFAULT_MANAGER) | chosen | {"kwargs": kwargs}


def _add_mongo(fields: dict[str, Any], mongo: Any, source: Source) -> None:
    if mongo is None:
        return
    name = source.name_of("mongo")
    config = _mapping(mongo, name)
    refuse_unknown(config, MONGO_KEYS, name)
    if config.get("task_url") is None:
        raise SettingsError(
            f"{name} has no task_url.",
            "the address of a MongoDB server.",
            'Add "task_url": "mongodb://localhost:27017/", or leave mongo out to use the embedded store.',
        )
    for short, long in (("task_store", "task_url"), ("task_db_name", "task_db_name")):
        value = config.get(long)
        if value is not None:
            _add(fields, short, _checked(short, value, source), f"{name}.{long}", source)


def _mapping(value: Any, name: str) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return value
    raise SettingsError(f"{name} is of type {type(value).__name__}.", "a dictionary.", f"Correct {name}.")
