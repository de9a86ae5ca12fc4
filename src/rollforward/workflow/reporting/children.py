"""The runs below a rolling job that has not finished, and what they have predicted so far."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollforward.errors import MissingArtifactError
from rollforward.model.ens.ensemble import RollingEnsemble
from rollforward.workflow import R
from rollforward.workflow.task.collect import RecorderCollector
from rollforward.workflow.task.utils import fold_key, is_fold

if TYPE_CHECKING:
    import pandas as pd

    from rollforward.workflow.recorder import Recorder

ARTIFACTS = {"pred": "pred.pkl", "label": "label.pkl"}


def children_of(job: Recorder) -> list[Recorder]:
    """List the folds below a job in the order that they were started."""
    experiment = R.get_exp(experiment_id=job.experiment_id, create=False)
    found: list[Recorder] = experiment.list_recorders(
        rtype="list", filter_string=f"tags.`mlflow.parentRunId` = '{job.id}'"
    )
    return [recorder for recorder in reversed(found) if is_fold(recorder)]


def merge_finished(job: Recorder, children: list[Recorder]) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, str]]:
    """Merge predictions and labels of the folds that have finished.

    Returns
    -------
    pred, label
        Frames indexed ``(datetime, instrument)``.
    lost
        Why a finished fold could not be read, by the id of its run.

    Raises
    ------
    MissingArtifactError
        If no fold has both.
    """
    finished = [recorder for recorder in children if recorder.status == recorder.STATUS_FI]
    collector = RecorderCollector(
        lambda: finished, process_list=RollingEnsemble(), rec_key_func=fold_key, artifacts_path=dict(ARTIFACTS)
    )
    merged = collector()
    if set(ARTIFACTS) - set(merged):
        raise MissingArtifactError(
            f"The job {job.name!r} ({job.id}) has no prediction, and neither has any of its {len(children)} folds.",
            "a fold that has finished, with pred.pkl and label.pkl.",
            "Run the job again; what is trained is used.",
        )
    return merged["pred"], merged["label"], {str(one.recorder_id): one.reason for one in collector.missing}
