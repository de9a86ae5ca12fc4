"""What the store knows of a batch: one parent run, and the runs of the models below it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from rollforward.workflow import R
from rollforward.workflow.batch.jobs import FINISHED, KEPT, WAITING
from rollforward.workflow.reporting.gathering import BATCH, IN_BATCH, KIND
from rollforward.workflow.task.predecessors import end_runs
from rollforward.workflow.task.references import RecorderRef
from rollforward.workflow.trainer.base import PARENT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rollforward.workflow.batch.jobs import Job
    from rollforward.workflow.exp import Experiment
    from rollforward.workflow.recorder import Recorder

logger = logging.getLogger(__name__)

NAME = "batch_name"
# Of the models' runs. The batch is named at once, the parent (for MLflow's tree) when a run has ended: inside another
# run, records leave out what is only drawn for a run by itself.
MODEL, TIME, CONFIG, ATTEMPT = "batch_model", "batch_time", "batch_config", "batch_attempt"
SECONDS = "batch_seconds"


def find_experiment(name: str) -> Experiment | None:
    """Return an experiment if it exists."""
    return R.list_experiments().get(name)


def find_parent(experiment: Experiment | None, name: str) -> Recorder | None:
    """Return the newest parent run of a batch; ``None`` if it was never run."""
    if experiment is None:
        return None
    found: list[Recorder] = experiment.list_recorders(rtype="list", filter_string=f"tags.{KIND} = '{BATCH}'")
    # A name may hold anything, and a filter may not.
    return next((each for each in found if each.list_tags().get(NAME) == name), None)


def take_finished(experiment: Experiment | None, parent: Recorder | None, jobs: Sequence[Job]) -> None:
    """Mark the jobs that have a finished run of the same configuration in a batch."""
    if experiment is None or parent is None:
        return
    known: dict[tuple[str | None, str | None], Recorder] = {}
    for recorder in _runs_of(experiment, parent):
        tags = recorder.list_tags()
        if recorder.status == FINISHED.upper():
            # The newest is first.
            known.setdefault((tags.get(CONFIG), tags.get(TIME)), recorder)
    for job in jobs:
        found = known.get((job.hash, str(job.time)))
        if job.state == WAITING and found is not None:
            take(job, found, KEPT)
            job.seconds = _seconds(found)


def end_left(experiment: Experiment, parent: Recorder, reason: str) -> None:
    """Put the runs of a batch in order that a crash has left: none goes on, and all are below the parent."""
    for recorder in _runs_of(experiment, parent):
        adopt(recorder, parent)
        if recorder.status == recorder.STATUS_R:
            end_runs([RecorderRef.of(recorder)], reason)


def find_attempt(experiment: Experiment, attempt: str) -> Recorder | None:
    """Return the run of one process; ``None`` if it did not get so far."""
    found = experiment.list_recorders(rtype="list", max_results=1, filter_string=f"tags.{ATTEMPT} = '{attempt}'")
    return found[0] if found else None


def adopt(recorder: Recorder, parent: Recorder) -> None:
    """Put a run below the parent run."""
    if recorder.list_tags().get(PARENT) != parent.id:
        recorder.set_tags(**{PARENT: parent.require_id()})


def take(job: Job, recorder: Recorder, state: str = FINISHED) -> None:
    """Note what a finished run has found."""
    job.state, job.recorder_id, job.metrics = state, recorder.id, dict(recorder.list_metrics())


def tags_of(job: Job, parent: Recorder, attempt: str) -> dict[str, str]:
    """Return the tags by which the run of a job is found."""
    return {
        IN_BATCH: parent.require_id(),
        MODEL: job.entry.label,
        TIME: str(job.time),
        CONFIG: job.hash,
        ATTEMPT: attempt,
    }


def _runs_of(experiment: Experiment, parent: Recorder) -> list[Recorder]:
    found: list[Recorder] = experiment.list_recorders(
        rtype="list", filter_string=f"tags.{IN_BATCH} = '{parent.require_id()}'"
    )
    return found


def _seconds(recorder: Recorder) -> float | None:
    text = recorder.list_tags().get(SECONDS)
    return None if text is None else float(text)
