"""Pages to look at: what a signal was worth, and which windows it came from.

The report room draws and writes; it knows frames, and neither recorders nor MLflow. Nothing heavy is loaded before
the first report is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rollforward.report.signal import SignalReport, signal_report
    from rollforward.report.windows import windows_png

__all__ = ["SignalReport", "signal_report", "windows_png"]

_HOMES = {"SignalReport": "signal", "signal_report": "signal", "windows_png": "windows"}


def __getattr__(name: str) -> Any:
    """Load the module behind a public name when the name is first used."""
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
