"""The setting ``qlib_init``: what Qlib is told about its data."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rollforward.errors import SettingsError
from rollforward.settings.keys import KEYS, REPLACED

QLIB_INIT, PROVIDER = "qlib_init", "provider_uri"
# These say where runs and tasks are, not what Qlib's data are.
_NOT_DATA = frozenset({"client", "default_exp_name", "mlflow", "redis_task_db", "task_url"})
_REMOTE = re.compile(r"(?![A-Za-z]:)[^/\\]+:.+")


def gathered(given: Mapping[str, Any]) -> Mapping[str, Any]:
    """Move settings of Qlib's data, which stand by themselves in scripts written for Qlib, into ``qlib_init``.

    Nothing is moved where pyqlib is not installed: then they are refused, and the message says what stands in for them.
    """
    loose = [key for key in given if key not in KEYS and key in REPLACED and key not in _NOT_DATA]
    own = given.get(QLIB_INIT)
    if not loose or not isinstance(own, Mapping | None) or find_spec("qlib") is None:
        return given
    kept = {key: value for key, value in given.items() if key not in loose}
    return kept | {QLIB_INIT: {**(own or {}), **{key: given[key] for key in loose}}}


def require_options(value: Any, name: str, folder: Path) -> dict[str, Any]:
    """Return the arguments of ``qlib.init``; a text holds them as JSON. Relative folders of data become absolute.

    Raises
    ------
    SettingsError
        If it is no dictionary with texts as keys.
    """
    options = _parsed(value) if isinstance(value, str) else value
    if not isinstance(options, Mapping) or not all(isinstance(key, str) for key in options):
        raise SettingsError(
            f"{name} is {value!r}.",
            'a dictionary of arguments of qlib.init, as a text in JSON: {"provider_uri": "...", "region": "us"}.',
            f"Correct {name}, or leave it out.",
        )
    found = dict(options)
    provider = found.get(PROVIDER)
    if isinstance(provider, Mapping):
        found[PROVIDER] = {freq: _absolute(uri, folder) for freq, uri in provider.items()}
    elif provider is not None:
        found[PROVIDER] = _absolute(provider, folder)
    return found


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _absolute(uri: Any, folder: Path) -> str:
    text = os.fspath(uri)
    return text if _REMOTE.match(text) else str((folder / Path(text).expanduser()).resolve())
