"""Prices as matrices (sessions x instruments), and who may be traded when."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd

from rollforward.data.loader import as_loader
from rollforward.data.selection import DATETIME, INSTRUMENT, nearest
from rollforward.errors import ColumnError, DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rollforward.backtest.exchange import Exchange

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

# A price that is not above it is no price.
NO_PRICE = 1e-8


@dataclass(frozen=True, eq=False)
class Market:
    """What the exchange knows of each session; all matrices are sessions x instruments.

    Attributes
    ----------
    sessions
        Ascending.
    instruments
        In alphabetical order.
    close
        Closes; NaN on a day without trading.
    change
        Change of the close since the session before; NaN where one of the two is missing.
    buy_price, sell_price
        What orders are dealt at.
    buyable, sellable
        Whether there was trading, and no price limit was reached in that direction.
    factor
        Factor of price adjustment, for the rounding to trade units.
    """

    sessions: pd.DatetimeIndex
    instruments: pd.Index
    close: Floats
    change: Floats
    buy_price: Floats
    sell_price: Floats
    buyable: Bools
    sellable: Bools
    factor: Floats

    def matrix_of(self, column: pd.Series) -> Floats:
        """Spread a column indexed ``(datetime, instrument)`` over the sessions and instruments; NaN elsewhere."""
        return _Grid(self.sessions, self.instruments, column.index).fill(column)


def load_prices(prices: Any) -> pd.DataFrame:
    """Load prices as rows ``(datetime, instrument)``, the columns without a leading ``$``.

    Parameters
    ----------
    prices
        A frame (wide closes, long, or indexed), a path, ``"bundled:sp500_close"``, a loader or its configuration.

    Raises
    ------
    DataError
        If it is none of these, or not as it should be.
    ColumnError
        If there is no column ``close``.
    """
    frame = as_loader(prices).load()
    frame = frame.rename(columns=lambda name: str(name).removeprefix("$"))
    if "close" not in frame.columns:
        raise ColumnError(
            "The prices have no column 'close'.",
            nearest("close", frame.columns),
            "Rename it: prices={'class': 'FileLoader', 'kwargs': {'path': ..., 'columns': {...}}}.",
        )
    return frame


def market_of(prices: pd.DataFrame, exchange: Exchange, others: pd.Index | None = None) -> Market:
    """Arrange prices as the exchange needs them.

    Parameters
    ----------
    prices
        As `load_prices` returns them.
    exchange
        Names the columns to deal at and the price limit.
    others
        Further instruments; without a price they cannot be traded.

    Raises
    ------
    ColumnError
        If a column that the exchange names is not there.
    """
    sessions = pd.DatetimeIndex(distinct(prices.index, DATETIME))
    instruments = distinct(prices.index, INSTRUMENT)
    instruments = instruments if others is None else instruments.union(others).sort_values()
    grid = _Grid(sessions, instruments, prices.index)

    def matrix(column: str) -> Floats:
        if column not in prices.columns:
            raise ColumnError(f"The prices have no column {column!r}.", nearest(column, prices.columns))
        return grid.fill(prices[column])

    close = matrix("close")
    change = matrix("change") if "change" in prices.columns else change_of(close)
    bought_at, sold_at = (_dealt_at(matrix(name), close) for name in exchange.prices_to_deal_at)
    no_buying, no_selling = _limits(exchange, change, matrix)
    is_open = ~np.isnan(close)
    factor = matrix("factor") if "factor" in prices.columns else np.ones_like(close)
    return Market(
        *(sessions, instruments, close, change, bought_at, sold_at),
        buyable=is_open & ~no_buying,
        sellable=is_open & ~no_selling,
        factor=np.where(np.isnan(factor), 1.0, factor),
    )


def change_of(close: Floats) -> Floats:
    """Compute the relative change of each close since the session before; NaN on the first."""
    change = np.full_like(close, np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        change[1:] = close[1:] / close[:-1] - 1
    return change


def _limits(exchange: Exchange, change: Floats, matrix: Any) -> tuple[Bools, Bools]:
    """Say where a price limit forbids buying and selling."""
    threshold = exchange.limit_threshold
    if threshold is None:
        nowhere = np.zeros(change.shape, dtype=bool)
        return nowhere, nowhere
    if isinstance(threshold, tuple):
        buying, selling = (matrix(name.removeprefix("$")) for name in threshold)
        return buying != 0, selling != 0
    with np.errstate(invalid="ignore"):
        return change >= threshold, change <= -threshold


def _dealt_at(price: Floats, close: Floats) -> Floats:
    with np.errstate(invalid="ignore"):
        return np.where(price > NO_PRICE, price, close)


@dataclass(frozen=True, eq=False)
class _Grid:
    """Where the rows of a frame go in a matrix of sessions x instruments; rows without a place are left out."""

    sessions: pd.DatetimeIndex
    instruments: pd.Index
    index: pd.Index

    def fill(self, column: pd.Series) -> Floats:
        """Put a column of the frame into a matrix, NaN elsewhere."""
        row, place, has_place = self._places
        matrix = np.full((len(self.sessions), len(self.instruments)), np.nan)
        matrix[row, place] = column.to_numpy(dtype=float, na_value=np.nan)[has_place]
        return matrix

    @cached_property
    def _places(self) -> tuple[NDArray[np.intp], NDArray[np.intp], Bools]:
        row = _positions(self.index, DATETIME, self.sessions)
        place = _positions(self.index, INSTRUMENT, self.instruments)
        has_place = (row >= 0) & (place >= 0)
        return row[has_place], place[has_place], has_place


def _positions(index: pd.Index, level: str, target: pd.Index) -> NDArray[np.intp]:
    """Find the values of an index level in a target, each distinct one once; -1 if it is not there."""
    codes, values = level_of(index, level)
    # The last place is for the code -1 of a missing value.
    return np.append(target.get_indexer(values), -1)[codes]


def level_of(index: pd.Index, level: str) -> tuple[NDArray[np.intp], pd.Index]:
    """Return the codes of an index level and the values they stand for, some of which may not occur."""
    levels = cast("pd.MultiIndex", index)
    number = levels.names.index(level)
    return np.asarray(levels.codes[number]), levels.levels[number]


def distinct(index: pd.Index, level: str) -> pd.Index:
    """Return the values of an index level that occur, ascending."""
    codes, values = level_of(index, level)
    occurs = np.bincount(codes[codes >= 0], minlength=len(values)) > 0
    return values[occurs].sort_values()


def signal_of(signal: Any) -> pd.Series:
    """Take the score of a signal: a Series, or the first column of a frame, indexed by datetime and instrument.

    Raises
    ------
    DataError
        If it is nothing of the kind, is empty, or holds a row twice.
    """
    column = signal.iloc[:, 0] if isinstance(signal, pd.DataFrame) and signal.shape[1] else signal
    levels = list(column.index.names) if isinstance(column, pd.Series) else []
    if sorted(map(str, levels)) != [DATETIME, INSTRUMENT] or not isinstance(
        level_of(column.index, DATETIME)[1], pd.DatetimeIndex
    ):
        raise DataError(
            f"The signal is of type {type(signal).__name__}" + (f" with levels {levels}." if levels else "."),
            "a Series or a frame of scores indexed (datetime, instrument), the first level of timestamps.",
            "Give the prediction itself, in a record as '<PRED>'.",
        )
    if column.empty or column.index.has_duplicates:
        found = "is empty" if column.empty else f"holds {column.index[column.index.duplicated()][0]} twice"
        raise DataError(f"The signal {found}.", "one score per date and instrument.")
    return column
