"""From a manager and the arguments of one call to what the work is done with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rollforward.errors import OnlineError
from rollforward.model.ens.ensemble import AverageEnsemble
from rollforward.workflow.online.desk import Desk
from rollforward.workflow.online.planning import require_known

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rollforward.workflow.online.manager import OnlineManager
    from rollforward.workflow.online.training import Training


def desk_of(
    manager: OnlineManager,
    training: Training,
    task_kwargs: Mapping[str, Any] | None = None,
    model_kwargs: Mapping[str, Any] | None = None,
    signal_kwargs: Mapping[str, Any] | None = None,
) -> Desk:
    """Put together what one call works with.

    Parameters
    ----------
    manager
        Says what holds for every call.
    training
        Knows what this manager has trained.
    task_kwargs, model_kwargs, signal_kwargs
        As of `OnlineManager.routine`.

    Raises
    ------
    OnlineError
        If there is an argument that nobody takes.
    """
    options = {**(signal_kwargs or {})}
    options.pop("over_write", None)  # what is published stays, whatever Qlib's scripts say
    unknown = options.keys() - {"prepare_func", "future"}
    if unknown:
        raise OnlineError(f"signal_kwargs has {sorted(unknown)}.", "prepare_func and future.")
    require_known(manager.strategies, task_kwargs or {})
    return Desk(
        manager.strategies,
        training,
        manager.guard,
        options.get("prepare_func", manager.prepare_func) or AverageEnsemble(),
        manager.calendar,
        options.get("future", manager.future),
        manager.require_proof,
        manager.on_hold,
        dict(task_kwargs or {}),
        dict(model_kwargs or {}),
        manager.registry,
    )
