"""Read and check the YAML file of a workflow."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from rollforward.errors import DataSourceError, SettingsError, TaskError
from rollforward.settings.nearest import did_you_mean

_SECTIONS = ("experiment_name", "init", "rolling", "task")
_ROLLING = (
    "gap",
    "handler_window",
    "last",
    "max_train",
    "name",
    "purge",
    "refit",
    "rtype",
    "step",
    "trunc_days",
    "type",
)
# A list in brackets may hold commas of its own.
_OPTION = re.compile(r"\s*(?P<key>[^=,\s]+)\s*=(?P<value>\s*\[[^\]]*\]\s*|[^,]*)(?:,|$)")


@dataclass(frozen=True)
class Workflow:
    """The content of a workflow file.

    Attributes
    ----------
    task
        The task dictionary.
    experiment_name
        ``None`` takes the settings' default experiment.
    init
        Keyword arguments of `rollforward.init`.
    rolling
        Keyword arguments of `RollingJob`; ``None`` runs the task once.
    """

    task: dict[str, Any]
    experiment_name: str | None = None
    init: dict[str, Any] = field(default_factory=dict)
    rolling: dict[str, Any] | None = None


def load_workflow(path: str | Path) -> Workflow:
    """Read a workflow file.

    Raises
    ------
    DataSourceError
        If there is no such file.
    TaskError
        If it is not YAML, has no task, or a section that does not exist.
    """
    path = Path(path)
    content = _parse(path)
    if not isinstance(content, dict) or not isinstance(content.get("task"), dict):
        raise TaskError(f"{path} has no section 'task'.", f"sections {', '.join(_SECTIONS)}.", "Add the task.")
    _refuse_unknown(content, _SECTIONS, str(path))
    rolling = _section(content, "rolling", path)
    if rolling is not None:
        rolling = _rolling(rolling, f"Section 'rolling' of {path}")
    return Workflow(
        task=content["task"],
        experiment_name=content.get("experiment_name"),
        init=_section(content, "init", path) or {},
        rolling=rolling,
    )


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
        If it is not of this form, or a key does not exist.
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
        options[match["key"]] = _value(match["value"], match["key"])
        place = match.end()
    return _rolling(options, "--rolling")


def _value(text: str, key: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise SettingsError(f"--rolling has {key}={text}.", "a value as in YAML.", "Correct the value.") from error


def _rolling(options: dict[str, Any], where: str) -> dict[str, Any]:
    """Check the keys of a rolling section, and give ``type`` its other name."""
    _refuse_unknown(options, _ROLLING, where)
    if "type" not in options:
        return options
    if "rtype" in options:
        raise SettingsError(f"{where} has both 'type' and 'rtype'.", "one of the two; they mean the same.")
    return {"rtype" if key == "type" else key: value for key, value in options.items()}


def _parse(path: Path) -> object:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataSourceError(
            f"There is no file {path}.", "the path of a workflow file.", "Correct the path."
        ) from error
    except OSError as error:
        raise DataSourceError(f"{path} cannot be read: {error.strerror}.", "a readable YAML file.") from error
    except (yaml.YAMLError, ValueError) as error:  # a ValueError: bytes that are no text, or a date such as 2016-13-01
        raise TaskError(f"{path} is not YAML: {error}", "a YAML file.", "Correct the place named.") from error


def _section(content: dict[str, Any], name: str, path: Path) -> dict[str, Any] | None:
    section = content.get(name)
    if section is None and name not in content:
        return None
    if section is None:
        return {}
    if not isinstance(section, dict):
        raise TaskError(f"Section '{name}' of {path} is {section!r}.", "a mapping.", f"Give '{name}' keys and values.")
    return section


def _refuse_unknown(section: dict[str, Any], known: tuple[str, ...], where: str) -> None:
    for key in section:
        if key not in known:
            hint = did_you_mean(key, known, otherwise="Remove it.")
            raise SettingsError(f"{where} has a key {key!r}.", f"one of {', '.join(known)}.", hint)
