"""Which run of an experiment a report is about."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rollforward.errors import RecorderNotFoundError
from rollforward.workflow import R
from rollforward.workflow.reporting.children import children_of
from rollforward.workflow.reporting.gathering import IN_BATCH, KIND, LABEL, PRED, ROLLING, is_job

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rollforward.workflow.exp import Experiment
    from rollforward.workflow.recorder import Recorder

logger = logging.getLogger(__name__)

_PARENT = "mlflow.parentRunId"
_LOOKED_AT, _SHORT_ID = 50, 8
_RESULT = frozenset({PRED, LABEL})


@dataclass(frozen=True)
class Found:
    """A run that a report is about.

    Attributes
    ----------
    recorder
        The run.
    passed_over
        Newer ones that have nothing to show.
    """

    recorder: Recorder
    passed_over: tuple[Recorder, ...] = ()

    @property
    def notes(self) -> list[str]:
        """What a reader has to know: which runs were passed over, and which one is shown."""
        chosen = f"this is {self.recorder.name} ({self.recorder.id}) instead"
        return [f"{_about(passed)} has no prediction with a label; {chosen}." for passed in self.passed_over]


def find_reported(experiment_name: str) -> Recorder:
    """Find the run of an experiment that a report is about: the newest rolling job, else the newest with a prediction.

    A newer run that has nothing to show, such as a job that failed in its first fold, is passed over with a warning.

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
    found = newest_result(experiment_name)
    for note in found.notes:
        logger.warning("%s", note)
    return found.recorder


def newest_result(experiment_name: str) -> Found:
    """Find what `find_reported` finds, and tell what was passed over; parameters and errors are the same."""
    experiment = R.get_exp(experiment_name=experiment_name, create=False)
    passed: list[Recorder] = []
    for recorder in candidates(experiment, limit=_LOOKED_AT):
        if has_result(recorder):
            return Found(recorder, tuple(passed))
        passed.append(recorder)
    if passed:
        # Reading it says what it lacks.
        return Found(passed[0])
    raise RecorderNotFoundError(
        f"None of the newest {_LOOKED_AT} runs of experiment {experiment_name!r} is a rolling job or has a {PRED}.",
        "a run with a prediction.",
        "Name a run by its id (--recorder ID).",
    )


def has_result(recorder: Recorder) -> bool:
    """Tell whether a run, or for a rolling job one of its folds, has a prediction and a label; nothing is loaded."""
    if set(recorder.list_artifacts()) >= _RESULT:
        return True
    if not is_job(recorder):
        return False
    return any(set(fold.list_artifacts()) >= _RESULT for fold in children_of(recorder) if fold.status == fold.STATUS_FI)


def _about(recorder: Recorder) -> str:
    kind = "job" if is_job(recorder) else "run"
    return f"The newer {kind} {recorder.name} ({str(recorder.id)[:_SHORT_ID]}, {recorder.status})"


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
    """Tell whether a run is a part of another one, such as a fold of a job; a model of a batch stands for itself."""
    tags = recorder.list_tags()
    return _PARENT in tags and IN_BATCH not in tags
