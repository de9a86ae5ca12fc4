"""What the runs of the folds give when they are brought together: one prediction, and one table of the folds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollforward.errors import DataError, MissingArtifactError
from rollforward.model.ens.ensemble import RollingEnsemble
from rollforward.workflow.reporting.addresses import is_server, run_url
from rollforward.workflow.reporting.children import ARTIFACTS
from rollforward.workflow.task.collect import RecorderCollector
from rollforward.workflow.task.utils import fold_key
from rollforward.workflow.trainer.describe import MODEL_FROM

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from typing import Any

    import pandas as pd

    from rollforward.workflow.recorder import Recorder

REUSED, TRAINED, PREDICTED = "reused", "trained", "predicted"


def merge_folds(recorders: Sequence[Recorder]) -> dict[str, pd.DataFrame]:
    """Merge predictions and labels of the folds, each date from one fold.

    Returns
    -------
    dict
        ``pred`` and ``label``, frames indexed ``(datetime, instrument)``.

    Raises
    ------
    MissingArtifactError
        If a fold has stored no prediction, or no label.
    DataError
        If no fold predicts a row.
    """
    collector = RecorderCollector(
        lambda: recorders, process_list=RollingEnsemble(), rec_key_func=fold_key, artifacts_path=dict(ARTIFACTS)
    )
    merged: dict[str, pd.DataFrame] = collector()
    if collector.missing:
        lost = collector.missing[0]
        raise MissingArtifactError(
            f"{len(collector.missing)} artifacts of the folds are missing; the first is {lost.artifact!r} of the run "
            f"{lost.recorder_id}: {lost.reason}",
            f"{' and '.join(ARTIFACTS.values())} in the run of each fold.",
            "List SignalRecord in the task's record, and train again what lost its artifacts (reuse=False).",
        )
    if merged["pred"].empty:
        raise DataError(
            f"The predictions of {len(recorders)} folds are without rows.",
            "at least one fold whose test segment has begun.",
            "Let the test segment begin within the data.",
        )
    return merged


def dated_predictions(recorders: Sequence[Recorder]) -> pd.DataFrame:
    """Merge the predictions of the folds, each row with the last session its model was trained on (``cutoff``)."""
    collector = RecorderCollector(
        lambda: recorders,
        process_list=RollingEnsemble(),
        rec_key_func=fold_key,
        artifacts_path={"pred": ARTIFACTS["pred"]},
        with_origin=True,
    )
    dated: pd.DataFrame = collector()["pred"]
    return dated


def fold_status(
    tasks: Sequence[Mapping[str, Any]], recorders: Sequence[Recorder], reused: Collection[str]
) -> list[str]:
    """Say of each fold whether it was reused, trained, or predicted with the model of another fold."""
    status = []
    for task, recorder in zip(tasks, recorders, strict=True):
        if recorder.id in reused:
            status.append(REUSED)
        elif task.get("refit") is False and MODEL_FROM in recorder.list_tags():
            status.append(PREDICTED)
        else:
            status.append(TRAINED)
    return status


def fold_table(layout: pd.DataFrame, recorders: Sequence[Recorder], status: Sequence[str], uri: str) -> pd.DataFrame:
    """Add to the layout of the folds what became of them.

    Parameters
    ----------
    layout
        One row per fold.
    recorders, status
        Of the folds.
    uri
        The store; if it is a server, each fold gets the address of its page.
    """
    folds = layout.copy()
    folds["recorder_id"] = [recorder.id for recorder in recorders]
    folds["experiment_id"] = [recorder.experiment_id for recorder in recorders]
    folds["status"] = list(status)
    folds["seconds"] = [_seconds(recorder) for recorder in recorders]
    if is_server(uri):
        folds["url"] = [run_url(recorder, uri) for recorder in recorders]
    return folds


def _seconds(recorder: Recorder) -> float | None:
    if recorder.started_at is None or recorder.ended_at is None:
        return None
    return (recorder.ended_at - recorder.started_at).total_seconds()
