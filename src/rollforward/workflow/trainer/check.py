"""Everything that can be wrong with a task and seen before a run exists for it."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rollforward.data.horizon import LOOKAHEAD, label_lookahead
from rollforward.data.identity import content_hash, data_fingerprint, unknown_source
from rollforward.data.ranges import hulls
from rollforward.data.scheme import SCHEME, check_task_segments
from rollforward.errors import RollforwardError, TaskError
from rollforward.instantiate import get_callable_kwargs, preflight, resolve_placeholders
from rollforward.settings.nearest import did_you_mean
from rollforward.workflow.trainer.identity import code_hash, model_hash

if TYPE_CHECKING:
    from rollforward.data.segments import Segments

logger = logging.getLogger(__name__)

RECORDS_MODULE = "rollforward.workflow.record_temp"
REFIT = "refit"
_KEYS = ("model", "dataset", "record", "reweighter", REFIT, "refit_from", "fold", SCHEME, LOOKAHEAD)
# What tells a fold's place among others, and what its label knows, changes nothing in its training.
_NOT_TRAINED_ON = frozenset({"fold", LOOKAHEAD})
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
        Inclusive pairs of times by name, ``None`` = open; empty if the task has none. Of a segment with holes, the
        first and the last time.
    task_hash
        Identity of the definition; ``None`` if it holds live objects that have none.
    data_hash
        Identity of the content of the data files that the task names.
    code_hash
        Identity of the user's own modules that the task names; ``None`` if they can be read nowhere.
    model_hash
        Identity of the model: that of the task, its data and its code without the test segment; ``None`` if one of
        them has none.
    reason
        Why one of the identities is not known; empty if all are.
    """

    given: Mapping[str, Any]
    resolved: Mapping[str, Any]
    segments: Segments
    task_hash: str | None
    data_hash: str
    code_hash: str | None = None
    model_hash: str | None = None
    reason: str = ""

    @property
    def refit(self) -> bool:
        """Whether the task fits a model of its own; else it takes the one of an earlier fold."""
        return self.given.get(REFIT) is not False

    @property
    def can_be_found(self) -> bool:
        """Whether a run of the same task on the same data with the same code can be told from others."""
        return self.task_hash is not None and self.code_hash is not None

    @property
    def unknown_source(self) -> str | None:
        """Where a function gives the data, of whose state nothing is known; ``None`` if none does."""
        return unknown_source(self.resolved["dataset"], "dataset")

    @property
    def records(self) -> list[Any]:
        """The configurations of the records, in order."""
        return as_list(self.resolved.get("record"))


def check_task(task: Mapping[str, Any]) -> CheckedTask:
    """Find out whether a task can be started, without starting anything.

    Parameters
    ----------
    task
        ``model`` and ``dataset`` (configurations or objects), and optionally ``record`` (one or several),
        ``reweighter``, and ``refit``: ``False`` takes the model of the fold that was trained on the same.

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
        _check_record(record, f"record.{position}.kwargs")
    ranges = check_task_segments(resolved, label_lookahead(resolved))
    data, code = data_fingerprint(resolved), code_hash(resolved)
    itself, why = _task_hash(task)
    model, reason = model_hash(resolved, ranges, data, code)
    return CheckedTask(task, resolved, hulls(ranges), itself, data, code, model, why or reason)


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
                "a dictionary with 'model' and 'dataset', and optionally 'record', 'reweighter' and 'refit'.",
                f"Add {key!r}.",
            )
    for key in task:
        hint = "" if key in _KEYS else did_you_mean(key, _KEYS)
        if hint:
            raise TaskError(f"The task has a key {key!r}.", f"one of {', '.join(_KEYS)}, or any other word.", hint)
    if not isinstance(task.get(REFIT, True), bool):
        raise TaskError(
            f"The task's {REFIT!r} is {task[REFIT]!r}.",
            "True or False: whether the task fits a model of its own.",
            f"Correct {REFIT!r}; RollingGen(refit=...) sets it.",
        )


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


def _check_record(config: Any, where: str) -> None:
    """Ask a record about its arguments, which it would else refuse after the training."""
    if not _is_config(config) or (isinstance(config, str) and config.startswith(_FILE)):
        return
    record, kwargs = get_callable_kwargs(config, default_module=RECORDS_MODULE)
    check_kwargs = getattr(record, "check_kwargs", None)
    if check_kwargs is None or kwargs.get("optional"):
        return
    try:
        check_kwargs(**{key: value for key, value in kwargs.items() if key != "recorder"})
    except RollforwardError as error:
        raise TaskError(f"{where}: {error.given}", error.expected, error.remedy) from error


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


def _task_hash(task: Mapping[str, Any]) -> tuple[str | None, str]:
    """Return the hash, or ``None`` and why there is none."""
    said = {key: value for key, value in task.items() if key not in _NOT_TRAINED_ON}
    if said.get(REFIT) is not False:
        # A task that fits its own model is the same with and without saying so.
        said.pop(REFIT, None)
    try:
        return content_hash(said), ""
    except TaskError as error:
        return None, error.given
