"""What is installed, and how far the calendar goes."""

from __future__ import annotations

import os
import platform
import shutil
from importlib import metadata
from typing import TYPE_CHECKING

import pandas as pd
from packaging.requirements import InvalidRequirement, Requirement

from rollforward._version import __version__
from rollforward.data.calendar_in_use import resolve
from rollforward.settings.state import current
from rollforward.workflow.mlflow_backend.artifacts.places import local_folder
from rollforward.workflow.mlflow_backend.doctor.finding import Finding, note, ok, problem
from rollforward.workflow.mlflow_backend.store.client import artifact_root, database_file
from rollforward.workflow.spool_dir import spool_dir

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_SHOWN = ("mlflow", "numpy", "pandas", "pyarrow", "scikit-learn", "sqlalchemy")
_LITTLE, _SCARCE = 100_000_000, 1_000_000_000
_PARTS = ("mlflow-skinny", "mlflow-tracing")
# The last session should be this far ahead of today, or plans of walk-forward jobs end too early.
_AHEAD = pd.Timedelta(days=20)


def packages() -> Iterator[Finding]:
    """Compare what is installed with what rollforward needs."""
    versions = {name: _version(name) for name in _SHOWN}
    shown = ", ".join(f"{name} {version or 'missing'}" for name, version in versions.items())
    yield ok("packages", f"rollforward {__version__}, Python {platform.python_version()}, {shown}")
    for requirement in _requirements():
        installed = _version(requirement.name)
        if installed is None:
            yield problem("packages", f"{requirement.name} is not installed.", f"pip install '{requirement}'")
        elif not requirement.specifier.contains(installed, prereleases=True):
            says = f"{requirement.name} is {installed}, which rollforward does not support."
            yield problem("packages", says, f"pip install '{requirement.name}{requirement.specifier}'")
    for requirement in _requirements(optional=True):
        installed = _version(requirement.name)
        if installed is not None and not requirement.specifier.contains(installed, prereleases=True):
            says = f"{requirement.name} is {installed}, which rollforward does not support; it is optional."
            yield note("packages", says, f"pip install '{requirement.name}{requirement.specifier}'")
    for part in _PARTS:
        version = _version(part)
        if version is not None and version != versions["mlflow"]:
            says = f"mlflow is {versions['mlflow']} and its part {part} is {version}."
            yield problem("packages", says, f"pip install --force-reinstall mlflow=={versions['mlflow']}")


def folders(uri: str) -> Iterator[Finding]:
    """Look whether what is written on this machine can be: artifacts, and what waits for the store; and how much.

    Parameters
    ----------
    uri
        The store.
    """
    places = {"journals of what is not uploaded yet": spool_dir()}
    database, root = database_file(uri), current().artifact_root
    if root is not None and (chosen := local_folder(root)) is not None:
        places["artifacts"] = chosen.absolute()
    elif database is not None:
        places["artifacts"] = artifact_root(database).absolute()
    is_well = True
    for use, folder in places.items():
        there = _nearest(folder)
        if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
            is_well = False
            remedy = f"chmod u+rwx '{there}', or choose another folder in the settings: artifact_root, spool_dir."
            yield problem("folders", f"{folder} cannot be written, for {use}.", remedy)
        elif (free := shutil.disk_usage(there).free) < _SCARCE:
            is_well = False
            level = problem if free < _LITTLE else note
            yield level("folders", f"{folder} has {free / 1e6:.0f} MB left, for {use}.", "Make room on the disk.")
    if is_well:
        yield ok("folders", f"Can be written: {', '.join(map(str, places.values()))}")


def _nearest(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that is there."""
    return next((place for place in (folder, *folder.parents) if place.exists()), folder)


def calendar_horizon() -> Iterator[Finding]:
    """Look how far the calendar of the settings reaches, if there is one."""
    if current().calendar is None:
        return
    calendar = resolve()
    today, last = pd.Timestamp.today().normalize(), calendar.last
    if last < today:
        remedy = "Bring its file up to date, or name an exchange: init(calendar='XNYS')."
        yield problem("calendar", f"The calendar ends on {last:%Y-%m-%d}, before today.", remedy)
    elif last < today + _AHEAD:
        remedy = "Windows that reach beyond are cut; name an exchange: init(calendar='XNYS')."
        yield note("calendar", f"The calendar ends on {last:%Y-%m-%d}, soon.", remedy)
    else:
        yield ok("calendar", f"{len(calendar)} sessions, {calendar.first:%Y-%m-%d} to {last:%Y-%m-%d}")


def _requirements(*, optional: bool = False) -> Iterator[Requirement]:
    """Give what rollforward needs, or what its extras would bring."""
    try:
        lines = metadata.requires("rollforward") or []
        extras = (metadata.metadata("rollforward").get_all("Provides-Extra") or []) if optional else [""]
    except metadata.PackageNotFoundError:
        # Run from a checkout: whoever does that has seen to it.
        return
    for line in lines:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue
        is_plain = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if is_plain != optional and (not optional or _is_in(requirement, extras)):
            yield requirement


def _is_in(requirement: Requirement, extras: Sequence[str]) -> bool:
    return requirement.marker is not None and any(requirement.marker.evaluate({"extra": name}) for name in extras)


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
