"""Windows over time: for a row ``(datetime, instrument)``, the last ``step_len`` sessions of that instrument."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rollforward.data.selection import DATETIME, INSTRUMENT, covered, nearest, require_sorted, time_positions
from rollforward.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

FILLNA_TYPES = ("none", "ffill", "ffill+bfill")


class TSDataSampler:
    """Samples of time-series windows, indexed like a sequence (or a PyTorch map-style data set).

    ``sampler[k]`` has shape ``(step_len, n_columns)``, the oldest session first, the row's own last. The sessions are
    the times of ``data``. A session the instrument has no row for, and sessions before the data begin, are NaN, or are
    filled from other rows *of the window*. ``sampler["2020-01-31", "AAPL"]`` is the window that ends with the last
    session up to that time; ``sampler[[3, 0, 7]]`` (or a slice) has shape ``(3, step_len, n_columns)``.

    Parameters
    ----------
    data
        Rows ``(datetime, instrument)``; may begin before ``start``, for the windows of the first rows, and may not
        reach beyond ``end`` in what a window uses: a window never holds a later session than its row.
    start, end
        The rows that are samples, both inclusive; ``None`` is open.
    step_len
        Sessions of a window.
    fillna_type
        ``"none"``; ``"ffill"``: a missing row is the last one before it; ``"ffill+bfill"``: and else the next one after
        it. Only whole rows are filled, never single values.
    dtype
        Of the windows; ``None`` keeps float32 if all columns have it, else float64.
    flt_data
        A Series of booleans (or a frame with one such column): only rows where it is true are samples; windows hold
        the others too. A row it lacks counts as false.

    Raises
    ------
    DataError
        If ``step_len`` is not positive or ``fillna_type`` unknown.
    """

    def __init__(
        self,
        data: pd.DataFrame,
        start: Any,
        end: Any,
        step_len: int,
        fillna_type: str = "none",
        dtype: Any = None,
        flt_data: pd.Series[Any] | pd.DataFrame | None = None,
    ) -> None:
        if step_len < 1:
            raise DataError(f"A window of {step_len} sessions is none.", "step_len of at least 1.")
        self.start = start
        self.end = end
        self.step_len = int(step_len)
        self.config(fillna_type=fillna_type)
        data = require_sorted(data)
        self.data_arr = _with_nan_row(data, dtype)
        row_times, self._times = pd.factorize(data.index.get_level_values(DATETIME))
        row_names, self._names = pd.factorize(data.index.get_level_values(INSTRUMENT))
        # The grid says which row of data_arr an instrument has at a session; above it is room for the first windows.
        self._grid = np.full((len(self._times) + self.step_len - 1, len(self._names)), len(data), dtype=np.intp)
        self._grid[row_times + self.step_len - 1, row_names] = np.arange(len(data))
        kept = np.arange(len(data)) if flt_data is None else np.flatnonzero(_as_mask(flt_data, data.index))
        first, last = time_positions(data.index.get_level_values(DATETIME)[kept], start, end)
        kept = kept[first:last]
        self.data_index: Any = data.index[kept]
        self._sample_times, self._sample_names = row_times[kept], row_names[kept]

    def config(self, *, fillna_type: str) -> None:
        """Change how missing rows are filled from now on.

        Raises
        ------
        DataError
            If it is none of ``"none"``, ``"ffill"``, ``"ffill+bfill"``.
        """
        if fillna_type not in FILLNA_TYPES:
            raise DataError(f"{fillna_type!r} is no fillna_type.", nearest(fillna_type, FILLNA_TYPES))
        self.fillna_type = fillna_type

    def get_index(self) -> pd.MultiIndex:
        """Return the index ``(datetime, instrument)`` of the samples, in their order."""
        index: pd.MultiIndex = self.data_index
        return index

    def __len__(self) -> int:
        return len(self.data_index)

    def __getitem__(self, idx: Any) -> NDArray[Any]:
        """Return one window for a number or a pair ``(datetime, instrument)``, several for a list, an array or a slice.

        Raises
        ------
        IndexError
            If there is no sample of this number.
        DataError
            If the instrument is unknown, or the time lies before the data.
        """
        if isinstance(idx, slice):
            idx = np.arange(len(self))[idx]
        if isinstance(idx, list | np.ndarray | pd.Index):
            times, names = self._locate_many(idx)
            return self._windows(times, names)
        time, name = self._locate(idx)
        window: NDArray[Any] = self._windows(np.array([time]), np.array([name]))[0]
        return window

    def _locate_many(self, idx: Sequence[Any] | NDArray[Any] | pd.Index) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        if _are_numbers(idx):
            numbers = np.asarray(idx, dtype=np.intp)
            if len(numbers) and not (-len(self) <= numbers.min() and numbers.max() < len(self)):
                raise IndexError(f"a sample number is out of range; there are {len(self)} samples")
            return self._sample_times[numbers], self._sample_names[numbers]
        pairs = np.array([self._locate(item) for item in idx], dtype=np.intp).reshape(-1, 2)
        return pairs[:, 0], pairs[:, 1]

    def _locate(self, item: Any) -> tuple[int, int]:
        if isinstance(item, tuple) and len(item) == 2:  # noqa: PLR2004 - datetime and instrument
            return self._locate_pair(*item)
        if isinstance(item, int | np.integer) and not isinstance(item, bool):
            if not -len(self) <= item < len(self):
                raise IndexError(f"there is no sample {item}; there are {len(self)} samples")
            return int(self._sample_times[item]), int(self._sample_names[item])
        raise DataError(
            f"{item!r} is no sample.", "a number, a pair (datetime, instrument), a list of these, or a slice."
        )

    def _locate_pair(self, time: Any, name: str) -> tuple[int, int]:
        if name not in self._names:
            raise DataError(f"There is no instrument {name!r}.", nearest(name, self._names))
        _, after = time_positions(self._times, None, time)
        if after == 0:
            raise DataError(f"There is no session up to {time}.", f"a later time; {covered(self._times)}.")
        return after - 1, int(self._names.get_loc(name))  # type: ignore[arg-type]

    def _windows(self, times: NDArray[np.intp], names: NDArray[np.intp]) -> NDArray[Any]:
        rows = self._grid[times[:, None] + np.arange(self.step_len), names[:, None]]
        n_data = len(self.data_arr) - 1
        if self.fillna_type != "none":
            rows = _fill_forward(rows, n_data)
        if self.fillna_type == "ffill+bfill":
            rows = _fill_forward(rows[:, ::-1], n_data)[:, ::-1]
        windows: NDArray[Any] = self.data_arr[rows]
        return windows


def _are_numbers(idx: Sequence[Any] | NDArray[Any] | pd.Index) -> bool:
    if isinstance(idx, np.ndarray):
        return idx.dtype.kind in "iu" and idx.ndim == 1
    return all(isinstance(item, int | np.integer) and not isinstance(item, bool) for item in idx)


def _with_nan_row(data: pd.DataFrame, dtype: Any) -> NDArray[Any]:
    values = data.to_numpy()
    if dtype is None:
        dtype = np.float32 if values.dtype == np.float32 else np.float64
    padded = np.full((len(data) + 1, data.shape[1]), np.nan, dtype=dtype)
    padded[:-1] = values
    return padded


def _as_mask(flt_data: pd.Series[Any] | pd.DataFrame, index: pd.Index) -> NDArray[np.bool_]:
    if isinstance(flt_data, pd.DataFrame):
        if flt_data.shape[1] != 1:
            raise DataError(f"The filter has {flt_data.shape[1]} columns.", "one column of booleans.")
        flt_data = flt_data.iloc[:, 0]
    flags = flt_data.astype("float64").reindex(index)
    return np.asarray(flags.fillna(0.0) != 0)


def _fill_forward(rows: NDArray[np.intp], missing: int) -> NDArray[np.intp]:
    """Replace ``missing`` by the last other number before it in each line."""
    steps = np.where(rows != missing, np.arange(rows.shape[1]), 0)
    return np.take_along_axis(rows, np.maximum.accumulate(steps, axis=1), axis=1)
