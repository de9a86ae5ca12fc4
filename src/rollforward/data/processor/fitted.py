"""Processors that learn a centre and a scale per column from the rows of a fit window."""

from __future__ import annotations

import logging
from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np

from rollforward.data.processor.base import PureProcessor, positions_of, positions_of_columns, values_at, with_values
from rollforward.data.selection import covered, select_window
from rollforward.errors import DataError, EmptySegmentError

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from numpy.typing import NDArray

logger = logging.getLogger(__name__)

MAD_TO_STD = 1.4826


class _ScaleProcessor(PureProcessor):
    """(x - centre) / scale per column, both learned from the rows of the fit window.

    Parameters
    ----------
    fit_start_time, fit_end_time
        The fit window, both inclusive; ``None`` is open. An open end learns from the test range too. Two lists, of
        starts and ends, for a window with holes.
    fields_group
        The group scaled; ``None`` is every column.

    Raises
    ------
    EmptySegmentError
        At ``fit``: the window holds no row.
    DataError
        When called before ``fit``.
    ColumnError
        When called with a frame that lacks a column it was fitted on.
    """

    def __init__(self, fit_start_time: Any, fit_end_time: Any, fields_group: Any = None) -> None:
        self.fit_start_time = fit_start_time
        self.fit_end_time = fit_end_time
        self.fields_group = fields_group
        self.cols: pd.Index | None = None
        self.center: NDArray[np.float64] = np.empty(0)
        self.scale: NDArray[np.float64] = np.empty(0)

    @abstractmethod
    def _learn(self, column: NDArray[np.float64]) -> tuple[float, float]:
        """Return centre and scale of the finite values (at least one) of a column; a scale of zero counts as one."""

    def fit(self, df: pd.DataFrame) -> None:
        """Learn centre and scale of each column from the rows of the fit window; missing values are left out."""
        positions = positions_of(df, self.fields_group)
        window = select_window(df, self.fit_start_time, self.fit_end_time)
        if window.empty:
            raise EmptySegmentError(
                f"The fit window of {type(self).__name__}, {self.fit_start_time} to {self.fit_end_time}, holds no row.",
                f"a window inside the data; {covered(df.index.get_level_values(0))}.",
                "Set fit_start_time and fit_end_time to the train segment, and start_time no later.",
            )
        statistics = [_statistics(window.iloc[:, position], self._learn) for position in positions]
        self.cols = df.columns[positions]
        self.center = np.array([center for center, _ in statistics], dtype=np.float64)
        self.scale = np.array([scale for _, scale in statistics], dtype=np.float64)
        unknown = self.cols[np.isnan(self.center)]
        if len(unknown):
            logger.warning(
                "%s: no value in the fit window for %s; they become missing", type(self).__name__, list(unknown)
            )

    def __call__(self, df: pd.DataFrame) -> pd.DataFrame:
        """Return the scaled frame."""
        if self.cols is None:
            raise DataError(f"{type(self).__name__} was not fitted.", "fit() before the first call.")
        positions = positions_of_columns(df, self.cols)
        return with_values(df, positions, self._transform(values_at(df, positions)))

    def _transform(self, values: NDArray[Any]) -> NDArray[Any]:
        scaled = values - self.center
        scaled /= self.scale
        return scaled


def _statistics(
    column: pd.Series[Any], learn: Callable[[NDArray[np.float64]], tuple[float, float]]
) -> tuple[float, float]:
    values = column.to_numpy(dtype=np.float64)
    known = values[np.isfinite(values)]
    if not len(known):
        return np.nan, np.nan
    # A spread of rounding errors is no spread: a constant is recognised by its values, not by its deviation.
    if known.min() == known.max():
        return float(known[0]), 1.0
    center, scale = learn(known)
    return center, scale if scale > 0 else 1.0


class ZScoreNorm(_ScaleProcessor):
    """(x - mean) / standard deviation (population: divided by n), both of the fit window.

    A column that is constant in the fit window is centred only.

    Parameters
    ----------
    fit_start_time, fit_end_time
        The fit window, both inclusive; ``None`` is open. An open end learns from the test range too.
    fields_group
        The group scaled; ``None`` is every column, the labels too.
    """

    def _learn(self, column: NDArray[np.float64]) -> tuple[float, float]:
        return float(column.mean()), float(column.std())


class MinMaxNorm(_ScaleProcessor):
    """(x - min) / (max - min), both of the fit window; outside of it, values may leave [0, 1].

    A column that is constant in the fit window is centred only.

    Parameters
    ----------
    fit_start_time, fit_end_time
        The fit window, both inclusive; ``None`` is open. An open end learns from the test range too.
    fields_group
        The group scaled; ``None`` is every column, the labels too.
    """

    def _learn(self, column: NDArray[np.float64]) -> tuple[float, float]:
        low, high = float(column.min()), float(column.max())
        return low, high - low


class RobustZScoreNorm(_ScaleProcessor):
    """(x - median) / (1.4826 * MAD), both of the fit window; MAD is the median absolute deviation from the median.

    1.4826 makes MAD an estimate of the standard deviation of a normal distribution. A column whose MAD is zero (more
    than half of its values are equal) is centred only.

    Parameters
    ----------
    fit_start_time, fit_end_time
        The fit window, both inclusive; ``None`` is open. An open end learns from the test range too.
    fields_group
        The group scaled; ``None`` is every column, the labels too.
    clip_outlier
        Cut the result, of these columns, to [-3, 3].
    """

    def __init__(
        self, fit_start_time: Any, fit_end_time: Any, fields_group: Any = None, clip_outlier: bool = True
    ) -> None:
        super().__init__(fit_start_time, fit_end_time, fields_group)
        self.clip_outlier = clip_outlier

    def _learn(self, column: NDArray[np.float64]) -> tuple[float, float]:
        median = float(np.median(column))
        return median, MAD_TO_STD * float(np.median(np.abs(column - median)))

    def _transform(self, values: NDArray[Any]) -> NDArray[Any]:
        scaled = super()._transform(values)
        return np.clip(scaled, -3.0, 3.0, out=scaled) if self.clip_outlier else scaled
