"""Everything that can be wrong with a task and seen before a run exists for it."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rollforward.data.identity import content_hash, data_fingerprint
from rollforward.data.segments import Segments, check_segments, segments_of
from rollforward.errors import TaskError
from rollforward.instantiate import get_callable_kwargs, preflight, resolve_placeholders
from rollforward.settings.nearest import did_you_mean

logger = logging.getLogger(__name__)

RECORDS_MODULE = "rollforward.workflow.record_temp"
_KEYS = ("model", "dataset", "record", "reweighter")
_FILE = "file://"


@dataclass(frozen=True)
class CheckedTask:
    """A task that can be started.

    Attributes
    ----------
    given
        The task as it was given; never changed.
    resolved
        A copy whose references into the task itself are replaced by what they refer to.
    segments
        Inclusive pairs of times by name, ``None`` = open; empty if the task has none.
    task_hash
        Identity of the definition; ``None`` if it holds live objects that have none.
    data_hash
        Identity of the content of the data files that the task names.
    """

    given: Mapping[str, Any]
    resolved: Mapping[str, Any]
    segments: Segments
    task_hash: str | None
    data_hash: str

    @property
    def records(self) -> list[Any]:
        """The configurations of the records, in order."""
        return as_list(self.resolved.get("record"))


def check_task(task: Mapping[str, Any]) -> CheckedTask:
    """Find out whether a task can be started, without starting anything.

    Parameters
    ----------
    task
        ``model`` and ``dataset`` (configurations or objects), and optionally ``record`` (one or several) and
        ``reweighter``.

    Raises
    ------
    TaskError
        If the task is no such dictionary, or its model cannot fit a dataset.
    InstantiationError
        If a reference leads nowhere, a name does not exist or arguments do not fit.
    SegmentError
        If segments are malformed, or one reaches into the test segment.
    DataSourceError
        If a data file that the task names does not exist.
    """
    _check_keys(task)
    resolved = resolve_placeholders(task)
    preflight(resolved["dataset"], "dataset")
    _check_model(resolved["model"])
    if _is_config(resolved.get("reweighter")):
        preflight(resolved["reweighter"], "reweighter")
    for position, record in enumerate(as_list(resolved.get("record"))):
        preflight(
            record,
            f"record.{position}",
            default_module=RECORDS_MODULE,
            supplied=("recorder",),
            offered=("model", "dataset"),
        )
    segments = check_segments(_segments(resolved))
    return CheckedTask(task, resolved, segments, _task_hash(task), data_fingerprint(resolved))


def as_list(records: Any) -> list[Any]:
    """Turn a task's ``record`` (absent, one configuration, or several) into a list."""
    if records is None:
        return []
    return list(records) if isinstance(records, list | tuple) else [records]


def _check_keys(task: Mapping[str, Any]) -> None:
    if not isinstance(task, Mapping):
        raise TaskError(f"The task is a {type(task).__name__}.", "a dictionary.", "Give model, dataset and record.")
    for key in ("model", "dataset"):
        if task.get(key) is None:
            raise TaskError(
                f"The task has no {key!r}; its keys are {sorted(map(str, task))}.",
                "a dictionary with 'model' and 'dataset', and optionally 'record' and 'reweighter'.",
                f"Add {key!r}.",
            )
    for key in task:
        hint = "" if key in _KEYS else did_you_mean(key, _KEYS)
        if hint:
            logger.warning("The task's key %r is not used. %s", key, hint)


def _check_model(config: Any) -> None:
    preflight(config, "model")
    if not _is_config(config):
        _refuse_estimator(type(config))
        return
    if isinstance(config, str) and config.startswith(_FILE):
        return
    model, kwargs = get_callable_kwargs(config, where="model")
    if isinstance(model, type):
        _refuse_estimator(model)
        check_kwargs = getattr(model, "check_kwargs", None)
        if check_kwargs is not None:
            check_kwargs(**kwargs)


def _refuse_estimator(model: type) -> None:
    """Refuse a class that fits ``(X, y)`` instead of a dataset, which is an easy mistake to make."""
    fit = getattr(model, "fit", None)
    if fit is None or not hasattr(model, "predict"):
        raise TaskError(
            f"{model.__name__} has no {'fit' if fit is None else 'predict'}.",
            "a model with fit(dataset) and predict(dataset, segment).",
            "Derive the class from rollforward.model.base.Model.",
        )
    required = [one.name for one in inspect.signature(fit).parameters.values() if _is_required(one)]
    if len(required) > len(("self", "dataset")):
        raise TaskError(
            f"{model.__name__}.fit needs {', '.join(required[1:])}.",
            "a model whose fit takes a dataset.",
            f"Wrap it: rollforward.model.sklearn.SklearnModel(estimator='{model.__module__}.{model.__qualname__}').",
        )


def _is_required(parameter: inspect.Parameter) -> bool:
    named = parameter.kind in {parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY}
    return named and parameter.default is parameter.empty


def _is_config(value: Any) -> bool:
    return isinstance(value, str | Mapping)


def _segments(task: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        return segments_of(task)
    except TaskError:
        logger.debug("The task has no segments")
        return {}


def _task_hash(task: Mapping[str, Any]) -> str | None:
    try:
        return content_hash(task)
    except TaskError as error:
        logger.debug("The task has no hash and cannot be found again: %s", error)
        return None
