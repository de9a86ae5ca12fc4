"""Training a task again, outside any run."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import Any

from rollforward.errors import ProofError
from rollforward.instantiate import init_instance_by_config, resolve_placeholders
from rollforward.workflow.task.walk import REFIT

_REWEIGHTER = "reweighter"


def trained(task: Mapping[str, Any]) -> tuple[Any, Any]:
    """Build the model and the dataset of a task, and fit the model.

    Parameters
    ----------
    task
        A stored task; what it configures is built, in the data cut that holds.

    Returns
    -------
    tuple
        Model and dataset.

    Raises
    ------
    ProofError
        If the task holds objects instead of configurations, which were trained already, or takes its model from
        another run.
    """
    if task.get(REFIT) is False:
        raise ProofError(
            "The task took its model from another run.", "a run that trained its model.", "Prove that run."
        )
    resolved = resolve_placeholders(task)
    parts = {name: resolved.get(name) for name in ("model", "dataset", _REWEIGHTER) if resolved.get(name) is not None}
    for name, config in parts.items():
        if not isinstance(config, str | PathLike | Mapping):
            raise ProofError(
                f"The {name} of the task is a {type(config).__name__}, an object that has been used.",
                "a configuration.",
                "Prove it without retrain.",
            )
    built = {name: init_instance_by_config(config, where=name) for name, config in parts.items()}
    extra = {_REWEIGHTER: built[_REWEIGHTER]} if _REWEIGHTER in built else {}
    built["model"].fit(built["dataset"], **extra)
    return built["model"], built["dataset"]
