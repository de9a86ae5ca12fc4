"""Returns that follow a date: what a signal is judged by when only prices are given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from rollforward.errors import DataError
from rollforward.evaluation.bydate import panel_of
from rollforward.evaluation.places import unique

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rollforward.evaluation.bydate import Floats, Panel


@dataclass(frozen=True)
class Grid:
    """One value per date and instrument, NaN where there is none.

    Attributes
    ----------
    table
        Dates by instruments.
    dates
        Ascending; the sessions that horizons count.
    instruments
        Distinct.
    name
        What errors call it.
    """

    table: Floats
    dates: pd.Index
    instruments: pd.Index
    name: str

    def ahead(self, horizon: int, delay: int) -> Floats:
        """Return from ``delay`` sessions after each date to ``horizon`` later; NaN where a price is missing."""
        result = np.full(self.table.shape, np.nan)
        n_known = len(self.dates) - delay - horizon
        if n_known > 0:
            bought = self.table[delay : delay + n_known]
            result[:n_known] = self.table[delay + horizon :] / bought - 1
        return result

    def at(self, panel: Panel, values: Floats) -> Floats:
        """Read an array of this grid's shape at the rows of a panel; NaN for rows outside the grid.

        Raises
        ------
        DataError
            If no row lies inside.
        """
        row = self.dates.get_indexer(panel.dates)[panel.code]
        column = np.append(self.instruments.get_indexer(panel.instruments), -1)[panel.instrument]
        inside = (row >= 0) & (column >= 0)
        if len(row) and not inside.any():
            raise DataError(
                f"No row of pred is in {self.name}: pred starts on {panel.dates[0]} and knows "
                f"{panel.instruments[:3].tolist()}, {self.name} starts on {self.dates[0]} and knows "
                f"{self.instruments[:3].tolist()}.",
                f"{self.name} of the dates and instruments that were predicted.",
                "Compare the dates, their time zones and the instruments' names on both sides.",
            )
        return np.where(inside, values[row, column], np.nan)


def forward_returns(
    prices: pd.Series | pd.DataFrame, horizons: Iterable[int] = (1,), *, delay: int = 1, date_col: str = "datetime"
) -> pd.DataFrame:
    """Compute the returns that follow each date.

    The value at *t* is ``price[t + delay + h] / price[t + delay] - 1``, counted in sessions, which are the dates of
    ``prices``. With ``delay=1`` and horizon 1 it is Qlib's default label ``Ref($close, -2) / Ref($close, -1) - 1``: a
    signal that is known after the close of *t* is traded at the next close.

    Parameters
    ----------
    prices
        A frame with one row per date and one column per instrument, or one column indexed ``(datetime, instrument)``.
        Nothing is filled: a missing price gives no return.
    horizons
        Sessions that a position is held.
    delay
        Sessions between the signal and the purchase; 0 buys at the price of *t* itself.
    date_col
        Index level with the dates, if prices have several levels.

    Returns
    -------
    pd.DataFrame
        Indexed ``(datetime, instrument)``, every date with every instrument; one column per horizon, named by it. The
        last ``delay + h`` dates have no return.

    Raises
    ------
    ColumnError
        If an index has no level ``date_col``.
    DataError
        If a price is not positive, a row is there twice, a horizon is below 1 or the delay below 0.

    Examples
    --------
    >>> import pandas as pd
    >>> days = pd.to_datetime(["2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05"])
    >>> forward_returns(pd.DataFrame({"A": [10.0, 10.0, 11.0, 12.1]}, days), [1, 2])[1].round(3).tolist()
    [0.1, 0.1, nan, nan]
    """
    horizons = check_horizons(horizons, delay)
    grid = price_grid(prices, date_col)
    index = pd.MultiIndex.from_product([grid.dates, grid.instruments], names=[date_col, "instrument"])
    columns = {horizon: grid.ahead(horizon, delay).ravel() for horizon in horizons}
    return pd.DataFrame(columns, index=index).rename_axis(columns="horizon")


def check_horizons(horizons: Iterable[int], delay: int) -> list[int]:
    """Return the horizons as a list without repetition.

    Raises
    ------
    DataError
        If one is below 1, there is none, or the delay is below 0.
    """
    checked = list(dict.fromkeys(int(horizon) for horizon in horizons))
    if not checked or min(checked) < 1 or delay < 0:
        raise DataError(
            f"horizons are {checked}, delay is {delay}.",
            "horizons of at least one session and a delay of at least 0.",
            "A signal of today that is traded at the next close and sold one session later has horizon 1 and delay 1.",
        )
    return checked


def grid_of(data: pd.Series | pd.DataFrame, date_col: str, name: str) -> Grid:
    """Bring a table of dates and instruments, or a column indexed by both, into a grid.

    Raises
    ------
    ColumnError, DataError
        As `forward_returns`.
    """
    if isinstance(data, pd.DataFrame) and not isinstance(data.index, pd.MultiIndex):
        return _of_wide(data, name)
    return _of_long(data, date_col, name)


def price_grid(prices: pd.Series | pd.DataFrame, date_col: str) -> Grid:
    """Bring prices into a grid; parameters and errors are those of `forward_returns`."""
    grid = grid_of(prices, date_col, "prices")
    if (grid.table <= 0).any():
        row, column = np.argwhere(grid.table <= 0)[0]
        raise DataError(
            f"The price of {grid.instruments[column]} on {grid.dates[row]} is {grid.table[row, column]}.",
            "positive prices.",
            "Set what is not a price to NaN: prices.where(prices > 0).",
        )
    return grid


def _of_wide(data: pd.DataFrame, name: str) -> Grid:
    if isinstance(data.columns, pd.MultiIndex) or not (data.index.is_unique and data.columns.is_unique):
        raise DataError(
            f"{name} repeats dates or columns, or has several levels of columns: {data.columns[:2].tolist()}, ...",
            "one row per date and one column per instrument.",
            f"Drop repeated rows, or select one quantity, for example {name}['close'].",
        )
    data = data if data.index.is_monotonic_increasing else data.sort_index()
    return Grid(data.to_numpy(dtype=float, na_value=np.nan), data.index, data.columns, name)


def _of_long(data: pd.Series | pd.DataFrame, date_col: str, name: str) -> Grid:
    panel = panel_of(data, data, date_col, (name, name))
    panel = unique(panel.keep(panel.instrument >= 0), name)
    values = np.full((panel.n_dates, len(panel.instruments)), np.nan)
    values[panel.code, panel.instrument] = panel.pred
    return Grid(values, panel.dates, panel.instruments, name)
