"""The model registry's alias ``champion``: it follows the models that serve, and nothing depends on it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rollforward.errors import OnlineError
from rollforward.workflow.online.ledger.parts import SERVING
from rollforward.workflow.online.update.loader import DATASET, MODEL

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from rollforward.workflow.online.ledger.parts import ModelRef, StrategyState
    from rollforward.workflow.recorder import Recorder

logger = logging.getLogger(__name__)

ALIAS = "champion"
_LOADER = "rollforward.workflow.online.served"
_TAG = "rollforward."


class Champions:
    """Lets registered models follow strategies.

    A registry that fails is logged: who serves is said by the ledger. The next routine tries again.

    Parameters
    ----------
    registry
        ``True``: a registered model for each strategy, of the same name. A mapping of strategies to names of registered
        models: these only. ``False``: none.
    ledger
        Its name.

    Raises
    ------
    OnlineError
        If it is anything else.
    """

    def __init__(self, registry: bool | Mapping[str, str], ledger: str) -> None:
        self._registry = checked(registry)
        self._ledger = ledger

    def name_of(self, strategy: str) -> str | None:
        """Name the registered model of a strategy; ``None`` if it has none."""
        if isinstance(self._registry, Mapping):
            return self._registry.get(strategy)
        return strategy if self._registry else None

    def follow(
        self, state: StrategyState, models: Sequence[ModelRef], recorders: Sequence[Recorder], session: pd.Timestamp
    ) -> None:
        """Let the alias name the model that serves; of several the newest, and of these the first.

        Parameters
        ----------
        state
            Of the strategy.
        models, recorders
            What serves, and its runs.
        session
            When it does.
        """
        name = self.name_of(state.name_id)
        if name is None or not models:
            return
        try:
            self._point(name, state, _newest_first(models, recorders), session)
        except Exception:
            logger.exception("The registered model %r does not say what serves of %r", name, state.name_id)

    def _point(
        self, name: str, state: StrategyState, chosen: list[tuple[ModelRef, Any]], session: pd.Timestamp
    ) -> None:
        from rollforward.workflow.mlflow_backend.registry import Candidate, RegisteredModel  # noqa: PLC0415  # MLflow

        model = RegisteredModel(chosen[0][1].uri, name, _LOADER)
        if state.role != SERVING:
            if model.withdraw(ALIAS):
                logger.info("Strategy %r does not serve: %s@%s is gone.", state.name_id, name, ALIAS)
            return
        switch = state.standing(session)
        tags = {
            "strategy": state.name_id,
            "ledger": self._ledger,
            "effective": "" if switch is None else str(switch.effective.date()),
            "entry": "" if switch is None else switch.entry or "",
        }
        tags = {_TAG + key: text for key, text in tags.items()}
        candidates = [
            Candidate(recorder, _files_of(recorder), {**tags, f"{_TAG}line": ref.model}) for ref, recorder in chosen
        ]
        version = model.point(ALIAS, candidates)
        if version is not None:
            logger.info("%s@%s is version %s: %s.", name, ALIAS, version, chosen[0][0].recorder_id)


def checked(registry: Any) -> bool | Mapping[str, str]:
    """Return what says which strategies have a registered model."""
    if isinstance(registry, bool):
        return registry
    if isinstance(registry, Mapping) and all(isinstance(one, str) and one for one in (*registry, *registry.values())):
        return registry
    raise OnlineError(
        f"registry={registry!r}.",
        "True, False, or names of registered models by strategy.",
        'registry=True, or registry={"ridge": "my-ridge"}.',
    )


def _newest_first(models: Sequence[ModelRef], recorders: Sequence[Recorder]) -> list[tuple[ModelRef, Any]]:
    pairs = list(zip(models, recorders, strict=True))
    return sorted(pairs, key=lambda pair: -(pair[0].test[0].value if pair[0].test[0] is not None else 0))


def _files_of(recorder: Recorder) -> tuple[str, ...]:
    there = recorder.list_artifacts()
    return tuple(name for name in (MODEL, DATASET) if name in there or name == MODEL)
