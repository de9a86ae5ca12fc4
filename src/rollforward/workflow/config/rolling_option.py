"""``--rolling step=20,type=sliding``: the options of a rolling job on the command line."""

from __future__ import annotations

import re
from typing import Any

import yaml

from rollforward.errors import SettingsError
from rollforward.workflow.config.problems import Place, refuse
from rollforward.workflow.config.scalars import parse_value
from rollforward.workflow.config.sections import rolling_of, said_twice
from rollforward.workflow.config.validating import rolling_violations

_OPTION_NAME = Place("--rolling")
# A list in brackets may hold commas of its own.
_OPTION = re.compile(r"\s*(?P<key>[^=,\s]+)\s*=(?P<value>\s*\[[^\]]*\]\s*|[^,]*)(?:,|$)")


def parse_rolling(text: str) -> dict[str, Any]:
    """Read the value of ``--rolling``.

    Parameters
    ----------
    text
        ``key=value`` pairs with commas between them; values as in YAML, such as ``step=20,type=sliding,last=clip`` or
        ``step=[2020-01-02, 2021-01-04]``.

    Raises
    ------
    SettingsError
        If it is not of this form, or a key is there twice.
    WorkflowFileError
        If there is no such key, or its value is none.
    """
    options: dict[str, Any] = {}
    place = 0
    while place < len(text):
        match = _OPTION.match(text, place)
        if match is None:
            raise SettingsError(
                f"--rolling has {text[place:]!r}.",
                "key=value pairs with commas between them, such as step=20,type=sliding.",
                "Correct the option.",
            )
        if match["key"] in options:
            raise SettingsError(f"--rolling has {match['key']} twice.", "each key once.", "Remove one of them.")
        options[match["key"]] = _value(match["value"], match["key"])
        place = match.end()
    content = {"rolling": options}
    refuse([*rolling_violations(options, _OPTION_NAME), *said_twice(content, {}, _OPTION_NAME)])
    return rolling_of(content) or {}


def _value(text: str, key: str) -> Any:
    try:
        return parse_value(text)
    except yaml.YAMLError as error:
        raise SettingsError(f"--rolling has {key}={text}.", "a value as in YAML.", "Correct the value.") from error
