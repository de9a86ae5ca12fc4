"""Telling the folds of one rolling job from those of another in the same experiment."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from rollforward import workflow
from rollforward.errors import MissingArtifactError, RecorderNotFoundError
from rollforward.workflow.task.recorders import tags_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pandas as pd

    from rollforward.workflow.recorder import Recorder

_PARENT, _FOLDS = "mlflow.parentRunId", "folds.csv"
_MODEL = "model."  # what the parameters of a model begin with
_SHOWN = 3  # jobs and parameters that are named


def folds_among(
    recorders: Sequence[Recorder], parent_id: str, experiment_id: str | None, *, is_whole: bool
) -> list[Recorder]:
    """Take the folds of a rolling job.

    Parameters
    ----------
    recorders
        What was listed.
    parent_id
        The job's own run. Its table of folds says which they are, also those it has reused from another job; while it
        has none, the runs below it are meant.
    experiment_id
        What was listed is in this experiment: folds elsewhere are fetched. ``None`` fetches none.
    is_whole
        All recorders of this experiment were listed, so that a fold that is not among them is gone.

    Raises
    ------
    RecorderNotFoundError
        If there is no such job, or one of its folds is gone.
    """
    table = _fold_table(parent_id)
    if table is None:
        return [recorder for recorder in recorders if tags_of(recorder).get(_PARENT) == parent_id]
    homes = dict(zip(table["recorder_id"].astype(str), table["experiment_id"].astype(str), strict=True))
    here = [recorder for recorder in recorders if recorder.info["id"] in homes]
    if experiment_id is None:
        return here
    known = {recorder.info["id"] for recorder in here}
    gone = [run for run, home in homes.items() if home == experiment_id and run not in known]
    if gone and is_whole:
        raise RecorderNotFoundError(
            f"{len(gone)} of {len(homes)} folds of the job {parent_id} are gone, such as {', '.join(gone[:_SHOWN])}.",
            f"the folds that its {_FOLDS} names.",
            "Restore them from the trash (experiment.restore_recorder(id)), or run the job again.",
        )
    away = [run for run, home in homes.items() if home != experiment_id]
    return here + [workflow.R.get_recorder(recorder_id=run) for run in away]


def mixtures(candidates: Mapping[Any, Sequence[Recorder]], listed: Sequence[Recorder]) -> Iterator[str]:
    """Describe what would be put together although it is of several jobs.

    Parameters
    ----------
    candidates
        Recorders by key, the first of which is taken. Keys that differ in their last part alone are put together.
    listed
        May hold the jobs themselves, which have names.

    Yields
    ------
    str
        A sentence for each part of the keys whose recorders have different parents or different model parameters.
    """
    groups: dict[Any, list[Sequence[Recorder]]] = {}
    for key, recorders in candidates.items():
        if isinstance(key, tuple) and len(key) > 1:
            groups.setdefault(key[:-1], []).append(recorders)
    for key, found in groups.items():
        parents = Counter(tags_of(recorders[0]).get(_PARENT, "") for recorders in found)
        differing = _differing([recorder for recorders in found for recorder in recorders])
        if len(parents) > 1 or differing:
            names = {recorder.info["id"]: str(getattr(recorder, "name", "")) for recorder in listed}
            parts = [*_of_parents(parents, names), *differing][: 2 * _SHOWN]
            yield f"The folds of {key!r} are of several jobs, and go into one result: {'; '.join(parts)}."


def _fold_table(parent_id: str) -> pd.DataFrame | None:
    try:
        table: pd.DataFrame = workflow.R.get_recorder(recorder_id=parent_id).load_object(_FOLDS)
    except MissingArtifactError:
        return None
    # A page of a job that had not finished, of an earlier version, may have left a table without it.
    return table if "experiment_id" in table else None


def _of_parents(parents: Counter[str], names: Mapping[str, str]) -> list[str]:
    if len(parents) < 2:  # noqa: PLR2004  # one job
        return []
    common = parents.most_common(_SHOWN)
    return [f"{count} of {_named(parent, names) if parent else 'no job'}" for parent, count in common]


def _named(parent: str, names: Mapping[str, str]) -> str:
    return f"{names[parent]!r} ({parent})" if parent in names else parent


def _differing(recorders: Sequence[Recorder]) -> list[str]:
    """Name the model's parameters in which recorders differ, with their values."""
    known = [getattr(recorder, "params", None) or {} for recorder in recorders]
    keys = sorted({key for params in known for key in params if key.startswith(_MODEL)})
    values = {key: list(dict.fromkeys(str(params.get(key)) for params in known)) for key in keys}
    found = [f"{key} is {' or '.join(texts[:_SHOWN])}" for key, texts in values.items() if len(texts) > 1]
    return found[:_SHOWN]
