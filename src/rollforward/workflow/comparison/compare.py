"""Bring results onto the same dates and judge them together."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

import pandas as pd

from rollforward.errors import DataError, LoadObjectError
from rollforward.evaluation.alpha import ic_summary
from rollforward.report.equity import YEAR, drawdown_of
from rollforward.settings.words import counted
from rollforward.workflow.comparison.candidate import GROSS, IC, NET, RANK_IC, Candidate, read_candidate
from rollforward.workflow.comparison.choose import choose
from rollforward.workflow.comparison.result import Comparison
from rollforward.workflow.comparison.statistics import judge
from rollforward.workflow.comparison.trials import Trials, count_trials
from rollforward.workflow.comparison.words import annual, per_period

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rollforward.errors import RollforwardError
    from rollforward.workflow.comparison.choose import Chosen
    from rollforward.workflow.recorder import Recorder

BASES = {"long_short": NET, "ic": IC}
_LEAST_DATES = 20


def compare_recorders(
    *names: str | Recorder,
    basis: str = "long_short",
    cost: float = 0.001,
    n_trials: int | None = None,
    everything: bool = False,
    deviation: float | None = None,
) -> Comparison:
    """Compare results on the dates that all of them have, and say how much choosing among them may have helped.

    Parameters
    ----------
    names
        Recorders, ids of recorders or the first 6 digits of them or more, ``"experiment/run name"``, or names of
        experiments. Several experiments each stand for their newest rolling job, or their newest run with a prediction;
        one alone for all of them that it has. Runs of an experiment that have no result are left out, with a note.
    basis
        What Sharpe ratios are of: ``"long_short"``, the return of holding the best fifth of the scores and shorting the
        worst, net of costs; or ``"ic"``, the information coefficients, for labels that are no returns. Of labels that
        span several sessions, the track record is as long as those that do not overlap.
    cost
        Of one unit bought or sold, as a fraction.
    n_trials
        Attempts that were made, if more than the tracker knows; at least as many as are compared. ``None`` counts the
        runs of the experiments.
    everything
        Compare all results of each experiment, not only the newest.
    deviation
        Standard deviation of the annual Sharpe ratios of all attempts. ``None``: that of the results, if there are
        three or more, but never less than what attempts without skill differ by over so many periods.

    Returns
    -------
    Comparison
        See there.

    Raises
    ------
    DataError
        If there is nothing to compare, the basis is unknown, there are fewer trials than results, the deviation is
        negative, or fewer than 20 dates are common to all.
    ExperimentNotFoundError, RecorderNotFoundError, MissingArtifactError
        If a name means nothing, or a run has no prediction.
    """
    if basis not in BASES:
        raise DataError(f"basis is {basis!r}.", f"one of {', '.join(BASES)}.")
    if deviation is not None and not (isfinite(deviation) and deviation >= 0):
        raise DataError(f"deviation is {deviation!r}.", "a finite number that is not negative.")
    chosen = choose(names, everything=everything)
    candidates, left_out = _read(chosen, cost)
    _refuse_fewer_trials(n_trials, candidates)
    dates = _common_dates(candidates)
    span = max(candidate.span for candidate in candidates)
    keys = _keys(candidates)
    known = count_trials(list(chosen.experiments))
    trials = known if n_trials is None else Trials(n_trials, known.n_deleted, known.n_unfinished, known.n_parts, True)
    column = BASES[basis]
    series = pd.DataFrame(
        {key: one.daily.loc[dates, column] * _scale(one, column) for key, one in zip(keys, candidates, strict=True)}
    )
    verdict = judge(series, max(trials.n, len(candidates)), span, deviation and per_period(deviation, span))
    table = pd.DataFrame([_row(one, dates) for one in candidates], index=pd.Index(keys, name="result"))
    return Comparison(
        table=table.join(verdict.table).assign(annual_sharpe=annual(verdict.table["sharpe"], span)),
        series=series,
        first=dates[0],
        last=dates[-1],
        trials=trials,
        dsr=verdict.dsr,
        pbo=verdict.pbo,
        best=verdict.best,
        basis=basis,
        cost=cost,
        span=span,
        notes=(*left_out, *_notes(candidates, keys, dates)),
        verdict=verdict,
    )


def _read(chosen: Chosen, cost: float) -> tuple[list[Candidate], list[str]]:
    """Read the results; what cannot be read is left out with a note, unless it was named itself."""
    candidates, notes = [], list(chosen.notes)
    first: RollforwardError | None = None
    for recorder in chosen.recorders:
        try:
            candidates.append(read_candidate(recorder, cost=cost))
        except (LoadObjectError, DataError) as error:
            if recorder.id in chosen.named:
                raise
            first = first or error
            notes.append(f"Left out, though it counts as a trial: {error.given}")
    if first is not None and not candidates:
        raise first
    return candidates, notes


def _refuse_fewer_trials(n_trials: int | None, candidates: Sequence[Candidate]) -> None:
    if n_trials is not None and n_trials < max(len(candidates), 1):
        raise DataError(
            f"n_trials is {n_trials}, and {counted(len(candidates), 'result')} are compared.",
            "all attempts that were made, those that are compared among them.",
            "Leave it out to have them counted.",
        )


def _scale(candidate: Candidate, column: str) -> int:
    """Return what turns a booked share into the result of one label's sessions."""
    return candidate.span if column == NET else 1


def _common_dates(candidates: Sequence[Candidate]) -> pd.DatetimeIndex:
    dates = pd.DatetimeIndex(candidates[0].daily.index)
    for candidate in candidates[1:]:
        dates = dates.intersection(pd.DatetimeIndex(candidate.daily.index))
    if len(dates) < _LEAST_DATES:
        spans = "; ".join(
            f"{one.name}: {len(one.daily)} dates"
            + (f", {_day(one.daily.index[0])} to {_day(one.daily.index[-1])}" if len(one.daily) else "")
            for one in candidates
        )
        raise DataError(
            f"Only {len(dates)} dates have a result of each ({spans}).",
            f"at least {_LEAST_DATES} dates that all of them predict.",
            "Compare results whose test windows overlap.",
        )
    return dates.sort_values()


def _keys(candidates: Sequence[Candidate]) -> list[str]:
    """Name the results: by the run, with its experiment or its id where that is not enough."""
    for spell in (
        lambda one: one.name,
        lambda one: f"{one.experiment}/{one.name}",
        lambda one: f"{one.name} {one.recorder_id[:8]}",
    ):
        keys = [spell(one) for one in candidates]
        if len(set(keys)) == len(keys):
            return keys
    return [one.recorder_id for one in candidates]


def _row(candidate: Candidate, dates: pd.DatetimeIndex) -> dict[str, object]:
    daily = candidate.daily.loc[dates]
    net = daily[NET]
    return {
        "experiment": candidate.experiment,
        "recorder_id": candidate.recorder_id,
        "own_start": candidate.daily.index[0],
        "own_end": candidate.daily.index[-1],
        "own_dates": len(candidate.daily),
        "folds": candidate.n_folds,
        "instruments": candidate.n_instruments,
        **ic_summary(daily[IC], daily[RANK_IC]),
        "annual_gross": float(daily[GROSS].mean()) * YEAR,
        "annual_net": float(net.mean()) * YEAR,
        "drawdown": float(drawdown_of(net).min()),
    }


def _notes(candidates: Sequence[Candidate], keys: Sequence[str], dates: pd.DatetimeIndex) -> list[str]:
    notes = [f"{key}: {note}" for key, one in zip(keys, candidates, strict=True) for note in one.notes]
    longest = max(len(one.daily) for one in candidates)
    if len(dates) < longest:
        notes.append(f"{longest - len(dates):,} dates of the longest result are left out: not all results have them.")
    if len({one.span for one in candidates}) > 1:
        spans = ", ".join(f"{key} {one.span}" for key, one in zip(keys, candidates, strict=True))
        notes.append(f"Labels span different numbers of sessions ({spans}): their ICs do not measure the same thing.")
    if len({one.n_instruments for one in candidates}) > 1:
        sizes = ", ".join(f"{key} {one.n_instruments}" for key, one in zip(keys, candidates, strict=True))
        notes.append(f"They score different numbers of instruments: {sizes}.")
    return notes


def _day(time: object) -> str:
    return str(pd.Timestamp(str(time)).date())
