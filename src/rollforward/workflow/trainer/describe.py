"""What a training run says of itself: its name, its tags, its parameters."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

import pandas as pd

from rollforward.data.ranges import ranges_of
from rollforward.data.scheme import scheme_of
from rollforward.instantiate import flatten_dict
from rollforward.workflow.task.recorders import BETWEEN, RANGE_SEPARATOR, TEST_RANGES

if TYPE_CHECKING:
    from rollforward.workflow.trainer.check import CheckedTask

TASK_HASH, DATA_HASH, MODEL, HOSTNAME = "task_hash", "data_hash", "model", "hostname"
CODE_HASH, MODEL_HASH, MODEL_FROM = "code_hash", "model_hash", "model_from"
TRAINED_WITH = "trained_with"
FOLD = "fold"

_TEST = "test"
_MAX_KEY = 250
_MAX_TAG = 5000
_REFUSED = re.compile(r"[^\w\-. ]")


def run_name(task: CheckedTask, default: str | None = None) -> str | None:
    """Name a run after its model, its test segment and its fold, such as ``"Ridge 2005-01-03..2005-06-30"``.

    Parameters
    ----------
    task
        The task.
    default
        Wins if it is given.

    Returns
    -------
    str or None
        ``None``, which lets the tracking store decide, if the task has no test segment.
    """
    if default is not None or _TEST not in task.segments:
        return default
    start, end = task.segments[_TEST]
    scheme = scheme_of(task.resolved)
    fold = f" ({scheme.fold})" if scheme is not None and scheme.fold else ""
    return f"{model_name(task.resolved['model'])} {iso(start)}..{iso(end)}{fold}"


def model_name(model: Any) -> str:
    """Name a model's class; for an adapter the estimator's class, which tells more.

    Parameters
    ----------
    model
        A configuration or an object.
    """
    if isinstance(model, str):
        return model.rpartition(".")[2] or model
    if not isinstance(model, Mapping):
        inner = getattr(model, "estimator", None)
        return type(model if inner is None else inner).__name__
    estimator = (model.get("kwargs") or {}).get("estimator")
    if estimator is not None:
        return estimator.__name__ if isinstance(estimator, type) else model_name(estimator)
    named = model.get("class", model.get("func"))
    return model_name(named) if isinstance(named, str) else getattr(named, "__name__", type(named).__name__)


def run_tags(task: CheckedTask) -> dict[str, str]:
    """Collect the tags by which a run is found and compared.

    Returns
    -------
    dict
        ``hostname``, ``model``, ``data_hash``, ``task_hash``, ``code_hash`` and ``model_hash`` unless they are unknown,
        and ``<segment>_start`` and ``<segment>_end`` as ISO dates; an open end has no tag. ``fold`` if the task's
        scheme names it; ``test_ranges`` if the test segment has several ranges: then start and end are those of the
        first and the last one.
    """
    tags = {HOSTNAME: socket.gethostname(), MODEL: model_name(task.resolved["model"]), DATA_HASH: task.data_hash}
    hashes = {TASK_HASH: task.task_hash, CODE_HASH: task.code_hash, MODEL_HASH: task.model_hash}
    tags |= {key: value for key, value in hashes.items() if value is not None}
    for segment, bounds in task.segments.items():
        for side, bound in zip(("start", "end"), bounds, strict=True):
            if bound is not None:
                tags[_key(f"{segment}_{side}")] = iso(bound)
    scheme = scheme_of(task.resolved)
    if scheme is not None and scheme.fold:
        tags[FOLD] = scheme.fold
    tested = ranges_of(task.resolved)[_TEST] if _TEST in task.segments else ()
    if len(tested) > 1:
        text = RANGE_SEPARATOR.join(f"{iso(start)}{BETWEEN}{iso(end)}" for start, end in tested)
        # A store refuses longer tags; the task says it too.
        tags[TEST_RANGES] = text if len(text) <= _MAX_TAG else f"{len(tested)} ranges"
    return tags


def run_params(task: Mapping[str, Any]) -> dict[str, str]:
    """Flatten a task into parameters.

    Parameters
    ----------
    task
        As it was given.

    Returns
    -------
    dict
        Text by key; the keys of nested dictionaries are joined with dots, and what a tracking store refuses in a key
        becomes ``_``.
    """
    params: dict[str, str] = {}
    for key, value in flatten_dict(task).items():
        name = _key(key)
        while name in params:
            name = f"{name[: _MAX_KEY - 1]}_"
        params[name] = str(_readable(value))
    return params


def iso(time: pd.Timestamp | None) -> str:
    """Spell a time as an ISO date, with the time of day unless it is midnight; an open end is the empty text."""
    if time is None:
        return ""
    return time.date().isoformat() if time == time.normalize() else time.isoformat()


def _key(key: object) -> str:
    return _REFUSED.sub("_", str(key))[:_MAX_KEY].lstrip(".") or "_"


def _readable(value: Any) -> Any:
    """Replace times by ISO dates inside lists and tuples too."""
    if isinstance(value, date) and not pd.isna(value):
        return iso(pd.Timestamp(value))
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        return type(value)(_readable(item) for item in value)
    return value
