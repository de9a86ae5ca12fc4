"""Experiments, recorders, tasks and training.

Nothing heavy is loaded before it is used: `R` is there at once, MLflow and pandas when `R` first needs them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rollforward.workflow.exp import Experiment
    from rollforward.workflow.expm import ExpManager
    from rollforward.workflow.facade import QlibRecorder, R
    from rollforward.workflow.mlflow_backend import MLflowExperiment, MLflowExpManager, MLflowRecorder
    from rollforward.workflow.recorder import Recorder

__all__ = [
    "ExpManager",
    "Experiment",
    "MLflowExpManager",
    "MLflowExperiment",
    "MLflowRecorder",
    "QlibRecorder",
    "R",
    "Recorder",
]

_HOMES = {"R": "facade", "QlibRecorder": "facade", "ExpManager": "expm", "Experiment": "exp", "Recorder": "recorder"}


def __getattr__(name: str) -> Any:
    """Load the module behind a public name when the name is first used."""
    if name in __all__:
        return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'mlflow_backend')}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
