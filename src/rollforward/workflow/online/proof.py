"""The leak proof: the past is predicted again with the data that there were, and nothing changes.

A backtest is worth as much as the certainty that no prediction knew more than its day did. Here that is not argued but
run: sampled predictions are made twice, with all data and with the data cut after their date, and compared bit for bit;
and what the training knew is counted out in sessions.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from rollforward.data.calendar_in_use import resolve
from rollforward.data.spans import whole_number
from rollforward.errors import ProofError
from rollforward.workflow.online.proving.rerun import Rerun
from rollforward.workflow.online.proving.result import (
    DIFFERS,
    PROOF_FILE,
    TABLE_FILE,
    Comparison,
    Proof,
    Training,
)
from rollforward.workflow.online.proving.training import Knowledge
from rollforward.workflow.recorder import Recorder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rollforward.data.calendar import Calendar
    from rollforward.data.times import TimeLike

__all__ = ["PROOF_FILE", "TABLE_FILE", "Comparison", "Proof", "Training", "prove"]

# A cut shows nothing where no data follow: so many sessions have to, and otherwise the sample is taken from these.
_LATER, _EARLIER = 20, 60

logger = logging.getLogger(__name__)


def prove(
    subject: Any,
    dates: Iterable[TimeLike] | None = None,
    sample: int = 5,
    seed: int = 0,
    *,
    effective: Mapping[str, Any] | None = None,
    calendar: Any = None,
    retrain: bool = False,
) -> Proof:
    """Predict sampled sessions again on data cut after each of them, and check what the training knew.

    Parameters
    ----------
    subject
        A run, several of them (in a list, or as values of a dictionary), or a strategy: then its online models.
    dates
        The sessions to compare; each run is compared at those that it has predicted. ``None`` takes a sample.
    sample
        How many sessions of each run: the first and the last that it has predicted, others by chance. Where hardly any
        data come after them, as many from before the run serves are taken too: there has to be something to take away.
    seed
        Of chance: the same seed takes the same sessions.
    effective
        Run id to the first session that it serves; a run that is not named serves from the start of its test segment.
    calendar
        Anything that `Calendar.of` takes; ``None`` is that of the settings.
    retrain
        Whether each run is also trained anew, from its stored task, on the data before the first session that it
        serves; the new model has to give the same scores, last digits aside. Training has to be deterministic.

    Returns
    -------
    Proof
        Nothing is stored: `Proof.attach` does that, and `Proof.require` raises if something is wrong.

    Raises
    ------
    ProofError
        If a run cannot be predicted with again, or a date is predicted by none of them.
    LoadObjectError
        If a run holds no dataset or no model.
    """
    whole_number(sample, "sample", 1)
    sessions = resolve(calendar)
    asked = None if dates is None else [sessions[sessions.index_of(date, "previous")] for date in dates]
    comparisons: list[Comparison] = []
    training: list[Training] = []
    limits: list[str] = []
    for recorder in _runs_of(subject):
        rerun = Rerun(recorder, sessions)
        known = Knowledge(recorder, rerun.dataset, sessions, (effective or {}).get(recorder.require_id()))
        there = rerun.sessions[rerun.sessions >= known.serves_from]
        chosen = (
            _telling(there, sessions, known.trained_from, sample, seed)
            if asked is None
            else [one for one in asked if one in there]
        )
        if not chosen:
            limits.append(f"run {recorder.id}: none of its predictions was compared")
        logger.info("Run %s: predicting %d of %d sessions again.", recorder.id, len(chosen), len(there))
        comparisons += rerun.compare(chosen)
        found = known.training()
        if retrain and chosen:
            found = _retrained(found, rerun, known, chosen)
        training.append(found)
        limits += known.limits()
    if asked is not None:
        _refuse_unpredicted(asked, comparisons)
    drawn = (sample, seed) if asked is None else (None, None)
    return Proof(tuple(comparisons), tuple(training), tuple(limits), *drawn)


def _retrained(found: Training, rerun: Rerun, known: Knowledge, dates: Sequence[pd.Timestamp]) -> Training:
    if known.task is None:
        raise ProofError(f"Run {found.recorder_id} holds no task.", "the artifact task.", "Prove it without retrain.")
    verdict = rerun.retrained(known.task, known.serves_from, dates)
    problem = "trained on the data before it served, its model gives other scores" if verdict == DIFFERS else ""
    return replace(found, retrained=verdict, problem=found.problem or problem)


def _runs_of(subject: Any) -> list[Recorder]:
    if isinstance(subject, Recorder):
        return [subject]
    tool = getattr(subject, "tool", subject)
    if callable(getattr(tool, "online_models", None)):
        subject = tool.online_models()
    if isinstance(subject, Mapping):
        subject = subject.values()
    runs = list(subject) if isinstance(subject, Iterable) and not isinstance(subject, str) else [subject]
    if not runs or not all(isinstance(run, Recorder) for run in runs):
        raise ProofError(
            f"{subject!r} is nothing to prove." if runs else "There is no run to prove.",
            "a run, several runs, or a strategy with online models.",
        )
    return list({run.require_id(): run for run in runs}.values())


def _telling(predicted: pd.DatetimeIndex, calendar: Calendar, since: int, sample: int, seed: int) -> list[pd.Timestamp]:
    chosen = _chosen(predicted, sample, seed)
    stop = max(0, calendar.n_current - _LATER)
    if any(calendar.index_of(date, "previous") < stop for date in chosen):
        return chosen
    first = max(stop - _EARLIER, since)  # before it was trained, there may be no features yet
    earlier = calendar.sessions()[first : max(stop, first + sample)]
    return sorted({*chosen, *_chosen(earlier, sample, seed)})


def _chosen(sessions: pd.DatetimeIndex, sample: int, seed: int) -> list[pd.Timestamp]:
    every = list(sessions)
    if len(every) <= sample:
        return every
    ends = [every[-1]] if sample == 1 else [every[0], every[-1]]
    inner = random.Random(seed).sample(every[1:-1], sample - len(ends))  # noqa: S311  # not a secret
    return sorted([*ends, *inner])


def _refuse_unpredicted(asked: Sequence[pd.Timestamp], comparisons: Sequence[Comparison]) -> None:
    done = {pd.Timestamp(one.date) for one in comparisons}
    missing = [date for date in asked if date not in done]
    if missing:
        raise ProofError(
            f"No run has predicted {missing[0]!s}.", "sessions of the stored predictions, from the day each run serves."
        )
