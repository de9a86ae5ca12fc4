"""Which run of an experiment a report is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollforward.errors import RecorderNotFoundError
from rollforward.workflow import R
from rollforward.workflow.reporting.gathering import KIND, PRED, ROLLING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rollforward.workflow.exp import Experiment
    from rollforward.workflow.recorder import Recorder

_PARENT = "mlflow.parentRunId"
_LOOKED_AT = 50


def find_reported(experiment_name: str) -> Recorder:
    """Find the run of an experiment that a report is about: the newest rolling job, else the newest with a prediction.

    Parameters
    ----------
    experiment_name
        Nothing is created.

    Raises
    ------
    ExperimentNotFoundError
        If there is no such experiment.
    RecorderNotFoundError
        If it has no such run.
    """
    experiment = R.get_exp(experiment_name=experiment_name, create=False)
    for recorder in candidates(experiment, limit=_LOOKED_AT):
        return recorder
    raise RecorderNotFoundError(
        f"None of the newest {_LOOKED_AT} runs of experiment {experiment_name!r} is a rolling job or has a {PRED}.",
        "a run with a prediction.",
        "Name a run by its id (--recorder ID).",
    )


def candidates(experiment: Experiment, limit: int | None = None) -> Iterator[Recorder]:
    """Walk through the runs that have results of their own: jobs first, then other runs with a prediction.

    Parameters
    ----------
    experiment
        Where to look.
    limit
        Newest single runs to look at; ``None`` is all of them.
    """
    jobs: list[Recorder] = experiment.list_recorders(rtype="list", filter_string=f"tags.{KIND} = '{ROLLING}'")
    yield from jobs
    known = {job.id for job in jobs}
    others: list[Recorder] = experiment.list_recorders(rtype="list", max_results=limit)
    for recorder in others:
        if recorder.id not in known and not is_part(recorder) and PRED in recorder.list_artifacts():
            yield recorder


def is_part(recorder: Recorder) -> bool:
    """Tell whether a run is a part of another one, such as a fold of a job."""
    return _PARENT in recorder.list_tags()
