"""New rows into an old table: what they cover is replaced, everything else stays as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from rollforward.data.selection import DATETIME, require_sorted, select_rows
from rollforward.errors import DataError, UpdateError

if TYPE_CHECKING:
    from rollforward.workflow.recorder import Recorder


def as_table(found: Any, what: str) -> pd.DataFrame:
    """Read what a run holds, or a model made, as rows ``(datetime, instrument)``, sorted.

    Raises
    ------
    UpdateError
        If it is no frame or Series with these index levels; `what` names it.
    """
    frame = found.to_frame() if isinstance(found, pd.Series) else found
    if not isinstance(frame, pd.DataFrame):
        raise UpdateError(f"{what} is of type {type(found).__name__}.", "a frame or Series (datetime, instrument).")
    if frame.empty and not isinstance(frame.index, pd.MultiIndex):
        return frame
    try:
        return require_sorted(frame)
    except DataError as error:
        raise UpdateError(f"{what} cannot be updated. {error.given}", error.expected, error.remedy) from error


def with_columns_of(new: pd.DataFrame, old: pd.DataFrame, what: str) -> pd.DataFrame:
    """Give new rows the columns of the old ones; a single column takes the old name.

    Raises
    ------
    UpdateError
        If they do not fit.
    """
    if not old.shape[1] or list(new.columns) == list(old.columns):
        return new
    if new.shape[1] == old.shape[1] == 1:
        return new.set_axis(old.columns, axis=1)
    if new.columns.is_unique and old.columns.is_unique and set(new.columns) == set(old.columns):
        return new[old.columns]
    raise UpdateError(
        f"{what} has the columns {list(old.columns)}; the new rows have {list(new.columns)}.",
        "the same columns, or one column each.",
        "Has the model or the dataset's code changed since the run was trained?",
    )


def within(new: pd.DataFrame, start: pd.Timestamp, end: pd.Timestamp, what: str) -> pd.DataFrame:
    """Keep the rows that were asked for; a model may also give those of the history before.

    Raises
    ------
    UpdateError
        If none is left.
    """
    rows = select_rows(new, slice(start, end))
    if rows.empty:
        raise UpdateError(
            f"{what}: there is no row from {start} to {end}.",
            "rows of the segment test.",
            "See what model.predict returns for new data.",
        )
    return rows


def replace_range(old: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """Replace the range of dates that new rows cover.

    Parameters
    ----------
    old, new
        Rows ``(datetime, instrument)``, sorted, the same columns. Of repeated rows the last one stays.

    Returns
    -------
        A frame of its own, sorted.
    """
    if old.empty:
        return _once(new)
    dates = old.index.get_level_values(DATETIME)
    first, last = new.index[0][0], new.index[-1][0]
    before, after = old[dates < first], old[dates > last]
    return _once(pd.concat([part for part in (before, new, after) if len(part)]))


def like(frame: pd.DataFrame, old: Any, record: Recorder, fname: str) -> Any:
    """Give back a Series where one was stored.

    Raises
    ------
    UpdateError
        If the new rows have several columns.
    """
    if not isinstance(old, pd.Series):
        return frame
    if frame.shape[1] != 1:
        raise UpdateError(
            f"{fname} of run {record.id} is a Series; the new rows have the columns {list(frame.columns)}.", "one."
        )
    column = frame.iloc[:, 0]
    column.name = old.name
    return column


def _once(frame: pd.DataFrame) -> pd.DataFrame:
    if not frame.index.is_unique:
        frame = frame[~frame.index.duplicated(keep="last")]
    return frame.sort_index() if not frame.index.is_monotonic_increasing else frame.copy()
