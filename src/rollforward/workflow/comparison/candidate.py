"""One result that is compared: its prediction, its label, and the daily figures made of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from rollforward.evaluation.alpha import calc_ic
from rollforward.report.equity import booked_long_short
from rollforward.report.inputs import both_sides
from rollforward.workflow.reporting.gathering import gather

if TYPE_CHECKING:
    from rollforward.workflow.recorder import Recorder

_UNKNOWN_SPAN = (
    "how many sessions a label spans is not known; one is assumed, and returns, drawdown and ratios are too high if it "
    "is more. Set the run's tag label_horizon."
)
NET, GROSS, IC, RANK_IC = "net", "gross", "IC", "Rank IC"


@dataclass(frozen=True, eq=False)
class Candidate:
    """A result.

    Attributes
    ----------
    name, experiment, recorder_id, experiment_id
        Which one.
    daily
        Indexed by date; columns ``net`` and ``gross`` (long-short position, booked per date), ``IC``, ``Rank IC``.
        Dates where one of them is unknown are left out.
    span
        Sessions that one label spans.
    n_instruments
        With a score.
    n_folds
        Folds that it was merged from; 0 if it was not.
    notes
        What its report says first.
    """

    name: str
    experiment: str
    recorder_id: str
    experiment_id: str
    daily: pd.DataFrame
    span: int
    n_instruments: int
    n_folds: int
    notes: tuple[str, ...]


def read_candidate(recorder: Recorder, *, cost: float) -> Candidate:
    """Read a result and make its daily figures.

    Parameters
    ----------
    recorder
        A run with a prediction and a label, or a rolling job.
    cost
        Of one unit bought or sold.

    Raises
    ------
    MissingArtifactError
        If it has no prediction or no label.
    DataError
        If they cannot be judged.
    """
    material = gather(recorder)
    score, label = both_sides(material.pred, material.label)
    label = label.replace([np.inf, -np.inf], np.nan)
    span = max(material.horizon or 1, 1)
    ic, ric = calc_ic(score, label)
    booked = booked_long_short(score, label, span=span, cost=cost)
    daily = pd.DataFrame({NET: booked["net"], GROSS: booked["gross"], IC: ic, RANK_IC: ric})
    return Candidate(
        name=material.title,
        experiment=material.subtitle,
        recorder_id=recorder.require_id(),
        experiment_id=str(recorder.experiment_id),
        daily=daily.dropna(),
        span=span,
        n_instruments=int(score.dropna().index.get_level_values("instrument").nunique()),
        n_folds=0 if material.folds is None or len(material.folds) == 1 else len(material.folds),
        notes=(*material.notes, *([] if material.horizon else [_UNKNOWN_SPAN])),
    )
