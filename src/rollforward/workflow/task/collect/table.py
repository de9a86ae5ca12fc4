"""What a listing says of recorders, as one table."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pandas as pd

from rollforward.workflow.task.recorders import FOLD, MODEL, known_of

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from rollforward.workflow.recorder import Recorder

_FIRST = ("name", "experiment_id", "parent_id", "status", "started", "ended", "seconds", MODEL, FOLD)
_PARENT = "mlflow.parentRunId"
# MLflow's own tags, and ours that are kept for no reader.
_HIDDEN = "mlflow."
_BOUND = re.compile(r"(?P<segment>.+)_(?P<side>start|end)")
_DATE = re.compile(r"\d{4}-\d\d-\d\d([T ][\d:.]+)?")
_USUAL = {"train": 0, "valid": 1, "test": 2}


def recorder_table(recorders: Sequence[Recorder]) -> pd.DataFrame:
    """Lay out recorders, one row each in their order, as they were listed.

    Returns
    -------
    DataFrame
        Indexed by ``recorder_id``. Columns: ``name``, ``experiment_id``, ``parent_id`` (of the run that it is a part
        of), ``status``, ``started`` and ``ended`` (Timestamps in UTC), ``seconds``, ``model`` and ``fold``; bounds of
        the segments as Timestamps, such as ``train_start`` and ``test_end`` (inclusive, NaT = open or unknown);
        ``metrics.<name>``, the last values; ``params.<name>``, numbers if all values of the column are numbers, else
        texts; and the other tags as ``tags.<name>``, without those of MLflow.
    """
    rows = [_row(recorder) for recorder in recorders]
    index = pd.Index([recorder.info["id"] for recorder in recorders], name="recorder_id", dtype=object)
    columns = sorted({key: None for row in rows for key in row if key not in _FIRST}, key=_place)
    table = pd.DataFrame(
        {column: _column(column, [row.get(column) for row in rows], index) for column in [*_FIRST, *columns]},
        index=index,
    )
    unused = [column for column in ("parent_id", MODEL, FOLD) if table[column].isna().all()]
    return table.drop(columns=unused)


def _row(recorder: Recorder) -> dict[str, Any]:
    tags, started, ended = known_of(recorder, "tags"), recorder.started_at, recorder.ended_at
    row: dict[str, Any] = {
        "name": recorder.name,
        "experiment_id": recorder.experiment_id,
        "parent_id": tags.get(_PARENT),
        "status": recorder.status,
        "started": started,
        "ended": ended,
        "seconds": None if started is None or ended is None else (ended - started).total_seconds(),
    }
    for key, value in tags.items():
        if key in (MODEL, FOLD) or (_BOUND.fullmatch(key) and _DATE.fullmatch(value)):
            row[key] = value
        elif not key.startswith(_HIDDEN):
            row[f"tags.{key}"] = value
    for kind in ("metrics", "params"):
        row |= {f"{kind}.{key}": value for key, value in known_of(recorder, kind).items()}
    return row


def _place(column: str) -> tuple[Any, ...]:
    """Order the columns: segments in time, metrics, parameters, tags."""
    group = next((rank for rank, kind in enumerate(("metrics.", "params.", "tags."), 1) if column.startswith(kind)), 0)
    bound = _BOUND.fullmatch(column)
    if group or bound is None:
        return group, 0, column, 0
    return 0, _USUAL.get(bound["segment"], len(_USUAL)), bound["segment"], bound["side"] == "end"


def _column(name: str, values: list[Any], index: pd.Index[Any]) -> pd.Series[Any]:
    if name in ("started", "ended"):
        return pd.to_datetime(pd.Series(values, index, dtype=object), utc=True)
    if name == "seconds" or name.startswith("metrics."):
        return pd.Series(values, index, dtype=float)
    if name.startswith("params."):
        return pd.Series(_numbers(values), index)
    column = pd.Series(values, index, dtype=object)
    is_text = name in _FIRST or name.startswith("tags.")
    return column if is_text else pd.to_datetime(column, format="ISO8601")


def _numbers(values: list[str | None]) -> list[Any]:
    """Read texts as numbers, if each is how Python writes one: ``007`` is a name and stays a text."""
    for kind in (int, float):
        read: dict[Hashable, Any] = {None: None}
        try:
            read |= {text: kind(text) for text in set(values) if text is not None}
        except ValueError:
            continue
        if all(text is None or str(number) == text for text, number in read.items()):
            return [read[text] for text in values]
    return values
