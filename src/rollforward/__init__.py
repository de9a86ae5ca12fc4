"""Experiment tracking, rolling retraining and signals of time-series models.

Every name below is loaded when it is first used: importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from rollforward._version import __version__

if TYPE_CHECKING:
    from rollforward import errors
    from rollforward.data.calendar import Calendar
    from rollforward.data.dataset import DatasetH, TSDatasetH
    from rollforward.data.handler import DataHandlerLP
    from rollforward.data.price_handler import PriceHandler
    from rollforward.model.base import Model
    from rollforward.model.ens.ensemble import AverageEnsemble, RollingEnsemble
    from rollforward.model.ens.group import RollingGroup
    from rollforward.model.sklearn import SklearnModel
    from rollforward.report import signal_report
    from rollforward.settings import Settings, init
    from rollforward.workflow import R
    from rollforward.workflow.rolling import RollingJob
    from rollforward.workflow.task.collect import RecorderCollector
    from rollforward.workflow.task.gen import RollingGen, task_generator
    from rollforward.workflow.trainer import TrainerR

__all__ = [
    "AverageEnsemble",
    "Calendar",
    "DataHandlerLP",
    "DatasetH",
    "Model",
    "PriceHandler",
    "R",
    "RecorderCollector",
    "RollingEnsemble",
    "RollingGen",
    "RollingGroup",
    "RollingJob",
    "Settings",
    "SklearnModel",
    "TSDatasetH",
    "TrainerR",
    "__version__",
    "errors",
    "init",
    "signal_report",
    "task_generator",
]

_HOMES = {
    "AverageEnsemble": "model.ens.ensemble",
    "Calendar": "data.calendar",
    "DataHandlerLP": "data.handler",
    "DatasetH": "data.dataset",
    "Model": "model.base",
    "PriceHandler": "data.price_handler",
    "R": "workflow",
    "RecorderCollector": "workflow.task.collect",
    "RollingEnsemble": "model.ens.ensemble",
    "RollingGen": "workflow.task.gen",
    "RollingGroup": "model.ens.group",
    "RollingJob": "workflow.rolling",
    "Settings": "settings",
    "SklearnModel": "model.sklearn",
    "TSDatasetH": "data.dataset",
    "TrainerR": "workflow.trainer",
    "init": "settings",
    "signal_report": "report",
    "task_generator": "workflow.task.gen",
}


def __getattr__(name: str) -> Any:
    """Load the module behind a public name when the name is first used."""
    if name == "errors":
        return import_module("rollforward.errors")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names for completion, whether they are loaded or not."""
    return sorted({*globals(), *__all__})
