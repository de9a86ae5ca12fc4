"""From trained folds to switches: from which session on which models serve."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rollforward.instantiate.signatures import takes
from rollforward.workflow.online.ledger.parts import Switch
from rollforward.workflow.online.planning import chooses_itself
from rollforward.workflow.online.strategy import chosen
from rollforward.workflow.online.training import refs_of_recorders

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from rollforward.workflow.online.ledger.parts import ModelRef, StrategyState
    from rollforward.workflow.online.predictions import Predictions
    from rollforward.workflow.online.strategy import OnlineStrategy, RollingStrategy
    from rollforward.workflow.recorder import Recorder

AT_ONCE = "all_at_once"


def switches_of(
    strategy: OnlineStrategy,
    state: StrategyState,
    trained: Mapping[str, tuple[ModelRef, Recorder]],
    session: pd.Timestamp,
    predictions: Predictions,
    model_kwargs: Mapping[str, Any],
    waiting: Switch | None = None,
) -> list[Switch]:
    """Find the switches that follow from what was trained at the close of a session.

    Parameters
    ----------
    strategy, state
        Whose, and what serves now.
    trained
        The new models by their ids.
    session
        The session.
    predictions
        Knows the recorders.
    model_kwargs
        Go to the strategy's `prepare_online_models`.
    waiting
        A switch that did not come on an earlier session.
    """
    refs = [ref for ref, _ in trained.values()]
    standing = state.standing(session)
    if waiting is not None and standing is not None and standing.effective > waiting.effective:
        waiting = None  # what was to come after it has come
    if waiting is not None and not refs:
        later = state.scheduled(session)
        return [replace(waiting, effective=session, entry=None), *(replace(one, entry=None) for one in later)]
    if chooses_itself(strategy):
        refs = [*(waiting.models if waiting else ()), *refs]
        planned = _rolled(strategy, state, refs, session, bool(model_kwargs.get(AT_ONCE)))
    else:
        planned = _asked(strategy, state, trained, session, predictions, model_kwargs, waiting)
    return [
        Switch(strategy.name_id, tuple(models), effective, _reason(models, state.at(session)))
        for effective, models in planned
    ]


def _rolled(
    strategy: RollingStrategy, state: StrategyState, trained: Sequence[ModelRef], session: pd.Timestamp, at_once: bool
) -> list[tuple[pd.Timestamp, list[ModelRef]]]:
    if not trained:
        return []
    scheduled = [model for switch in state.scheduled(session) for model in switch.models]
    return strategy.switches(state.at(session), [*scheduled, *trained], session, all_at_once=at_once)


def _asked(
    strategy: OnlineStrategy,
    state: StrategyState,
    trained: Mapping[str, tuple[ModelRef, Recorder]],
    session: pd.Timestamp,
    predictions: Predictions,
    model_kwargs: Mapping[str, Any],
    waiting: Switch | None,
) -> list[tuple[pd.Timestamp, list[ModelRef]]]:
    """Ask a strategy that decides itself; what it chooses serves once the test segments of all have begun.

    A set that waits is to it what is online: so it decides as it would if nothing had come in between.
    """
    served = state.at(session)
    now = served if waiting is None else waiting.models
    recorders = [recorder for _, recorder in trained.values()]
    # A rule of rolling strategies, which a manager passes to all of them.
    known_here = takes(strategy.prepare_online_models, AT_ONCE)
    kwargs = {key: value for key, value in model_kwargs.items() if key != AT_ONCE or known_here}
    wanted = chosen(strategy, recorders, predictions.recorders(now), session, **kwargs)
    known = {**{ref.recorder_id: ref for ref in now}, **{key: ref for key, (ref, _) in trained.items()}}
    others = [one for one in wanted if one.require_id() not in known]
    known |= {ref.recorder_id: ref for ref in refs_of_recorders(strategy, others)}
    models = [known[one.require_id()] for one in wanted]
    if {model.recorder_id for model in models} == {model.recorder_id for model in served}:
        return []
    starts = [model.test[0] for model in models if model.test[0] is not None]
    return [(max([session, *starts]), models)]


def _reason(models: Sequence[ModelRef], before: Sequence[ModelRef]) -> str:
    known = {model.recorder_id for model in before}
    new = [model for model in models if model.recorder_id not in known]
    if not new:
        return "models go offline"
    return "new fold: " + ", ".join(f"{model.model} {_span(model)}".strip() for model in new)


def _span(model: ModelRef) -> str:
    start, end = (None if bound is None else bound.date().isoformat() for bound in model.test)
    return "" if start is None and end is None else f"{start or ''}..{end or ''}"
