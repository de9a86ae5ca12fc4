"""Train one task: start a run, describe the task in it, fit, and let the records work."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any

from rollforward._version import __version__
from rollforward.instantiate import auto_filter_kwargs, fill_placeholder, init_instance_by_config
from rollforward.workflow.facade import R
from rollforward.workflow.trainer.check import RECORDS_MODULE, CheckedTask, check_task
from rollforward.workflow.trainer.describe import MODEL_FROM, TRAINED_WITH, run_name, run_params, run_tags
from rollforward.workflow.trainer.reuse import MODEL_FILE, find_model

if TYPE_CHECKING:
    from rollforward.workflow.recorder import Recorder

logger = logging.getLogger(__name__)

TASK, DATASET = "task", "dataset"


def task_train(
    task_config: Mapping[str, Any], experiment_name: str | None = None, recorder_name: str | None = None
) -> Recorder:
    """Train a task in a run of its own.

    The run gets the flattened task as parameters, its segments and hashes as tags, and the artifacts ``task``,
    ``params.pkl`` (the model), ``dataset`` (without data) and those of the records. Inside another run it is a child.

    Parameters
    ----------
    task_config
        ``model`` and ``dataset`` (configurations or objects), and optionally ``record`` (one or several),
        ``reweighter`` and ``refit``. With ``refit`` False no model is fitted: it is taken from the newest finished run
        whose task differs in its test segment only, and the tag ``model_from`` names the run that fitted it; if there
        is none, one is fitted. In a record, ``"<MODEL>"`` and ``"<DATASET>"`` stand for the model and the dataset;
        ``"<dataset.kwargs.segments.train.0>"`` anywhere refers to that place in the task. Never changed.
    experiment_name
        ``None`` is the default experiment.
    recorder_name
        ``None`` names the run after its model and its test segment.

    Returns
    -------
    Recorder
        The finished run.

    Raises
    ------
    TaskError, InstantiationError, SegmentError, DataSourceError
        If the task cannot be started; no run is left then.
    Exception
        What the model, the dataset or a record raises; the run is FAILED and keeps the traceback.
    """
    task = check_task(task_config)
    with R.start(experiment_name=experiment_name, recorder_name=run_name(task, recorder_name)):
        recorder = R.get_recorder()
        _log_task(task)
        _execute(task, recorder)
    return recorder


def begin_task_train(
    task_config: Mapping[str, Any], experiment_name: str | None = None, recorder_name: str | None = None
) -> Recorder:
    """Prepare a run for a task that `end_task_train` will train, perhaps elsewhere.

    Parameters
    ----------
    task_config, experiment_name, recorder_name
        As for `task_train`.

    Returns
    -------
    Recorder
        The run; it is SCHEDULED, because nothing is trained yet.

    Raises
    ------
    TaskError, InstantiationError, SegmentError, DataSourceError
        If the task cannot be started; no run is left then.
    """
    task = check_task(task_config)
    with R.start(experiment_name=experiment_name, recorder_name=run_name(task, recorder_name)):
        recorder = R.get_recorder()
        _log_task(task)
        R.end_exp(recorder_status=recorder.STATUS_S)
    return recorder


def end_task_train(rec: Recorder, experiment_name: str | None = None) -> Recorder:
    """Train the task that `begin_task_train` prepared, in the same run.

    Parameters
    ----------
    rec
        The prepared run.
    experiment_name
        Its experiment.

    Returns
    -------
    Recorder
        The finished run, read anew.

    Raises
    ------
    Exception
        As for `task_train`; the run is FAILED and keeps the traceback.
    """
    with R.start(experiment_name=experiment_name, recorder_id=rec.id, resume=True):
        recorder = R.get_recorder()
        _execute(check_task(recorder.load_object(TASK)), recorder)
    return recorder


def _log_task(task: CheckedTask) -> None:
    R.log_params(**run_params(task.given))
    R.set_tags(**run_tags(task))
    R.save_objects(None, None, **{TASK: dict(task.given)})


def _execute(task: CheckedTask, recorder: Recorder) -> None:
    shared = None if task.refit else _take_model(task)
    model = _build(task.resolved["model"], "model") if shared is None else shared
    dataset = _build(task.resolved["dataset"], "dataset")
    if shared is None:
        _fit(model, dataset, task.resolved.get("reweighter"))
    R.save_objects(**{MODEL_FILE: model})
    if hasattr(dataset, "config"):
        dataset.config(dump_all=False, recursive=True)
    R.save_objects(**{DATASET: dataset})
    live = {"<MODEL>": model, "<DATASET>": dataset}
    records = fill_placeholder({"record": task.records}, live)["record"]
    for position, config in enumerate(records):
        record = init_instance_by_config(
            config,
            default_module=RECORDS_MODULE,
            try_kwargs={"model": model, "dataset": dataset},
            where=f"record.{position}",
            recorder=recorder,
        )
        record.generate()
    # Set last: a run without it was not trained to its end, whatever its status says.
    R.set_tags(**{TRAINED_WITH: __version__})


def _take_model(task: CheckedTask) -> Any:
    """Take the model that another run has fitted; ``None`` if there is none."""
    shared = find_model(task)
    if shared is None:
        reason = task.reason or "no finished run was trained on the same"
        logger.warning("The task says refit=False, and there is no model to take (%s): one is fitted.", reason)
        return None
    R.set_tags(**{MODEL_FROM: shared.recorder_id})
    logger.info("No refit: the model is that of run %s.", shared.recorder_id)
    return shared.model


def _fit(model: Any, dataset: Any, reweighter: Any) -> None:
    if reweighter is None:
        model.fit(dataset)
    else:
        auto_filter_kwargs(model.fit)(dataset, reweighter=_build(reweighter, "reweighter"))


def _build(config: Any, where: str) -> Any:
    """Build what a configuration describes; anything else is the object itself."""
    return init_instance_by_config(config, where=where) if isinstance(config, str | PathLike | Mapping) else config
