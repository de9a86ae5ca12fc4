"""From a dataset's segment to the rows an estimator takes."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rollforward.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

_SHOWN = 5


@dataclass(frozen=True)
class Rows:
    """Features, label and weights of one segment; ``weight`` is ``None`` when all rows weigh alike."""

    x: pd.DataFrame
    y: np.ndarray
    weight: np.ndarray | None = None


def labelled_frame(dataset: Any, segment: str) -> pd.DataFrame:
    """Prepare a segment for learning: the rows that have a label, with the groups ``feature`` and ``label``.

    Parameters
    ----------
    dataset
        Prepared with ``col_set=["feature", "label"]`` and ``data_key="learn"``.
    segment
        Name of the segment.

    Raises
    ------
    ModelError
        If the data is no table with these groups, has not exactly one label column, or no row has a label.
    """
    frame = table(dataset.prepare(segment, col_set=["feature", "label"], data_key="learn"), segment)
    known = ~np.isnan(label_of(frame))
    if not known.any():
        raise ModelError(
            f"None of the {len(frame)} rows of segment {segment!r} has a label.",
            "rows whose label is known.",
            "Move the segment away from the end of the data, or check the label's column.",
        )
    if known.all():
        return frame
    logger.info("Segment %s: %d of %d rows have no label and are dropped", segment, (~known).sum(), len(known))
    labelled: pd.DataFrame = frame[known]
    return labelled


def label_of(frame: pd.DataFrame) -> np.ndarray:
    """Take the values of the one label column.

    Raises
    ------
    ModelError
        If there is none, or more than one.
    """
    label = group_of(frame, "label")
    if label.shape[1] != 1:
        raise ModelError(
            f"The data has {label.shape[1]} label columns: {[str(name) for name in label.columns][:_SHOWN]}.",
            "exactly one.",
            "Configure one label, or select it with the processor FilterCol.",
        )
    return label.iloc[:, 0].to_numpy(dtype=float, na_value=np.nan)


def group_of(frame: pd.DataFrame, group: str) -> pd.DataFrame:
    """Select a column group.

    Raises
    ------
    ModelError
        If the columns have no groups, or not this one.
    """
    if isinstance(frame.columns, pd.MultiIndex) and group in frame.columns.get_level_values(0):
        selected = frame[group]
        return selected if isinstance(selected, pd.DataFrame) else selected.to_frame()
    raise ModelError(
        f"The data has no column group {group!r}; its columns are {[str(name) for name in frame.columns][:_SHOWN]}.",
        "column groups 'feature' and 'label'.",
        "Use a handler whose frames have the column levels (group, name).",
    )


def table(data: Any, segment: Any) -> pd.DataFrame:
    """Insist on a table.

    Raises
    ------
    ModelError
        If the dataset gave something else, such as the sampler of a dataset of sequences.
    """
    if isinstance(data, pd.DataFrame):
        return data
    raise ModelError(
        f"The dataset prepared segment {segment!r} as {type(data).__name__}.",
        "a table (DataFrame) with one row per date and instrument.",
        "Use DatasetH with this model; TSDatasetH is for models of sequences.",
    )


def explain_missing(call: Callable[[], Any], estimator: Any, x: pd.DataFrame) -> Any:
    """Make a call; say which columns are to blame when the estimator refuses missing or infinite features.

    The estimator itself is asked, not its tags: scikit-learn's tags say that a pipeline that begins with an imputer
    takes no NaN.

    Raises
    ------
    ModelError
        In place of the estimator's ``ValueError`` about NaN or infinity.
    """
    try:
        return call()
    except ValueError as error:
        finite = np.isfinite(x.to_numpy(dtype=float, na_value=np.nan))
        if finite.all() or not re.search(r"contains[ `']*(nan|inf)", str(error), re.IGNORECASE):
            raise
        columns = [str(name) for name in x.columns[~finite.all(axis=0)]]
        rows = int((~finite).any(axis=1).sum())
        raise ModelError(
            f"{type(estimator).__name__} takes no missing or infinite features; {rows} of {len(x)} rows have some, "
            f"in {len(columns)} columns: {', '.join(columns[:_SHOWN])}{', ...' if len(columns) > _SHOWN else ''}.",
            "finite features, or an estimator that takes NaN (HistGradientBoosting, LightGBM, XGBoost).",
            "Add the processors ProcessInf and Fillna to the handler's infer_processors and learn_processors.",
        ) from error
