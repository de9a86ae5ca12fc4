"""Which workflow files a folder of models has, and which of them are wanted."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rollforward.errors import DataSourceError, SettingsError
from rollforward.settings.nearest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

logger = logging.getLogger(__name__)

_PREFIX = "workflow_config_"
_SUFFIXES = (".yaml", ".yml")
_REQUIREMENTS = "requirements.txt"


@dataclass(frozen=True)
class Entry:
    """One workflow file of one model.

    Attributes
    ----------
    model
        Name of the model's folder.
    label
        What it is called in tables: the model, and more of the file's name if the model has several.
    config
        The workflow file.
    requirements
        The model's ``requirements.txt``; ``None`` if it has none, or an empty one.
    """

    model: str
    label: str
    config: Path
    requirements: Path | None = None

    @property
    def words(self) -> tuple[str, ...]:
        """The parts of the file's name in lower case: model, dataset, universe."""
        return tuple(self.config.stem.removeprefix(_PREFIX).lower().split("_"))


@dataclass(frozen=True)
class Selection:
    """What is wanted of a folder; empty is everything.

    Attributes
    ----------
    models, exclude
        Names of models, in any case.
    dataset, universe
        How the file is called: ``workflow_config_<model>_<dataset>[_<universe>].yaml``. A dataset without a universe
        leaves out the files that name a universe after it.
    """

    models: Sequence[str] = ()
    exclude: Sequence[str] = ()
    dataset: str = ""
    universe: str = ""


def find_entries(folder: Path) -> list[Entry]:
    """List the workflow files of a folder, by name of the model.

    Parameters
    ----------
    folder
        Has a folder for each model, with ``workflow_config_*.yaml``, or with one YAML file of any name.

    Raises
    ------
    DataSourceError
        If there is no such folder, or no model in it.
    """
    if not folder.is_dir():
        raise DataSourceError(f"There is no folder {folder}.", "a folder of models.", "Correct the path.")
    found = [entry for place in sorted(folder.iterdir(), key=_by_name) for entry in _entries_of(place)]
    if not found:
        raise DataSourceError(
            f"{folder} has no model.",
            f"{folder.name or '.'}/<Model>/{_PREFIX}<model>_<dataset>.yaml, or one YAML file in each model's folder.",
            "Correct the path.",
        )
    return found


def select(entries: Sequence[Entry], wanted: Selection) -> list[Entry]:
    """Choose among workflow files.

    Raises
    ------
    SettingsError
        If a model, a dataset or a universe does not exist, or if nothing is left.
    """
    models = {entry.model for entry in entries}
    for option, names in (("--models", wanted.models), ("--exclude", wanted.exclude)):
        _refuse_unknown(option, names, models)
    chosen, left_out = ({name.lower() for name in names} for names in (wanted.models, wanted.exclude))
    kept = [
        entry
        for entry in entries
        if (not chosen or entry.model.lower() in chosen) and entry.model.lower() not in left_out
    ]
    for option, name in (("--dataset", wanted.dataset), ("--universe", wanted.universe)):
        if name and not any(_has(entry, name) for entry in entries):
            known = sorted({word for entry in entries for word in entry.words[1:]})
            raise SettingsError(
                f"{option} is {name!r}.",
                f"a part of the name of a workflow file: {', '.join(known) or 'there is none'}.",
                did_you_mean(name, known, otherwise="See what there is with --list."),
            )
    ending = [*_parts(wanted.dataset), *_parts(wanted.universe)]
    result = [entry for entry in kept if not ending or _ends(entry, ending)]
    if not result:
        raise SettingsError(
            "Nothing is left to run.", "a selection that some workflow file matches.", "See what there is with --list."
        )
    return result


def split_names(given: Iterable[str]) -> tuple[str, ...]:
    """Read names that are given with commas or one by one."""
    return tuple(name.strip() for text in given for name in text.split(",") if name.strip())


def _entries_of(place: Path) -> list[Entry]:
    if not place.is_dir() or place.name.startswith((".", "_")):
        return []
    files = sorted((path for path in place.iterdir() if path.suffix in _SUFFIXES and path.is_file()), key=_by_name)
    named = [path for path in files if path.name.startswith(_PREFIX)]
    if not named and len(files) != 1:
        if files:
            logger.warning(
                "%s is left out: it has %d YAML files, and none is called %s*.yaml.", place, len(files), _PREFIX
            )
        return []
    found = named or files
    requirements = place / _REQUIREMENTS
    needs = requirements if requirements.is_file() and _says_something(requirements) else None
    return [Entry(place.name, _label(place.name, path, len(found)), path, needs) for path in found]


def _label(model: str, path: Path, n_files: int) -> str:
    if n_files == 1:
        return model
    rest = path.stem.removeprefix(_PREFIX)
    short = rest[len(model) :].strip("_") if rest.lower().startswith(model.lower()) else rest
    return f"{model} {short}".strip()


def _says_something(path: Path) -> bool:
    # What is wrong with it, is said when its model is run.
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return any(line.strip() and not line.strip().startswith("#") for line in lines)


def _refuse_unknown(option: str, names: Sequence[str], models: set[str]) -> None:
    for name in names:
        if name.lower() not in {model.lower() for model in models}:
            raise SettingsError(
                f"{option} names {name!r}.",
                f"one of {', '.join(sorted(models, key=str.lower))}.",
                did_you_mean(name, models, otherwise="See what there is with --list."),
            )


def _has(entry: Entry, name: str) -> bool:
    words, wanted = entry.words, _parts(name)
    return any(list(words[place : place + len(wanted)]) == wanted for place in range(1, len(words)))


def _ends(entry: Entry, ending: list[str]) -> bool:
    return list(entry.words[-len(ending) :]) == ending and len(entry.words) > len(ending)


def _parts(name: str) -> list[str]:
    return name.lower().split("_") if name else []


def _by_name(path: Path) -> tuple[str, str]:
    return path.name.lower(), path.name
