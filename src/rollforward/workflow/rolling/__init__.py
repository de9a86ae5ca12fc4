"""The rolling job: plan the folds of one task, train each, merge what they predict, evaluate, report."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rollforward.workflow.rolling.job import RollingJob
    from rollforward.workflow.rolling.planning import plan
    from rollforward.workflow.rolling.qlib import Rolling
    from rollforward.workflow.rolling.result import RollingResult

__all__ = ["Rolling", "RollingJob", "RollingResult", "plan"]

_HOMES = {"Rolling": "qlib", "RollingJob": "job", "RollingResult": "result", "plan": "planning"}


def __getattr__(name: str) -> Any:
    """Load the module behind a public name when the name is first used."""
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
