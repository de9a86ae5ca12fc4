"""What is installed, and how far the calendar goes."""

from __future__ import annotations

import platform
from importlib import metadata
from typing import TYPE_CHECKING

import pandas as pd
from packaging.requirements import InvalidRequirement, Requirement

from rollforward._version import __version__
from rollforward.data.calendar import resolve
from rollforward.settings.state import current
from rollforward.workflow.mlflow_backend.doctor.finding import Finding, note, ok, problem

if TYPE_CHECKING:
    from collections.abc import Iterator

_SHOWN = ("mlflow", "numpy", "pandas", "pyarrow", "scikit-learn", "sqlalchemy")
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
    for part in _PARTS:
        version = _version(part)
        if version is not None and version != versions["mlflow"]:
            says = f"mlflow is {versions['mlflow']} and its part {part} is {version}."
            yield problem("packages", says, f"pip install --force-reinstall mlflow=={versions['mlflow']}")


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


def _requirements() -> Iterator[Requirement]:
    try:
        lines = metadata.requires("rollforward") or []
    except metadata.PackageNotFoundError:
        # Run from a checkout: whoever does that has seen to it.
        return
    for line in lines:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield requirement


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
