"""Find what was trained before: the same task on the same data with the same code, or the same model."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from rollforward._version import __version__
from rollforward.errors import ExperimentNotFoundError, LoadObjectError
from rollforward.workflow.facade import R
from rollforward.workflow.trainer.describe import (
    CODE_HASH,
    DATA_HASH,
    MODEL_FROM,
    MODEL_HASH,
    TASK_HASH,
    TRAINED_WITH,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import pandas as pd

    from rollforward.workflow.recorder import Recorder
    from rollforward.workflow.trainer.check import CheckedTask

logger = logging.getLogger(__name__)

MODEL_FILE = "params.pkl"

_SERIES = ".".join(__version__.split(".")[:2])
_KEY_COLUMNS = [f"tags.{tag}" for tag in (TASK_HASH, DATA_HASH, CODE_HASH)]
_ORIGIN = f"tags.{MODEL_FROM}"
_Key: TypeAlias = tuple[str, str, str]
# Above so many pairs of data and code in one batch, reading all finished runs at once is quicker.
_MANY_PAIRS = 8
_IDS_PER_PAGE = 200


class FoundRun(NamedTuple):
    """Where a task was trained."""

    id: str
    experiment_id: str


class SharedModel(NamedTuple):
    """A model that another run has fitted.

    Attributes
    ----------
    model
        The model.
    recorder_id
        The run that fitted it.
    """

    model: Any
    recorder_id: str


def find_trained(tasks: Sequence[CheckedTask], experiment_name: str | None) -> dict[int, Recorder]:
    """Look all tasks up at once, in all experiments of the store.

    Parameters
    ----------
    tasks
        The batch.
    experiment_name
        Whose runs are preferred; ``None`` is the default experiment.

    Returns
    -------
    dict
        The newest finished run by the position of its task, one of the experiment itself if it has any; a task without
        one is not in it. The same version of rollforward means the same major and minor number.
    """
    ids = find_trained_ids(tasks, experiment_name)
    recorders = read_recorders(ids.values())
    return {position: recorders[run.id] for position, run in ids.items() if run.id in recorders}


def find_trained_ids(tasks: Sequence[CheckedTask], experiment_name: str | None) -> dict[int, FoundRun]:
    """Look all tasks up as `find_trained` does, without reading the runs themselves."""
    wanted = {key for key in map(_key, tasks) if key is not None}
    if not wanted:
        return {}
    experiments = R.list_experiments()
    own = experiments.get(experiment_name or R.exp_manager.default_exp_name)
    own_id = None if own is None else own.id
    newest: dict[_Key, FoundRun] = {}
    for key, run in _runs(wanted):
        if key in wanted and (key not in newest or newest[key].experiment_id != own_id == run.experiment_id):
            newest[key] = run
    keys = enumerate(map(_key, tasks))
    found = {position: newest[key] for position, key in keys if key is not None and key in newest}
    warn_of_functions(tasks[position] for position in found)
    _say_foreign(found, own_id, {experiment.id: name for name, experiment in experiments.items()})
    return found


def is_trained(recorder: Recorder, task: CheckedTask | None = None) -> bool:
    """Tell whether a run was trained to its end.

    Parameters
    ----------
    recorder
        The run, as it was read.
    task
        If given, the run also has to be of this task, on the same data, with the same code and version.
    """
    if recorder.status != recorder.STATUS_FI:
        return False
    return task is None or is_of(recorder.list_tags(), task, finished=True)


def is_of(tags: Mapping[str, str], task: CheckedTask, *, finished: bool = False) -> bool:
    """Tell from a run's tags whether it is of a task, on the same data, with the same code (and, finished, version)."""
    key = _key(task)
    if key is None or tuple(tags.get(tag) for tag in (TASK_HASH, DATA_HASH, CODE_HASH)) != key:
        return False
    return not finished or tags.get(TRAINED_WITH, "").startswith(f"{_SERIES}.")


def find_model(task: CheckedTask) -> SharedModel | None:
    """Find the model of a task in a run that has fitted it, or taken it from one that had.

    Parameters
    ----------
    task
        The task; inside an active run, runs of that run's experiment are preferred.

    Returns
    -------
    SharedModel or None
        That of the newest finished run whose model can be read.
    """
    if task.model_hash is None:
        return None
    runs = finished_runs(f"tags.{MODEL_HASH} = '{task.model_hash}'")
    active = R.exp_manager.active_experiment
    own = runs["experiment_id"] == (active.id if active is not None else "")
    # A sort that keeps the newest first among equals.
    ordered = runs.assign(foreign=~own, taken=runs[_ORIGIN].notna())
    ordered = ordered.sort_values(["foreign", "taken"], kind="stable")
    for run_id, origin in ordered[["run_id", _ORIGIN]].itertuples(index=False, name=None):
        try:
            model = R.get_recorder(recorder_id=run_id).load_object(MODEL_FILE)
        except LoadObjectError as error:
            logger.warning("The model of run %s cannot be taken: %s", run_id, error)
            continue
        return SharedModel(model, origin if isinstance(origin, str) else run_id)
    return None


def finished_runs(condition: str, experiment_ids: Sequence[str] | None = None) -> pd.DataFrame:
    """List runs that were trained to their end by this version (major and minor) of rollforward.

    Parameters
    ----------
    condition
        A filter in MLflow's grammar.
    experiment_ids
        Where to look; ``None`` is everywhere.

    Returns
    -------
    pd.DataFrame
        Newest first, as `R.search_records` gives them; the columns of the hashes and of the model's origin are there in
        any case.
    """
    trained = f"attributes.status = 'FINISHED' AND tags.{TRAINED_WITH} LIKE '{_SERIES}.%'"
    filter_string = f"{trained} AND {condition}" if condition else trained
    runs = R.search_records(experiment_ids, filter_string=filter_string)
    columns = [*runs.columns, *(column for column in (*_KEY_COLUMNS, _ORIGIN) if column not in runs)]
    return runs.reindex(columns=columns)


def _key(task: CheckedTask) -> _Key | None:
    if task.task_hash is None or task.code_hash is None:
        return None
    return task.task_hash, task.data_hash, task.code_hash


def _runs(wanted: set[_Key]) -> Iterator[tuple[_Key, FoundRun]]:
    """List the finished runs on the same data with the same code, newest first."""
    conditions = sorted({f"tags.{DATA_HASH} = '{data}' AND tags.{CODE_HASH} = '{code}'" for _, data, code in wanted})
    columns = ["run_id", "experiment_id", *_KEY_COLUMNS]
    for condition in conditions if len(conditions) <= _MANY_PAIRS else [""]:
        for run_id, experiment_id, *key in finished_runs(condition)[columns].itertuples(index=False, name=None):
            yield (key[0], key[1], key[2]), FoundRun(run_id, experiment_id)


def warn_of_functions(tasks: Iterable[CheckedTask]) -> None:
    """Say of tasks that are not trained again that their data could not be compared, if so."""
    places = [task.unknown_source for task in tasks]
    unknown = [place for place in places if place is not None]
    if unknown:
        logger.warning(
            "%d trained tasks are reused whose data come from a function (%s): whether it still returns the same is not"
            " known. If not, train with reuse=False, or give CallableLoader a version that changes with the data.",
            len(unknown),
            unknown[0],
        )


def _say_foreign(found: Mapping[int, FoundRun], own_id: str | None, names: Mapping[str, str]) -> None:
    foreign = [run.experiment_id for run in found.values() if run.experiment_id != own_id]
    if foreign:
        shown = ", ".join(sorted({names.get(experiment_id, experiment_id) for experiment_id in foreign}))
        logger.info("%d tasks were trained in other experiments and are shared: %s", len(foreign), shown)


def read_recorders(runs: Iterable[FoundRun]) -> dict[str, Recorder]:
    """Read recorders, page by page of their experiments instead of one by one; one that is gone is left out."""
    by_experiment: dict[str, list[str]] = {}
    for run_id, experiment_id in dict.fromkeys(runs):
        by_experiment.setdefault(experiment_id, []).append(run_id)
    recorders: dict[str, Recorder] = {}
    for experiment_id, ids in by_experiment.items():
        try:
            experiment = R.get_exp(experiment_id=experiment_id, create=False)
        except ExperimentNotFoundError as error:
            logger.info("%d recorders are gone: %s", len(ids), error.given)
            continue
        for first in range(0, len(ids), _IDS_PER_PAGE):
            quoted = ", ".join(f"'{run_id}'" for run_id in ids[first : first + _IDS_PER_PAGE])
            recorders |= experiment.list_recorders(filter_string=f"attributes.run_id IN ({quoted})")
    return recorders
