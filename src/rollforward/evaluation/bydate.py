"""Arithmetic per date on flat arrays: what `alpha` is made of.

A `Panel` holds two aligned columns as float arrays whose rows are sorted by date, so that every figure per date is one
`numpy.bincount` over the rows instead of one Python call per date.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from rollforward.errors import ColumnError, DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.intp]

CUTOFF = "cutoff"
ORIGIN = frozenset({CUTOFF, "recorder_id", "fold"})  # what merged predictions may say beside the score

_MOST_PADDING = 4  # a table that is emptier than this is not worth its memory


@dataclass(frozen=True)
class Panel:
    """Prediction and label, row by row, sorted by date; the order within a date is that of the input.

    Attributes
    ----------
    pred, label
        One value per row; NaN where one of the two inputs has no such row.
    code
        Position of the row's date in ``dates``.
    dates
        The distinct dates, ascending.
    instrument
        Position of the row's instrument in ``instruments``; -1 if the index does not name it.
    instruments
        Distinct instruments, in no order; some may have no row.
    """

    pred: Floats
    label: Floats
    code: Ints
    dates: pd.Index
    instrument: Ints
    instruments: pd.Index

    @property
    def n_dates(self) -> int:
        """Number of distinct dates."""
        return len(self.dates)

    def keep(self, mask: NDArray[np.bool_] | Ints) -> Panel:
        """Select rows by mask or position; the dates stay, also those that lose all their rows."""
        return replace(
            self,
            pred=self.pred[mask],
            label=self.label[mask],
            code=self.code[mask],
            instrument=self.instrument[mask],
        )

    def sorted(self) -> Panel:
        """Sort the rows by date, keeping their order within a date."""
        return self.keep(np.argsort(self.code, kind="stable"))

    def pairs(self) -> Panel:
        """Select the rows that have both values."""
        return self.keep(~(np.isnan(self.pred) | np.isnan(self.label)))

    @cached_property
    def _size(self) -> Ints:
        return np.bincount(self.code, minlength=self.n_dates)

    @cached_property
    def start(self) -> Ints:
        """Position of each date's first row."""
        return np.cumsum(self._size) - self._size

    def count(self, mask: NDArray[np.bool_] | None = None) -> Ints:
        """Count rows per date, all or those of a mask."""
        return self._size if mask is None else np.bincount(self.code[mask], minlength=self.n_dates)

    def total(self, values: Floats) -> Floats:
        """Sum values per date."""
        total = np.zeros(self.n_dates)
        some = self._size > 0
        if some.any():
            total[some] = np.add.reduceat(values, self.start[some])
        return total

    def mean(self, values: Floats) -> Floats:
        """Average values per date, skipping NaN; NaN for a date without any."""
        known = ~np.isnan(values)
        total = np.bincount(self.code[known], weights=values[known], minlength=self.n_dates)
        with np.errstate(invalid="ignore", divide="ignore"):
            return total / self.count(known)

    def order(self, values: Floats, *, stable: bool = True) -> Ints:
        """Sort rows by date, then by value; NaN comes last within its date.

        Ties keep their order if the sort is stable; if not, it is faster, and the values must have no NaN.
        """
        size = self.count()
        widest = int(size.max(initial=0))
        if self.n_dates * widest > _MOST_PADDING * len(values):
            return np.lexsort((values, self.code))
        # Many short sorts are several times faster than one long one: a table with a line per date, filled up with NaN.
        table = np.full((self.n_dates, widest), np.nan)
        filled = np.arange(widest) < size[:, None]
        table[filled] = values
        order = np.argsort(table, axis=1, kind="stable" if stable else None) + self.start[:, None]
        return np.asarray(order[filled], dtype=np.intp)

    def position(self) -> Ints:
        """Count the rows of the same date that come before each row."""
        return np.arange(len(self.code)) - np.repeat(self.start, self._size)

    def series(self, values: Floats, name: str) -> pd.Series:
        """Label one value per date."""
        return pd.Series(values, index=self.dates, name=name, dtype=float)


def panel_of(
    pred: pd.Series | pd.DataFrame,
    label: pd.Series | pd.DataFrame,
    date_col: str,
    names: tuple[str, str] = ("pred", "label"),
) -> Panel:
    """Align two columns by their index (outer) and sort them by date.

    Parameters
    ----------
    pred, label
        Series, or frames of one column, with an index level ``date_col``. Columns that tell where a prediction comes
        from (``cutoff``, ``recorder_id``, ``fold``) are left aside.
    date_col
        Name of that level.
    names
        What errors call the two.

    Raises
    ------
    ColumnError
        If the level is missing.
    DataError
        If a frame has several columns, or rows must be matched and an index has duplicates or another time zone.
    """
    left, right = _column(pred, names[0]), _column(label, names[1])
    for name, side in zip(names, (left, right), strict=True):
        if date_col not in side.index.names:
            raise ColumnError(
                f"{name} has index levels {list(side.index.names)}.",
                f"a level {date_col!r}.",
                "Name the index levels, or say with date_col which level holds the dates.",
            )
    if not left.index.equals(right.index):
        check_zones(_dates(left.index, date_col), _dates(right.index, date_col))
        left, right = _match(left, right, names)
    code, dates = pd.factorize(left.index.get_level_values(date_col), sort=True)
    instrument, instruments = instruments_of(left.index, date_col)
    values, target = left.to_numpy(dtype=float, na_value=np.nan), right.to_numpy(dtype=float, na_value=np.nan)
    panel = Panel(values, target, code, pd.Index(dates, name=date_col), instrument, instruments)
    dated = code >= 0
    if not dated.all():
        panel = panel.keep(dated)
    return panel if (np.diff(panel.code) >= 0).all() else panel.sorted()


def alone(pred: pd.Series | pd.DataFrame, date_col: str, name: str = "pred") -> Panel:
    """Sort one column by date, without its missing values; the label is the column itself.

    Parameters and errors are those of `panel_of`.
    """
    return panel_of(pred, pred, date_col, (name, name)).pairs()


def instruments_of(index: pd.Index, date_col: str) -> tuple[Ints, pd.Index]:
    """Tell the rows' instruments: what an index says beside the date.

    Returns
    -------
    codes, instruments
        Position of each row's instrument among the distinct ones (-1: missing), and these, in no order. An index of
        dates only has one instrument.
    """
    if isinstance(index, pd.MultiIndex) and index.nlevels == 2:  # noqa: PLR2004  # date and instrument, the usual case
        level = 1 - index.names.index(date_col)
        return np.asarray(index.codes[level], dtype=np.intp), index.levels[level]
    if not isinstance(index, pd.MultiIndex):
        return np.zeros(len(index), dtype=np.intp), pd.Index([""])
    codes, instruments = pd.factorize(index.droplevel(date_col))
    return np.asarray(codes, dtype=np.intp), pd.Index(instruments)


def correlation(panel: Panel, x: Floats, y: Floats) -> Floats:
    """Pearson correlation of two columns per date.

    NaN for a date with fewer than two rows or with a constant column.
    """
    size = np.maximum(panel.count(), 1)
    x_dev = x - (panel.total(x) / size)[panel.code]
    y_dev = y - (panel.total(y) / size)[panel.code]
    with np.errstate(invalid="ignore", divide="ignore"):
        scale = np.sqrt(panel.total(x_dev * x_dev)) * np.sqrt(panel.total(y_dev * y_dev))
        r = panel.total(x_dev * y_dev) / scale
    # Rounding gives a constant column a tiny variance: what is constant is decided on the values themselves.
    r[(panel.count() < 2) | _constant(panel, x) | _constant(panel, y)] = np.nan  # noqa: PLR2004  # two rows make a line
    return np.asarray(np.clip(r, -1.0, 1.0), dtype=float)


def excess(panel: Panel, values: Floats) -> Floats:
    """Subtract from values the mean of their date; where all of a date are equal the rest is zero, without rounding."""
    known = ~np.isnan(values)
    equal = _constant(panel.keep(known), values[known])[panel.code]
    return np.where(equal & known, 0.0, values - panel.mean(values)[panel.code])


def ranks(panel: Panel, values: Floats) -> Floats:
    """Rank values, none of them NaN, within their date from 1; ties share the average of their ranks."""
    n = len(values)
    if n == 0:
        return np.empty(0)
    order = panel.order(values, stable=False)  # ties share their rank, whoever comes first
    sorted_values, code = values[order], panel.code[order]
    new_run = np.empty(n, dtype=bool)
    new_run[0] = True
    new_run[1:] = (sorted_values[1:] != sorted_values[:-1]) | (code[1:] != code[:-1])
    first = np.flatnonzero(new_run)
    last = np.append(first[1:], n) - 1
    average = (panel.position()[first] + panel.position()[last]) / 2 + 1
    ranked = np.empty(n)
    ranked[order] = np.repeat(average, last - first + 1)
    return ranked


def _constant(panel: Panel, values: Floats) -> NDArray[np.bool_]:
    """Tell the dates on which a column has one value only; relies on the rows being sorted by date."""
    first = np.minimum(panel.start, max(len(values) - 1, 0))
    if len(values) == 0:
        return np.ones(panel.n_dates, dtype=bool)
    return np.asarray(panel.count(values != values[first][panel.code]) == 0)


def check_zones(*times: object) -> None:
    """Refuse to compare times, or indexes of them, of different zones; what is no time has no zone.

    Raises
    ------
    DataError
        If they do not all have the same time zone, or none.
    """
    zones = {str(getattr(time, "tz", None)) for time in times}
    if len(zones) > 1:
        raise DataError(
            f"Dates have different time zones: {', '.join(sorted(zones))}.",
            "one time zone on all sides, or none.",
            "Use .tz_localize(None, level='datetime') where a zone says nothing, .tz_convert(...) where it does.",
        )


def _dates(index: pd.Index, date_col: str) -> pd.Index:
    return index.levels[index.names.index(date_col)] if isinstance(index, pd.MultiIndex) else index


def _column(data: pd.Series | pd.DataFrame, name: str) -> pd.Series:
    if isinstance(data, pd.Series):
        return data
    data = data[[column for column in data.columns if column not in ORIGIN]]
    if data.shape[1] != 1:
        raise DataError(
            f"{name} has {data.shape[1]} columns: {[str(column) for column in data.columns][:5]}.",
            "one column.",
            "Select the column to evaluate, for example pred['score'].",
        )
    return data.iloc[:, 0]


def _match(left: pd.Series, right: pd.Series, names: tuple[str, str]) -> tuple[pd.Series, pd.Series]:
    for name, side in zip(names, (left, right), strict=True):
        if not side.index.is_unique:
            twice = side.index[side.index.duplicated()][0]
            raise DataError(
                f"{name} has more than one row for {twice}.",
                "one row per date and instrument.",
                f"Drop the duplicates: {name}[~{name}.index.duplicated(keep='last')].",
            )
    return left.align(right, join="outer")
