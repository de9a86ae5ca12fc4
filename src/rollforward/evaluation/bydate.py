"""Arithmetic per date on flat arrays: what `alpha` is made of.

A `Panel` holds two aligned columns as float arrays whose rows are sorted by date, so that every figure per date is one
`numpy.bincount` over the rows instead of one Python call per date.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from rollforward.errors import ColumnError, DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.intp]


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
    """

    pred: Floats
    label: Floats
    code: Ints
    dates: pd.Index

    @property
    def n_dates(self) -> int:
        """Number of distinct dates."""
        return len(self.dates)

    def keep(self, mask: NDArray[np.bool_]) -> Panel:
        """Select rows; the dates stay, also those that lose all their rows."""
        return Panel(self.pred[mask], self.label[mask], self.code[mask], self.dates)

    def pairs(self) -> Panel:
        """Select the rows that have both values."""
        return self.keep(~(np.isnan(self.pred) | np.isnan(self.label)))

    def count(self, mask: NDArray[np.bool_] | None = None) -> Ints:
        """Count rows per date, all or those of a mask."""
        return np.bincount(self.code if mask is None else self.code[mask], minlength=self.n_dates)

    def total(self, values: Floats) -> Floats:
        """Sum values per date."""
        return np.asarray(np.bincount(self.code, weights=values, minlength=self.n_dates), dtype=float)

    def mean(self, values: Floats) -> Floats:
        """Average values per date, skipping NaN; NaN for a date without any."""
        known = ~np.isnan(values)
        total = np.bincount(self.code[known], weights=values[known], minlength=self.n_dates)
        with np.errstate(invalid="ignore", divide="ignore"):
            return total / self.count(known)

    def order(self, values: Floats) -> Ints:
        """Sort rows by date, then by value; ties keep their order and NaN comes last within its date."""
        return np.lexsort((values, self.code))

    def position(self) -> Ints:
        """Count the rows of the same date that come before each row."""
        size = self.count()
        return np.arange(len(self.code)) - np.repeat(np.cumsum(size) - size, size)

    def series(self, values: Floats, name: str) -> pd.Series:
        """Label one value per date."""
        return pd.Series(values, index=self.dates, name=name, dtype=float)


def panel_of(pred: pd.Series | pd.DataFrame, label: pd.Series | pd.DataFrame, date_col: str) -> Panel:
    """Align two columns by their index (outer) and sort them by date.

    Parameters
    ----------
    pred, label
        Series, or frames of one column, with an index level ``date_col``.
    date_col
        Name of that level.

    Raises
    ------
    ColumnError
        If the level is missing.
    DataError
        If a frame has several columns, or rows must be matched and an index has duplicates.
    """
    left, right = _column(pred, "pred"), _column(label, "label")
    for name, side in (("pred", left), ("label", right)):
        if date_col not in side.index.names:
            raise ColumnError(
                f"{name} has index levels {list(side.index.names)}.",
                f"a level {date_col!r}.",
                "Name the index levels, or say with date_col which level holds the dates.",
            )
    if not left.index.equals(right.index):
        left, right = _match(left, right)
    code, dates = pd.factorize(left.index.get_level_values(date_col), sort=True)
    columns = left.to_numpy(dtype=float, na_value=np.nan), right.to_numpy(dtype=float, na_value=np.nan)
    dated = code >= 0
    if not dated.all():
        code, columns = code[dated], (columns[0][dated], columns[1][dated])
    if (np.diff(code) < 0).any():
        order = np.argsort(code, kind="stable")
        code, columns = code[order], (columns[0][order], columns[1][order])
    return Panel(*columns, code=code, dates=pd.Index(dates, name=date_col))


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
    """Rank values within their date from 1; ties share the average of their ranks."""
    n = len(values)
    if n == 0:
        return np.empty(0)
    order = panel.order(values)
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
    size = panel.count()
    first = np.minimum(np.cumsum(size) - size, max(len(values) - 1, 0))
    if len(values) == 0:
        return np.ones(panel.n_dates, dtype=bool)
    return np.asarray(panel.count(values != values[first][panel.code]) == 0)


def _column(data: pd.Series | pd.DataFrame, name: str) -> pd.Series:
    if isinstance(data, pd.Series):
        return data
    if data.shape[1] != 1:
        raise DataError(
            f"{name} has {data.shape[1]} columns: {[str(column) for column in data.columns][:5]}.",
            "one column.",
            "Select the column to evaluate, for example pred['score'].",
        )
    return data.iloc[:, 0]


def _match(left: pd.Series, right: pd.Series) -> tuple[pd.Series, pd.Series]:
    for name, side in (("pred", left), ("label", right)):
        if not side.index.is_unique:
            twice = side.index[side.index.duplicated()][0]
            raise DataError(
                f"{name} has more than one row for {twice}.",
                "one row per date and instrument.",
                f"Drop the duplicates: {name}[~{name}.index.duplicated(keep='last')].",
            )
    return left.align(right, join="outer")
