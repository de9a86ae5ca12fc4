"""Bring a table of prices, in whichever common layout, to rows ``(datetime, instrument)`` and number columns.

Three layouts are understood:

* wide: one row per time, one column per instrument, the values are one field (say, closes);
* long: one row per time and instrument, columns that name both, one column per field;
* indexed: a frame whose index has the two levels already (its columns may have two levels too).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rollforward.data.selection import DATETIME, INSTRUMENT, nearest
from rollforward.errors import ColumnError, DataError

if TYPE_CHECKING:
    from collections.abc import Iterable

DATETIME_NAMES = ("datetime", "date", "time", "timestamp")
INSTRUMENT_NAMES = ("instrument", "symbol", "ticker", "asset")
LAYOUTS = ("auto", "wide", "long")
_BAR_NAMES = frozenset({"open", "high", "low", "close", "adj close", "adj_close", "volume", "vwap"})


@dataclass(frozen=True)
class Layout:
    """How a table is laid out.

    Parameters
    ----------
    kind
        ``"auto"``, ``"wide"`` or ``"long"``. Automatic: long if a column (or index level) names the instruments, else
        wide.
    columns
        Pairs of the column's name in the table and its name here; ``datetime`` and ``instrument`` are names here too.
    field
        What the values of a wide table are.
    """

    kind: str = "auto"
    columns: tuple[tuple[str, str], ...] = ()
    field: str = "close"

    def __post_init__(self) -> None:
        if self.kind not in LAYOUTS:
            raise DataError(f"{self.kind!r} is no layout.", nearest(self.kind, LAYOUTS))


def to_long(table: pd.DataFrame, layout: Layout, origin: str) -> pd.DataFrame:
    """Return a new frame with rows sorted by ``(datetime, instrument)`` and float columns.

    Times become nanosecond timestamps without a zone (one common zone is dropped, the wall clock stays); instruments
    become strings. A missing value of a wide table is no row; in a long table the row stays.

    Parameters
    ----------
    table
        Wide, long or indexed; not changed.
    layout
        How to read it.
    origin
        Where it comes from, for the text of errors.

    Raises
    ------
    ColumnError
        If a column to be renamed, or the datetime or instrument column, is not there.
    DataError
        If a value is not a number, a time not a time, time zones are mixed, or a (datetime, instrument) occurs twice.
    """
    table = _with_plain_index(table, origin)
    table = _rename(table, dict(layout.columns), origin)
    if _is_indexed(table):
        keys = table.index.to_frame(index=False)
        values = table.reset_index(drop=True)
    elif _is_long(table, layout, origin):
        time_column = _find_column(table, DATETIME, DATETIME_NAMES, origin)
        name_column = _find_column(table, INSTRUMENT, INSTRUMENT_NAMES, origin)
        keys = table[[time_column, name_column]].set_axis([DATETIME, INSTRUMENT], axis=1)
        values = table.drop(columns=[time_column, name_column])
    else:
        return _wide_to_long(table, layout.field, origin)
    times = parse_times(keys[DATETIME], origin)
    names = _as_names(keys[INSTRUMENT], origin)
    index = pd.MultiIndex.from_arrays([times, names], names=[DATETIME, INSTRUMENT])
    return _sorted_without_repeats(_as_floats(values, origin).set_axis(index, axis=0), origin)


def _with_plain_index(table: pd.DataFrame, origin: str) -> pd.DataFrame:
    """Move a meaningful index into columns, unless it already is (datetime, instrument)."""
    if isinstance(table.index, pd.MultiIndex):
        return _named_levels(table, origin)
    if isinstance(table.index, pd.RangeIndex) and table.index.name is None:
        return table
    if isinstance(table.index, pd.DatetimeIndex) or table.index.name is not None:
        name = table.index.name
        index = table.index.rename(DATETIME if name is None else name)
        return table.set_axis(index, axis=0).reset_index()
    return table.set_axis(table.index.rename("index"), axis=0).reset_index()


def _named_levels(table: pd.DataFrame, origin: str) -> pd.DataFrame:
    index = table.index
    if set(index.names) == {DATETIME, INSTRUMENT}:
        return table
    dated = [isinstance(index.levels[k], pd.DatetimeIndex) for k in range(index.nlevels)]  # type: ignore[attr-defined]
    if index.nlevels != 2 or sum(dated) != 1:  # noqa: PLR2004 - datetime and instrument
        raise DataError(
            f"{origin} is indexed by {index.nlevels} levels {list(index.names)}.",
            f"two levels, {DATETIME!r} and {INSTRUMENT!r}.",
        )
    names: Any = [DATETIME if is_time else INSTRUMENT for is_time in dated]
    return table.set_axis(index.set_names(names), axis=0)


def _is_indexed(table: pd.DataFrame) -> bool:
    return isinstance(table.index, pd.MultiIndex)


def _rename(table: pd.DataFrame, columns: dict[str, str], origin: str) -> pd.DataFrame:
    for name in columns:
        if name not in table.columns:
            raise ColumnError(f"{origin} has no column {name!r}.", nearest(name, table.columns))
    return table.rename(columns=columns)


def _match(columns: Iterable[Any], names: tuple[str, ...]) -> list[Any]:
    known = {str(column).lower(): column for column in columns}
    return [known[name] for name in names if name in known]


def _is_long(table: pd.DataFrame, layout: Layout, origin: str) -> bool:
    if layout.kind != "auto":
        return layout.kind == "long"
    if _match(table.columns, INSTRUMENT_NAMES):
        return True
    others = {str(column).lower() for column in table.columns} - set(DATETIME_NAMES)
    if others & _BAR_NAMES:
        raise DataError(
            f"{origin} has columns {sorted(others)} and none that names the instrument.",
            "a column 'instrument' beside the fields, or one column per instrument.",
            "Add the column, name it with columns={'its name': 'instrument'}, or say layout='wide'.",
        )
    return False


def _find_column(table: pd.DataFrame, wanted: str, names: tuple[str, ...], origin: str) -> Any:
    matches = _match(table.columns, names)
    if matches:
        return matches[0]
    raise ColumnError(
        f"{origin} has no column for the {wanted}.",
        f"a column named {' or '.join(names)} among {[str(column) for column in table.columns]}.",
        f"Name it with columns={{'its name': {wanted!r}}}.",
    )


def _wide_to_long(table: pd.DataFrame, field: str, origin: str) -> pd.DataFrame:
    matches = _match(table.columns, DATETIME_NAMES)
    time_column = matches[0] if matches else table.columns[0]
    times = pd.Series(parse_times(table[time_column], origin))
    values = table.drop(columns=[time_column])
    names = _as_names(pd.Series(list(values.columns)), origin)
    if names.has_duplicates:
        raise DataError(
            f"{origin} has two columns named {names[names.duplicated()][0]!r}.", "one column per instrument."
        )
    if times.duplicated().any():
        raise DataError(
            f"{origin} has two rows for {times[times.duplicated()].iloc[0]}.",
            "one row per time.",
            "Remove one of them.",
        )
    matrix = _as_floats(values, origin).to_numpy()
    row_order, column_order = np.argsort(times.to_numpy()), np.asarray(names.argsort())
    matrix = matrix[row_order][:, column_order]
    index = grid_index(pd.DatetimeIndex(times.iloc[row_order]), names[column_order])
    frame = pd.DataFrame({field: matrix.ravel()}, index=index)
    return frame if np.isfinite(matrix).all() else frame[frame[field].notna()]


def grid_index(times: pd.DatetimeIndex, names: pd.Index) -> pd.MultiIndex:
    """Build the index of all pairs of sorted times and sorted names, time first."""
    codes: list[Any] = [np.repeat(np.arange(len(times)), len(names)), np.tile(np.arange(len(names)), len(times))]
    levels: list[Any] = [times, names]
    return pd.MultiIndex(levels=levels, codes=codes, names=[DATETIME, INSTRUMENT])


def parse_times(values: pd.Series[Any], origin: str) -> pd.DatetimeIndex:
    """Read times as nanosecond timestamps without a zone.

    Raises
    ------
    DataError
        If one cannot be read, is missing, or if the zones (or offsets from UTC) differ.
    """
    if pd.api.types.is_numeric_dtype(values):
        raise DataError(
            f"{origin}: {values.name!r} holds numbers such as {values.iloc[0] if len(values) else ''}.",
            "dates or timestamps.",
            "Convert them first; 20200131 may be meant as a date, but could be a count of nanoseconds.",
        )
    try:
        times = pd.DatetimeIndex(pd.to_datetime(values))
    except (ValueError, TypeError, FutureWarning) as error:  # pandas 2 warns where pandas 3 raises
        zones = _zones(values)
        if len(zones) > 1:
            raise DataError(
                f"{origin} mixes time zones: {', '.join(sorted(zones))}.",
                "all times without a zone, or all in one.",
                "Convert them to one zone first, e.g. pandas.to_datetime(..., utc=True).",
            ) from error
        raise DataError(
            f"{origin}: {values.name!r} cannot be read as times: {_unreadable(values)}.",
            "timestamps, or texts such as 2024-01-31 or 2024-01-31 15:30.",
            "Bring them into that form first, e.g. with pandas.to_datetime(..., dayfirst=True).",
        ) from error
    if times.hasnans:
        raise DataError(f"{origin} has a row without a time.", "a time in every row.", "Remove or fill these rows.")
    if times.tz is not None:
        times = times.tz_localize(None)
    return times.as_unit("ns")


def _unreadable(values: pd.Series[Any]) -> str:
    """Show one that cannot be read beside the first one, whose form all have to have."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what pandas warns of here is what the error will say
        read = pd.to_datetime(values, errors="coerce", utc=True)
    bad = values[read.isna() & values.notna()]
    return f"{bad.iloc[0]!r} beside {values.iloc[0]!r}" if len(bad) else repr(values.iloc[0])


def _zones(values: pd.Series[Any]) -> set[str]:
    try:
        return {str(pd.Timestamp(value).tzinfo or "none") for value in values.dropna()}
    except (ValueError, TypeError):
        return set()


def _as_names(values: pd.Series[Any], origin: str) -> pd.Index:
    if (values.isna() | (values == "")).any():
        raise DataError(
            f"{origin} has a row without an instrument.", "an instrument in every row.", "Remove these rows."
        )
    return pd.Index(values.astype(str), name=None)


def _as_floats(values: pd.DataFrame, origin: str) -> pd.DataFrame:
    """Turn every column into numbers: float32 stays, all else becomes float64."""
    if all(dtype in (np.float64, np.float32) for dtype in values.dtypes):
        return values
    columns = {}
    for position, name in enumerate(values.columns):
        column = values.iloc[:, position]
        if column.dtype not in (np.float64, np.float32):
            try:
                column = column.astype("float64")
            except (ValueError, TypeError) as error:
                raise DataError(
                    f"{origin}: column {name!r} holds something other than numbers ({error}).",
                    "numbers in every column beside the time and the instrument.",
                    "Leave the column out (fields=[...]) or convert it.",
                ) from error
        columns[position] = column
    return pd.DataFrame(columns, index=values.index).set_axis(values.columns, axis=1)


def _sorted_without_repeats(frame: pd.DataFrame, origin: str) -> pd.DataFrame:
    if not frame.index.is_monotonic_increasing:
        frame = frame.sort_index()
    repeated = frame.index.duplicated()
    if repeated.any():
        time, name = frame.index[repeated][0]
        raise DataError(
            f"{origin} has more than one row for ({time}, {name!r}); {int(repeated.sum())} rows repeat an earlier one.",
            "one row per datetime and instrument.",
            "Remove the repeats, e.g. with drop_duplicates(subset=['datetime', 'instrument']).",
        )
    return frame
