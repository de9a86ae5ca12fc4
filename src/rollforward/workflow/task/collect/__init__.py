"""Bring together what the recorders of many runs hold: listed once, loaded several at a time, nothing lost in silence.

A collector gives a dictionary of values and sends each through functions, such as an ensemble. `RecorderCollector`
takes artifacts of recorders; `MergeCollector` joins collectors.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rollforward.workflow.file_cache import clear_cache
    from rollforward.workflow.task.collect.base import Collector, MergeCollector
    from rollforward.workflow.task.collect.loading import Lazy
    from rollforward.workflow.task.collect.recorder_collector import RecorderCollector
    from rollforward.workflow.task.collect.report import CollectReport, Missing

_HOMES = {
    "CollectReport": f"{__name__}.report",
    "Collector": f"{__name__}.base",
    "Lazy": f"{__name__}.loading",
    "MergeCollector": f"{__name__}.base",
    "Missing": f"{__name__}.report",
    "RecorderCollector": f"{__name__}.recorder_collector",
    "clear_cache": "rollforward.workflow.file_cache",
}

__all__ = ["CollectReport", "Collector", "Lazy", "MergeCollector", "Missing", "RecorderCollector", "clear_cache"]


def __getattr__(name: str) -> Any:
    """Load the module behind a public name when the name is first used."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
