"""What an online manager works with, handed to everything that does a part of the work."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rollforward.errors import OnlineError
from rollforward.model.ens.ensemble import AverageEnsemble
from rollforward.workflow.online.guard import Guard

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rollforward.workflow.online.guard import Hook
    from rollforward.workflow.online.strategy import OnlineStrategy
    from rollforward.workflow.online.training import Training

logger = logging.getLogger(__name__)


@dataclass
class Desk:
    """The parts of a manager.

    Attributes
    ----------
    strategies
        In their order.
    training
        Trains what is due.
    guard
        Judges a day's predictions.
    prepare_func
        Turns the predictions of the strategies into the signal.
    calendar
        Anything that `Calendar.of` takes; ``None``: the calendar of the settings.
    future
        Whether predictions of later sessions are published too, if there are any.
    require_proof
        Whether a model serves only if it was proved to know nothing of the future.
    on_hold
        Told when a session is held; see `rollforward.workflow.online.guard.tell`.
    task_kwargs, model_kwargs
        Go to `prepare_tasks` and to `prepare_online_models` of a strategy.
    registry
        Whose registered models follow; see `rollforward.workflow.online.champion.Champions`.
    """

    strategies: list[OnlineStrategy]
    training: Training
    guard: Guard = field(default_factory=Guard)
    prepare_func: Callable[[Any], Any] = field(default_factory=AverageEnsemble)
    calendar: Any = None
    future: bool = False
    require_proof: bool = False
    on_hold: Hook | None = None
    task_kwargs: Mapping[str, Any] = field(default_factory=dict)
    model_kwargs: Mapping[str, Any] = field(default_factory=dict)
    registry: bool | Mapping[str, str] = False

    def strategy(self, name: str) -> OnlineStrategy:
        """Give a strategy by its name.

        Raises
        ------
        OnlineError
            If there is none of this name.
        """
        for strategy in self.strategies:
            if strategy.name_id == name:
                return strategy
        known = ", ".join(repr(one.name_id) for one in self.strategies)
        raise OnlineError(f"There is no strategy {name!r}.", f"one of {known or 'none'}.")


def definition_or_nothing(strategy: OnlineStrategy) -> dict[str, Any]:
    """Describe a strategy; one that is no data can be used, but not be loaded elsewhere."""
    try:
        return strategy.definition()
    except OnlineError as error:
        logger.debug("Strategy %r can only go on where it is given: %s", strategy.name_id, error.given)
        return {}
