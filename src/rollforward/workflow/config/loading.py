"""Read a workflow file whole: what to train, where the runs go, and how it is rolled."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rollforward.workflow.config.files import Merged, Written, read_files
from rollforward.workflow.config.inspecting import Inspector
from rollforward.workflow.config.overriding import override
from rollforward.workflow.config.problems import Place, Places, Problem, refuse
from rollforward.workflow.config.search_path import folders, on_search_path
from rollforward.workflow.config.sections import rolling_of, said_twice, settings_of, wrong_settings
from rollforward.workflow.config.validating import violations

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

logger = logging.getLogger(__name__)


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
        Keyword arguments of `rollforward.init`, those of Qlib's section ``qlib_init`` among them.
    rolling
        Keyword arguments of `RollingJob`; ``None`` runs the task once.
    qlib
        The other keys of ``qlib_init``, such as ``provider_uri``: for Qlib's own package.
    needs_qlib
        Whether the task names something of Qlib's own package; False if nobody looked.
    search_path
        Folders of the section ``sys``; see `on_search_path`.
    content
        The whole, rendered, laid over its bases and overridden; with the credentials it holds.
    places
        The line of each of its keys.
    files
        The file and its bases, as they are written.
    assignments
        The overrides.
    secrets
        Variables of the environment that are named like a credential and that the files mention, and their values.
    """

    task: dict[str, Any]
    experiment_name: str | None = None
    init: dict[str, Any] = field(default_factory=dict)
    rolling: dict[str, Any] | None = None
    qlib: dict[str, Any] = field(default_factory=dict)
    needs_qlib: bool = False
    search_path: tuple[str, ...] = ()
    content: dict[str, Any] = field(default_factory=dict, repr=False)
    places: Places = field(default_factory=dict, repr=False)
    files: tuple[Written, ...] = field(default=(), repr=False)
    assignments: tuple[str, ...] = ()
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


def load_workflow(
    path: str | Path,
    assignments: Sequence[str] = (),
    *,
    environment: Mapping[str, str] | None = None,
    inspect: bool = True,
) -> Workflow:
    """Read a workflow file.

    Parameters
    ----------
    path
        The file.
    assignments
        Overrides, ``task.model.kwargs.alpha=0.1`` each; see `override`.
    environment
        Variables for the templates; ``None``: those of this process.
    inspect
        Import what the task names, and check its arguments and segments too.

    Raises
    ------
    DataSourceError
        If there is no such file.
    WorkflowFileError
        If it has mistakes; all that could be found are in it.
    """
    merged = read_files(path, os.environ if environment is None else environment)
    content, places, unset = override(merged.content, merged.places, assignments)
    top = Place(str(path))
    problems = [*merged.problems, *unset]
    if isinstance(content, dict):
        # First: what it says of an unknown setting tells more than that it is unknown.
        problems += [*wrong_settings(content, places, top), *said_twice(content, places, top)]
    problems += violations(content, places, merged.referenced, top)
    if not isinstance(content, dict):
        refuse(problems)
    search_path: tuple[str, ...] = ()
    if not _are_in(problems, "sys"):
        search_path = folders(content, places, {written.name: written.path for written in merged.files})
        _warn_of_folders(search_path, places.get(("sys",), top))
    inspector = Inspector(content, places, top)
    if inspect and content.get("task") is not None:
        with on_search_path(search_path):
            inspector.inspect()
        problems += inspector.problems
    refuse(_in_order(problems, merged))
    _warn_of_secrets(content["task"], merged.secrets)
    init, qlib = settings_of(content)
    return Workflow(
        content["task"],
        content.get("experiment_name"),
        init,
        rolling_of(content),
        qlib,
        inspector.needs_qlib,
        search_path,
        content,
        places,
        merged.files,
        tuple(assignments),
        merged.secrets,
    )


def _are_in(problems: Iterable[Problem], *sections: str) -> bool:
    return any(problem.path and problem.path[0] in sections for problem in problems)


def _in_order(problems: Iterable[Problem], merged: Merged) -> list[Problem]:
    """Sort by file, the last laid over first, and by line; each key's first complaint only."""
    names = [written.name for written in merged.files]
    first: dict[tuple[Any, ...], Problem] = {}
    for problem in problems:
        first.setdefault((problem.place, problem.path), problem)
    return sorted(
        first.values(),
        key=lambda one: (names.index(one.place.file) if one.place.file in names else -1, one.place.line),
    )


def _warn_of_folders(search_path: Iterable[str], place: Place) -> None:
    for folder in search_path:
        if not Path(folder).is_dir():
            logger.warning("%s: sys: there is no folder %s.", place, folder)


def _warn_of_secrets(task: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
    """Say that what is in the task is stored with it."""
    text = repr(task)
    for name, value in secrets.items():
        if value in text:
            logger.warning("%s is in the task, and the task is stored with its run: read it in your own class.", name)
