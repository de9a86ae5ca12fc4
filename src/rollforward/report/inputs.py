"""What a report is made from, brought into one form and checked."""

from __future__ import annotations

import pandas as pd

from rollforward.errors import ColumnError, DataError
from rollforward.evaluation.bydate import check_zones

SCORE = "score"
SEGMENTS = ("train", "valid", "test")
_LEVELS = ["datetime", "instrument"]


def both_sides(pred: pd.Series | pd.DataFrame, label: pd.Series | pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Take a prediction and its label, as `signal_column` does.

    Raises
    ------
    ColumnError
        If a column, or an index level, is missing.
    DataError
        If one cannot be used, or their dates are of different time zones.
    """
    score, target = signal_column(pred, "prediction", SCORE), signal_column(label, "label")
    check_zones(_dates(pred.index), _dates(label.index))
    return score, target


def signal_column(data: pd.Series | pd.DataFrame, what: str, column: str | None = None) -> pd.Series:
    """Take the one column of a prediction or of a label.

    Parameters
    ----------
    data
        Indexed ``(datetime, instrument)`` in either order; a time zone is dropped, the clock's reading stays.
    what
        What it is called in an error.
    column
        Column to take from a frame with several ones; without it there may be only one.

    Returns
    -------
    pd.Series
        Floats, sorted by ``(datetime, instrument)``.

    Raises
    ------
    ColumnError
        If the column, or an index level, is missing.
    DataError
        If it is empty, holds no number, or has duplicate rows.
    """
    values = _one_column(data, what, column)
    values.index = _index(values.index, what)
    if values.empty:
        raise DataError(f"The {what} is empty.", "at least one row.", "Check the segment that was predicted.")
    try:
        values = values.astype(float)
    except (ValueError, TypeError) as error:
        raise DataError(
            f"The {what} has dtype {values.dtype}: {error}.", "numbers.", "Select or convert the column."
        ) from error
    if values.isna().all():
        raise DataError(
            f"All {len(values)} values of the {what} are missing.",
            "numbers.",
            "Check the model's output and the data that the label is made of.",
        )
    if values.index.has_duplicates:
        twice = values.index[values.index.duplicated()][0]
        raise DataError(
            f"The {what} has {int(values.index.duplicated().sum())} duplicate rows, the first at {twice}.",
            "one row per (datetime, instrument).",
            "Merge overlapping predictions with RollingEnsemble first.",
        )
    return values.sort_index()


def check_horizon(horizon: int | None) -> None:
    """Refuse what is no number of sessions; ``None`` is that nobody knows.

    Raises
    ------
    DataError
        If it is below 1.
    """
    if horizon is not None and (isinstance(horizon, bool) or horizon < 1):
        raise DataError(
            f"horizon is {horizon!r}.", "1 or more sessions, or None where nobody knows.", "Count the label's sessions."
        )


def tidy_folds(folds: pd.DataFrame | None) -> pd.DataFrame | None:
    """Bring the table of folds into one form.

    Parameters
    ----------
    folds
        One row per fold; columns ``<segment>_start`` and ``<segment>_end``, inclusive, of which those of test are
        needed; Timestamps or ISO dates, missing = open. Other columns stay as they are.

    Returns
    -------
    pd.DataFrame or None
        A copy with a column ``name`` and Timestamps (NaT = open or unknown); ``None`` if there is no fold.

    Raises
    ------
    ColumnError
        If a column of the test segment is missing.
    DataError
        If a date cannot be read.
    """
    if folds is None or folds.empty:
        return None
    missing = [column for column in ("test_start", "test_end") if column not in folds]
    if missing:
        raise ColumnError(
            f"The folds have no column {missing[0]!r}.",
            "columns test_start and test_end; train_* and valid_* where they are known.",
            f"Columns given: {', '.join(map(str, folds.columns))}.",
        )
    tidy = folds.copy()
    for segment in SEGMENTS:
        for column in (f"{segment}_start", f"{segment}_end"):
            if column in tidy:
                tidy[column] = _timestamps(tidy[column])
    if "name" not in tidy:
        tidy.insert(0, "name", [str(key) for key in tidy.index])
    return tidy.reset_index(drop=True)


def tidy_portfolio(report: pd.DataFrame | None) -> pd.DataFrame | None:
    """Bring the daily report of a backtest into one form.

    Parameters
    ----------
    report
        Indexed by date; columns ``return`` and ``cost``.

    Returns
    -------
    pd.DataFrame or None
        A copy, ascending, without days that have no return; ``None`` if there are none.

    Raises
    ------
    ColumnError
        If a column is missing.
    DataError
        If the index has no dates.
    """
    if report is None or report.empty:
        return None
    missing = [column for column in ("return", "cost") if column not in report]
    if missing:
        raise ColumnError(
            f"The report of the backtest has no column {missing[0]!r}.",
            "columns return and cost; bench and turnover where they are known.",
            f"Columns given: {', '.join(map(str, report.columns))}.",
        )
    if not isinstance(report.index, pd.DatetimeIndex):
        raise DataError(
            f"The report of the backtest is indexed by {report.index.dtype}.", "dates.", "Set the dates as index."
        )
    tidy = report.set_axis(report.index.tz_localize(None)).sort_index().dropna(subset=["return"])
    return None if tidy.empty else tidy.fillna({"cost": 0.0})


def close_segments(folds: pd.DataFrame, first: pd.Timestamp, last: pd.Timestamp) -> pd.DataFrame:
    """Give open ends of segments the ends of the data.

    Parameters
    ----------
    folds
        As `tidy_folds` returns them.
    first, last
        The outer dates of the data; segments that begin earlier or end later widen them.

    Returns
    -------
    pd.DataFrame
        The segments' columns only. A segment without either end is known nowhere and stays NaT, except for test.
    """
    columns = [f"{segment}_{end}" for segment in SEGMENTS for end in ("start", "end") if f"{segment}_{end}" in folds]
    closed = folds[columns].copy()
    first = min(first, closed.min().min()) if closed.notna().any(axis=None) else first
    last = max(last, closed.max().max()) if closed.notna().any(axis=None) else last
    for segment in SEGMENTS:
        start, end = f"{segment}_start", f"{segment}_end"
        if start not in closed or end not in closed:
            continue
        known = closed[start].notna() | closed[end].notna() | (segment == "test")
        closed.loc[known & closed[start].isna(), start] = first
        closed.loc[known & closed[end].isna(), end] = last
    return closed


def _one_column(data: pd.Series | pd.DataFrame, what: str, column: str | None) -> pd.Series:
    if isinstance(data, pd.Series):
        return data.copy()
    if not isinstance(data, pd.DataFrame):
        raise DataError(
            f"The {what} is a {type(data).__name__}.",
            "a pandas Series or DataFrame indexed (datetime, instrument).",
            "Give what the model's predict and the dataset's prepare return.",
        )
    if column is not None and column in data.columns and isinstance(data[column], pd.Series):
        return data[column].copy()
    if data.shape[1] == 1:
        return data.iloc[:, 0].copy()
    raise ColumnError(
        f"The {what} has columns {list(data.columns)}.",
        f"a column {column!r}, or one column only." if column else "one column.",
        "Select the column to report on.",
    )


def _dates(index: pd.Index) -> pd.Index:
    """Return the dates of an index that `_index` has accepted."""
    return index.get_level_values(_LEVELS[0] if _LEVELS[0] in index.names else 0)


def _index(index: pd.Index, what: str) -> pd.MultiIndex:
    if not isinstance(index, pd.MultiIndex) or index.nlevels != len(_LEVELS):
        raise DataError(
            f"The {what} is indexed by {list(index.names)}.",
            "two index levels, (datetime, instrument).",
            "Set both as index.",
        )
    if list(index.names) == [None, None]:
        index = index.set_names(_LEVELS)
    if set(index.names) != set(_LEVELS):
        raise ColumnError(
            f"The {what} is indexed by {list(index.names)}.", "levels datetime and instrument.", "Rename the levels."
        )
    dates, instruments = (index.get_level_values(level) for level in _LEVELS)
    if not isinstance(dates, pd.DatetimeIndex):
        raise DataError(
            f"The datetime level of the {what} has dtype {dates.dtype}.",
            "timestamps.",
            "Convert it with pandas.to_datetime.",
        )
    return pd.MultiIndex.from_arrays([dates.tz_localize(None), instruments], names=_LEVELS)


def _timestamps(column: pd.Series) -> pd.Series:
    try:
        times = [pd.Timestamp(value).tz_localize(None) if pd.notna(value) else pd.NaT for value in column]
        return pd.Series(times, index=column.index, dtype="datetime64[ns]")
    except (ValueError, TypeError) as error:
        raise DataError(
            f"Column {column.name!r} of the folds holds what is no date: {error}.",
            "Timestamps, ISO dates, or None for open.",
            "Correct the column.",
        ) from error
