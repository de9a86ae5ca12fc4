"""A page for a run that is in the store: its inputs are gathered, the page is written, and stored with the run.

Nothing heavy is loaded before the first name is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rollforward.workflow.reporting.find import find_reported, newest_result
    from rollforward.workflow.reporting.gathering import gather
    from rollforward.workflow.reporting.ids import recorder_of
    from rollforward.workflow.reporting.material import Material
    from rollforward.workflow.reporting.page import report_of, store_report
    from rollforward.workflow.reporting.record import ReportRecord

__all__ = [
    "Material",
    "ReportRecord",
    "find_reported",
    "gather",
    "newest_result",
    "recorder_of",
    "report_of",
    "store_report",
]

_HOMES = {
    "Material": "material",
    "ReportRecord": "record",
    "find_reported": "find",
    "gather": "gathering",
    "newest_result": "find",
    "recorder_of": "ids",
    "report_of": "page",
    "store_report": "page",
}


def __getattr__(name: str) -> Any:
    """Load the module behind a public name when the name is first used."""
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
