"""Whether what the models of a strategy predict for a session may be published."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median_high
from typing import TYPE_CHECKING, Any

import pandas as pd

from rollforward.data.calendar_in_use import resolve
from rollforward.workflow.online.guard import usual_number

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rollforward.workflow.online.guard import Guard
    from rollforward.workflow.online.ledger.parts import ModelRef
    from rollforward.workflow.online.predictions import Predictions
    from rollforward.workflow.online.standing import Standing


# So many sessions say what is usual; of fewer, each bad one would count for much.
_ENOUGH = 5


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


@dataclass(frozen=True)
class Known:
    """What is known of a strategy's models before a session.

    Attributes
    ----------
    published
        How many instruments the last published sessions had.
    held
        Sessions that are held: they say nothing of what is usual.
    since
        The session from which on these models serve; ``None`` if they are new.
    """

    published: tuple[int, ...] = ()
    held: tuple[pd.Timestamp, ...] = ()
    since: pd.Timestamp | None = None

    @classmethod
    def of(cls, before: Standing, name: str, models: Sequence[ModelRef]) -> Known:
        """Read it from the state before a session."""
        state = before.states.get(name)
        if state is None:
            return cls(before.usual.get(name, ()))
        switch = None if before.done is None else state.standing(before.done)
        since = switch.effective if switch is not None and switch.models == tuple(models) else None
        return cls(before.usual.get(name, ()), tuple(map(pd.Timestamp, state.held)), since)

    def usual_of(self, numbers: Mapping[pd.Timestamp, int], session: pd.Timestamp, history: int) -> int | None:
        """Count the instruments that a session usually has, so that bad sessions do not become usual.

        What a model has published says it, once that is enough; before, what its strategy has published has a say too.

        Parameters
        ----------
        numbers
            By date: how many scores of a model there are.
        session
            Only what is before it counts.
        history
            How many sessions.
        """
        good = {day: number for day, number in numbers.items() if day < session and day not in self.held}
        if self.since is not None:
            ours = [number for day, number in good.items() if day >= self.since]
            if len(ours) >= _ENOUGH:
                return usual_number(ours, history)
        own = usual_number(good.values(), history) or 0
        last = self.published[-history:] or (0,)
        return max(own, max(last) if len(last) < _ENOUGH else median_high(last)) or None


def judge(
    guard: Guard,
    predictions: Predictions,
    models: Iterable[ModelRef],
    session: pd.Timestamp,
    known: Known,
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
    known
        What sessions before say.
    calendar
        Anything that `Calendar.of` takes.
    """
    reasons: list[str] = []
    good, partial, numbers = True, False, []
    sessions = resolve(calendar)
    first = sessions[max(0, sessions.position(session) - guard.history)]
    for model in models:
        frame, error = predictions.frame(model), predictions.error(model)
        if frame is None:
            good = False
            reasons.append(f"{model.model}: {error or 'there is no prediction'}")
            continue
        recent = {day: n for day, n in predictions.numbers(model).items() if first <= day <= session}
        usual = known.usual_of(recent, session, guard.history)
        verdict = guard.check(frame, usual, [session])
        good, partial = good and verdict.good, partial or verdict.partial
        reasons += [f"{model.model}: {reason}" for reason in verdict.reasons]
        numbers.append(usual_number(recent.values(), 1) or 0)
    return Judgement(good, good and partial, tuple(reasons), min(numbers, default=0))
