"""Whether what the models of a strategy predict for a session may be published."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rollforward.data.calendar import resolve
from rollforward.workflow.online.guard import usual_number
from rollforward.workflow.online.signals import between

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

    from rollforward.workflow.online.guard import Guard
    from rollforward.workflow.online.ledger.parts import ModelRef
    from rollforward.workflow.online.predictions import Predictions


@dataclass(frozen=True)
class Judgement:
    """What was found about the models of a strategy on a session.

    Attributes
    ----------
    good
        Whether all of them may be published.
    partial
        Whether something is missing all the same.
    reasons
        Why not, or what is missing.
    n_instruments
        The fewest that one of the models knows.
    """

    good: bool
    partial: bool
    reasons: tuple[str, ...]
    n_instruments: int = 0

    @property
    def reason(self) -> str:
        """All reasons as one text."""
        return "; ".join(self.reasons)


def judge(
    guard: Guard,
    predictions: Predictions,
    models: Iterable[ModelRef],
    session: pd.Timestamp,
    usual: int | None,
    calendar: Any = None,
) -> Judgement:
    """Judge the predictions of models for one session.

    Parameters
    ----------
    guard
        Its limits.
    predictions
        Of the models.
    models
        All of them have to be good.
    session
        The session.
    usual
        Instruments of an earlier session; for a model that has predicted none yet.
    calendar
        Anything that `Calendar.of` takes.
    """
    reasons: list[str] = []
    good, partial, numbers = True, False, []
    for model in models:
        frame, error = predictions.frame(model), predictions.error(model)
        if frame is None:
            good = False
            reasons.append(f"{model.model}: {error or 'there is no prediction'}")
            continue
        recent = between(frame, _some_sessions_ago(session, guard.history, calendar), session)
        known = usual_number(recent, session, guard.history) or usual
        verdict = guard.check(recent[recent.index.get_level_values("datetime") == session], known, [session])
        good, partial = good and verdict.good, partial or verdict.partial
        reasons += [f"{model.model}: {reason}" for reason in verdict.reasons]
        numbers.append(usual_number(recent, None, 1) or 0)
    return Judgement(good, good and partial, tuple(reasons), min(numbers, default=0))


def _some_sessions_ago(session: pd.Timestamp, n_sessions: int, calendar: Any) -> pd.Timestamp | None:
    sessions = resolve(calendar)
    position = sessions.position(session) - n_sessions - 1
    return sessions[position] if position >= 0 else None
