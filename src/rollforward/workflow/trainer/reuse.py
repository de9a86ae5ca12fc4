"""Find runs that have trained the same task on the same data with the same version before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollforward._version import __version__
from rollforward.errors import ExperimentNotFoundError
from rollforward.workflow.facade import R
from rollforward.workflow.trainer.describe import DATA_HASH, TASK_HASH, TRAINED_WITH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rollforward.workflow.recorder import Recorder
    from rollforward.workflow.trainer.check import CheckedTask

_SERIES = ".".join(__version__.split(".")[:2])


def find_trained(tasks: Sequence[CheckedTask], experiment_name: str | None) -> dict[int, Recorder]:
    """Look all tasks up at once.

    Parameters
    ----------
    tasks
        The batch.
    experiment_name
        Where to look; ``None`` is the default experiment.

    Returns
    -------
    dict
        The newest finished run by the position of its task; a task without one is not in it. The same version means
        the same major and minor number.
    """
    wanted = {(task.task_hash, task.data_hash) for task in tasks if task.task_hash is not None}
    if not wanted:
        return {}
    try:
        experiment = R.get_exp(experiment_name=experiment_name or R.exp_manager.default_exp_name, create=False)
    except ExperimentNotFoundError:
        return {}
    condition = f"attributes.status = 'FINISHED' AND tags.{TRAINED_WITH} LIKE '{_SERIES}.%'"
    runs = R.search_records([experiment.id], filter_string=condition)
    columns = [f"tags.{TASK_HASH}", f"tags.{DATA_HASH}"]
    if runs.empty or not set(columns) <= set(runs.columns):
        return {}
    newest: dict[tuple[str, str], str] = {}
    for run_id, task_hash, data_hash in runs[["run_id", *columns]].itertuples(index=False, name=None):
        if (task_hash, data_hash) in wanted:
            newest.setdefault((task_hash, data_hash), run_id)
    if not newest:
        return {}
    recorders = experiment.list_recorders(filter_string=condition)
    found = {key: recorders[run_id] for key, run_id in newest.items() if run_id in recorders}
    keys = [(task.task_hash, task.data_hash) for task in tasks]
    return {position: found[key] for position, key in enumerate(keys) if key in found}
