"""Where a prediction comes from: how far its model had seen, which run made it, which fold that was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd

from rollforward.errors import ColumnError

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from numpy.typing import NDArray

    from rollforward.model.ens.ordering import Frame

CUTOFF, RECORDER_ID, FOLD = "cutoff", "recorder_id", "fold"
ORIGIN_COLUMNS = (CUTOFF, RECORDER_ID, FOLD)

_CATEGORIES = (RECORDER_ID, FOLD)
_BETWEEN, _AND = "..", ", "  # as the tags of a fold write its ranges


def with_origin(pred: Frame, *, cutoff: Any = None, recorder_id: str | None = None, fold: Any = None) -> pd.DataFrame:
    """Write beside a prediction where it comes from.

    Parameters
    ----------
    pred
        Stays as it is. A series becomes a column of its name, or ``score``.
    cutoff
        Last session on which the model was trained, inclusive.
    recorder_id
        The run that predicted.
    fold
        Number or name of the fold, or its test segment: a pair of times or several pairs, which become text such as
        ``2024-01-02..2024-03-28``.

    Returns
    -------
    pd.DataFrame
        With columns ``cutoff`` (times), ``recorder_id`` and ``fold`` (categories, a byte per row) behind the others:
        those that were given. A column of this name that was there is replaced.

    Raises
    ------
    ColumnError
        If the columns of the prediction have several levels.
    """
    frame = as_frame(pred)
    if isinstance(frame.columns, pd.MultiIndex):
        raise ColumnError(
            f"The columns have {frame.columns.nlevels} levels.", "plain columns.", "select the score: pred['score']."
        )
    added: dict[str, Any] = {}
    if cutoff is not None:
        added[CUTOFF] = pd.Series(pd.Timestamp(cutoff).as_unit("ns"), index=frame.index)
    for name, value in ((RECORDER_ID, recorder_id), (FOLD, fold)):
        if value is not None:
            added[name] = _categorical(np.zeros(len(frame), dtype=np.int8), [fold_label(value)])
    return frame.drop(columns=[name for name in added if name in frame.columns]).assign(**added)


def without_origin(frame: Frame) -> Frame:
    """Leave out the columns that say where a prediction comes from; a series stays as it is."""
    if isinstance(frame, pd.Series):
        return frame
    found = [name for name in ORIGIN_COLUMNS if name in frame.columns]
    return frame.drop(columns=found) if found else frame


def has_origin(frame: Frame) -> bool:
    """Tell whether a frame says where its rows come from."""
    return isinstance(frame, pd.DataFrame) and any(name in frame.columns for name in ORIGIN_COLUMNS)


def as_frame(pred: Frame) -> pd.DataFrame:
    """Turn a series into a frame; one without a name becomes the column ``score``."""
    if isinstance(pred, pd.DataFrame):
        return pred
    return pred.to_frame("score" if pred.name is None else pred.name)


def fold_label(fold: Any) -> Hashable:
    """Name a fold: pairs of times become text, all else stays.

    Examples
    --------
    >>> fold_label((pd.Timestamp("2024-01-02"), pd.Timestamp("2024-03-28")))
    '2024-01-02..2024-03-28'
    >>> fold_label(3)
    3
    """
    if not isinstance(fold, tuple):
        label: Hashable = fold
        return label
    separator = _AND if fold and isinstance(fold[0], tuple) else _BETWEEN
    return separator.join(_text(part) for part in fold)


def concat_with_origin(frames: Sequence[Frame]) -> pd.DataFrame:
    """Concatenate frames, joining the categories of their origin instead of comparing rows; what lacks one is NaN."""
    whole = [as_frame(frame) for frame in frames]
    names = [name for name in _CATEGORIES if any(name in frame.columns for frame in whole)]
    joined = pd.concat([frame.drop(columns=[name for name in names if name in frame.columns]) for frame in whole])
    return joined.assign(**{name: _joined_categories(whole, name) for name in names})


def _text(part: Any) -> str:
    if isinstance(part, tuple):
        return str(fold_label(part))
    if part is None:
        return ""
    text = str(part)
    return text.removesuffix(" 00:00:00") if isinstance(part, pd.Timestamp) else text


def _joined_categories(frames: Sequence[pd.DataFrame], name: str) -> pd.Categorical:
    """Give the categories of all frames new numbers, in the order in which they appear."""
    numbers: dict[Hashable, int] = {}
    codes = []
    for frame in frames:
        if name not in frame.columns:
            codes.append(np.full(len(frame), -1, dtype=np.int32))
            continue
        column = pd.Categorical(frame[name])
        lookup = [numbers.setdefault(category, len(numbers)) for category in column.categories]
        codes.append(np.array([*lookup, -1], dtype=np.int32).take(column.codes))
    return _categorical(np.concatenate(codes), list(numbers))


def _categorical(codes: NDArray[np.integer], categories: list[Hashable]) -> pd.Categorical:
    values: Any = pd.Index(categories)
    return cast("pd.Categorical", pd.Categorical.from_codes(codes, values))
