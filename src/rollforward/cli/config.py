"""Read and check the YAML file of a workflow."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from rollforward.errors import DataSourceError, SettingsError, TaskError

_SECTIONS = ("experiment_name", "init", "rolling", "task")
_ROLLING = ("name", "rtype", "step", "trunc_days")


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
        _refuse_unknown(rolling, _ROLLING, f"section 'rolling' of {path}")
    return Workflow(
        task=content["task"],
        experiment_name=content.get("experiment_name"),
        init=_section(content, "init", path) or {},
        rolling=rolling,
    )


def _parse(path: Path) -> object:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataSourceError(
            f"There is no file {path}.", "the path of a workflow file.", "Correct the path."
        ) from error
    except OSError as error:
        raise DataSourceError(f"{path} cannot be read: {error.strerror}.", "a readable YAML file.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
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
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else "Remove it."
            raise SettingsError(f"{where} has a key {key!r}.", f"one of {', '.join(known)}.", hint)
