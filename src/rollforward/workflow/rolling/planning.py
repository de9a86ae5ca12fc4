"""What a batch of tasks will do, before it does it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from rollforward import settings
from rollforward.data.calendar_in_use import resolve
from rollforward.data.ranges import hull, ranges_of
from rollforward.errors import CalendarError, TaskError
from rollforward.workflow import R
from rollforward.workflow.trainer.check import check_task
from rollforward.workflow.trainer.describe import MODEL, MODEL_FROM, model_name
from rollforward.workflow.trainer.reuse import find_trained_ids, finished_runs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rollforward.data.calendar import Calendar
    from rollforward.data.ranges import Ranges
    from rollforward.data.segments import Segment

_SQLITE_FILE = re.compile(r"sqlite(?:\+\w+)?:///(?P<path>[^?#]+)")


def plan(
    tasks: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    experiment_name: str | None = None,
    *,
    calendar: Any = None,
    reuse: bool = True,
) -> pd.DataFrame:
    """Lay out what training a batch of tasks would do; nothing is trained or stored.

    Parameters
    ----------
    tasks
        One task or several.
    experiment_name
        Experiment that they would be trained in; ``None`` is the default one.
    calendar
        Sessions to count in; ``None`` takes the settings' calendar.
    reuse
        Look for finished runs of the same tasks, as ``TrainerR(reuse=True)`` does.

    Returns
    -------
    pd.DataFrame
        One row per task, indexed ``fold`` from 0. ``<segment>_start`` and ``<segment>_end`` (inclusive, ``None`` =
        open), ``n_<segment>`` (sessions, missing without a calendar), ``refit`` (whether the task fits a model of its
        own), ``trained`` (id of the run that would be reused, or ``None``) and ``expected_seconds``: the median of
        earlier finished runs of the same model in this experiment, of those that fitted or of those that did not; 0
        for what is reused, missing if nothing is known.

    Raises
    ------
    TaskError, InstantiationError, SegmentError, DataSourceError
        If a task cannot be started.
    """
    batch = [tasks] if isinstance(tasks, Mapping) else list(tasks)
    table = layout(batch, calendar=calendar)
    checked = [check_task(task) for task in batch]
    table["refit"] = [task.refit for task in checked]
    is_there = _store_exists()
    found = find_trained_ids(checked, experiment_name) if reuse and is_there else {}
    trained = [found[position].id if position in found else None for position in range(len(batch))]
    table["trained"] = pd.Series(trained, index=table.index, dtype=object)
    models = [model_name(task.resolved["model"]) for task in checked]
    known = _durations(set(models), experiment_name) if is_there else {}
    table["expected_seconds"] = [
        0.0 if run is not None else known.get((model, task.refit), float("nan"))
        for run, model, task in zip(trained, models, checked, strict=True)
    ]
    return table


def layout(tasks: Sequence[Mapping[str, Any]], *, calendar: Any = None) -> pd.DataFrame:
    """Lay out the segments of tasks: the first columns of `plan`."""
    sessions = _calendar(calendar)
    rows = []
    for task in tasks:
        row: dict[str, Any] = {}
        for name, ranges in _ranges(task).items():
            row[f"{name}_start"], row[f"{name}_end"] = hull(ranges)
            row[f"n_{name}"] = None if sessions is None else sum(_n_sessions(sessions, one) for one in ranges)
        rows.append(row)
    table = pd.DataFrame(rows, index=pd.RangeIndex(len(rows), name="fold"))
    counts = {column: "Int64" for column in table if str(column).startswith("n_")}
    return table.astype(counts)


def _calendar(given: Any) -> Calendar | None:
    try:
        return resolve(given)
    except CalendarError:
        if given is not None:
            raise
        return None


def _ranges(task: Mapping[str, Any]) -> dict[str, Ranges]:
    try:
        return ranges_of(task)
    except TaskError:
        # A dataset of the user's may know no segments.
        return {}


def _n_sessions(calendar: Calendar, segment: Segment) -> int:
    start, end = segment
    # An open end is one that the calendar has not reached yet.
    return len(calendar.sessions(start, end, future=end is not None))


def _store_exists() -> bool:
    """Tell whether there is a store to look into; opening a SQLite store that is not there would create it."""
    match = _SQLITE_FILE.match(settings.current().uri)
    return match is None or Path(match["path"]).exists()


def _durations(models: set[str], experiment_name: str | None) -> dict[tuple[str, bool], float]:
    """Return the median seconds of earlier runs by model and whether they fitted it."""
    experiment = R.list_experiments().get(experiment_name or R.exp_manager.default_exp_name)
    if experiment is None:
        return {}
    medians: dict[tuple[str, bool], float] = {}
    for model in models:
        runs = finished_runs(f"tags.{MODEL} = '{model}'", [experiment.id])
        seconds = (runs["end_time"] - runs["start_time"]).dt.total_seconds()
        by_refit = seconds.groupby(runs[f"tags.{MODEL_FROM}"].isna()).median()
        medians |= {(model, bool(refit)): float(value) for refit, value in by_refit.items()}
    return medians
