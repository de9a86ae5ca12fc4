"""Results side by side, with the number of attempts that they were chosen from.

Nothing heavy is loaded before the first name is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rollforward.workflow.comparison.compare import compare_recorders
    from rollforward.workflow.comparison.result import Comparison
    from rollforward.workflow.comparison.trials import Trials, count_trials

__all__ = ["Comparison", "Trials", "compare_recorders", "count_trials"]

_HOMES = {"Comparison": "result", "Trials": "trials", "compare_recorders": "compare", "count_trials": "trials"}


def __getattr__(name: str) -> Any:
    """Load the module behind a public name when the name is first used."""
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
