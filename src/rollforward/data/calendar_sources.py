"""Where a calendar's sessions come from: times, data, files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rollforward.errors import CalendarError, DataSourceError

_DATE_NAMES = ("datetime", "date")
_CSV, _TEXT, _PARQUET = (".csv", ".csv.gz"), (".txt",), (".parquet", ".pq")


def as_datetime_index(values: Any) -> pd.DatetimeIndex:
    """Read times as a time-zone naive index, in their order.

    Raises
    ------
    CalendarError
        If there are none, or they are not times, or they carry time zones.
    """
    expected = "times without time zone, such as a DatetimeIndex or a list of dates."
    try:
        plain = pd.Index(values)
        if pd.api.types.is_string_dtype(plain):
            plain = _read_texts(plain)
        index = None if pd.api.types.is_numeric_dtype(plain) else pd.DatetimeIndex(plain)
    except (TypeError, ValueError) as error:
        raise CalendarError(f"{type(values).__name__} does not hold times: {error}", expected) from error
    if index is None or index.hasnans:
        raise CalendarError(f"Some of the sessions are not times: {list(plain[:3])!r} ...", expected)
    if index.tz is not None:
        raise CalendarError(
            f"The sessions are in time zone {index.tz}.",
            expected,
            "drop the zone with tz_localize(None), after tz_convert to the one you think in.",
        )
    if index.empty:
        raise CalendarError("There are no sessions.", "at least one session.", "check where the dates come from.")
    return index.as_unit("ns").rename(None)


def _read_texts(texts: pd.Index) -> pd.Index:
    try:
        return pd.to_datetime(texts, format="ISO8601")
    except ValueError:
        # All in the form of the first: one by one, 01/02 would be read as in January, and 13/02 as in February.
        return pd.to_datetime(texts)


def strict_index(sessions: Any) -> pd.DatetimeIndex:
    """Read times that are in strictly increasing order.

    Raises
    ------
    CalendarError
        If they are not, or as of `as_datetime_index`.
    """
    index = as_datetime_index(sessions)
    if not index.is_monotonic_increasing or not index.is_unique:
        values = index.to_numpy()
        at = int(np.flatnonzero(values[1:] <= values[:-1])[0])
        raise CalendarError(
            f"Session {at + 1} is {index[at + 1]!s}, after {index[at]!s}.",
            "sessions in strictly increasing order.",
            "sort them and drop repeated ones, or use Calendar.from_data.",
        )
    return index


def distinct_dates(data: pd.DataFrame | pd.Series | pd.Index) -> pd.DatetimeIndex:
    """Find the distinct dates of data, in order.

    Raises
    ------
    CalendarError
        If the data have no dates.
    """
    index = data if isinstance(data, pd.Index) else data.index
    if isinstance(index, pd.MultiIndex):
        dates = _dates_of_level(index)
    elif isinstance(index, pd.DatetimeIndex):
        dates = index
    else:
        dates = _dates_of_values(data)
    return as_datetime_index(pd.Index(dates).unique()).sort_values()


def file_dates(path: Path) -> pd.DatetimeIndex:
    """Read the distinct dates of a data file, in order, and nothing else of it.

    Raises
    ------
    DataSourceError
        If the file cannot be read.
    """
    try:
        return distinct_dates(_read_dates(path))
    except (OSError, ValueError) as error:
        if isinstance(error, CalendarError | DataSourceError):
            raise
        raise DataSourceError(f"{path} cannot be read: {error}", "a CSV, parquet or text file with dates.") from error


def is_file_address(value: str | Path) -> bool:
    """Tell a data file from the name of an exchange."""
    text = str(value)
    return isinstance(value, Path) or text.startswith("bundled:") or _has_suffix(text) or Path(text).is_file()


def _has_suffix(text: str) -> bool:
    return text.lower().endswith(_CSV + _TEXT + _PARQUET)


def _dates_of_level(index: pd.MultiIndex) -> pd.Index:
    for name in _DATE_NAMES:
        if name in index.names:
            return index.unique(level=name)
    raise _no_dates(f"index levels {list(index.names)!r}")


def _dates_of_values(data: Any) -> Any:
    if isinstance(data, pd.Index | pd.Series):
        return data
    columns = {str(column).lower(): column for column in data.columns}
    for name in _DATE_NAMES:
        if name in columns:
            return data[columns[name]]
    raise _no_dates(f"columns {list(data.columns[:8])!r}")


def _no_dates(found: str) -> CalendarError:
    return CalendarError(
        f"No dates were found in {found}.",
        "an index level or column named datetime or date, or a DatetimeIndex.",
        "name it so, or pass the dates themselves.",
    )


def _read_dates(path: Path) -> pd.DataFrame | pd.Series | pd.Index:
    name = path.name.lower()
    if name.endswith(_PARQUET):
        return _parquet_dates(path)
    if name.endswith(_TEXT):
        return pd.Index(path.read_text(encoding="utf-8").split("\n")).str.strip().drop("", errors="ignore")
    header = [str(column) for column in pd.read_csv(path, nrows=0).columns]
    dates = next((column for column in header if column.lower() in _DATE_NAMES), header[0])
    return pd.read_csv(path, usecols=[dates], dtype=str)[dates]


def _parquet_dates(path: Path) -> pd.DataFrame:
    import pyarrow.parquet as pq  # type: ignore[import-untyped]  # noqa: PLC0415  untyped; only parquet files need it

    columns = pq.read_schema(path).names
    dates = next((column for column in columns if column.lower() in _DATE_NAMES), None)
    if dates is None:
        return pd.read_parquet(path)
    table = pd.read_parquet(path, columns=[dates])
    return table if dates in table.columns else table.index.to_frame(index=False)
