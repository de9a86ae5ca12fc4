"""The sections of a document in the program's own words: ``init``, ``qlib_init`` and ``rolling``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rollforward.errors import SettingsError
from rollforward.settings.keys import KEYS
from rollforward.settings.normalize import Source, normalize
from rollforward.workflow.config.problems import Place, Places, Problem, place_of

_INIT, _QLIB_INIT = "init", "qlib_init"


def settings_of(content: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Sort the settings of a document.

    Returns
    -------
    init, qlib
        Arguments of `rollforward.init`: those of ``qlib_init`` that it has, and over them those of ``init``. And what
        else is in ``qlib_init``, which is Qlib's own: ``provider_uri``, ``region``, ...
    """
    theirs = content.get(_QLIB_INIT) or {}
    ours = {key: value for key, value in theirs.items() if key in KEYS and key != _QLIB_INIT}
    qlib = {key: value for key, value in theirs.items() if key not in ours}
    return ours | (content.get(_INIT) or {}), qlib


def wrong_settings(content: Mapping[str, Any], places: Places, file: Place) -> Iterator[Problem]:
    """Yield the settings that cannot be, without deciding any."""
    if not all(isinstance(content.get(section) or {}, Mapping) for section in (_INIT, _QLIB_INIT)):
        return
    init, _ = settings_of(content)
    good = {}
    for key, value in init.items():
        section = _INIT if key in (content.get(_INIT) or {}) else _QLIB_INIT
        try:
            normalize({key: value}, _SOURCE)
        except SettingsError as error:
            yield _problem(error, (section, key), places, file)
        else:
            good[key] = value
    try:
        normalize(good, _SOURCE)
    except SettingsError as error:
        yield _problem(error, (_INIT if content.get(_INIT) else _QLIB_INIT,), places, file)


_SOURCE = Source("init", Path())


def _problem(error: SettingsError, path: tuple[str, ...], places: Places, file: Place) -> Problem:
    given = error.given.removeprefix(f"{_SOURCE.label}: ")
    return Problem(place_of(places, path, file), path, given, error.expected, error.remedy)


def rolling_of(content: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the options of the rolling job; ``None`` if there is no such section, while an empty one has none."""
    if "rolling" not in content:
        return None
    section = content["rolling"] or {}
    return {"rtype" if key == "type" else key: value for key, value in section.items()}


def said_twice(content: Mapping[str, Any], places: Places, file: Place) -> Iterator[Problem]:
    """Yield a problem if the window has both of its names."""
    section = content.get("rolling")
    if isinstance(section, Mapping) and {"type", "rtype"} <= set(section):
        path = ("rolling", "type")
        given = "there are both 'type' and 'rtype'."
        yield Problem(place_of(places, path, file), path, given, "one of the two; they mean the same.", "Remove one.")
