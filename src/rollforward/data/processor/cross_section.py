"""Processors that compare the instruments of one time with each other; they learn nothing and cannot leak."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rollforward.data.processor.base import PureProcessor, positions_of, values_at, with_values
from rollforward.data.selection import DATETIME, INSTRUMENT
from rollforward.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNIT_STD = 3.46
_MAD_TO_STD = 1.4826
_MAX_SPARSITY = 4


class _CrossSectionProcessor(PureProcessor):
    """Works on the columns of a group, time by time.

    Parameters
    ----------
    fields_group
        The group, or a list of groups; ``None`` is every column, the labels too.
    """

    def __init__(self, fields_group: Any = None) -> None:
        self.fields_group = fields_group

    def __call__(self, df: pd.DataFrame) -> pd.DataFrame:
        """Return the processed frame."""
        if df.empty:
            return df
        positions = positions_of(df, self.fields_group)
        part = df.iloc[:, positions]
        # Plain numbers as names: groups may repeat a name, and grouping is faster.
        part = part.set_axis(range(len(positions)), axis=1)
        return with_values(df, positions, self._process(part))

    def _process(self, part: pd.DataFrame) -> NDArray[Any]:
        raise NotImplementedError


class CSZScoreNorm(_CrossSectionProcessor):
    """Z-score among the instruments of one time.

    ``"zscore"``: (x - mean) / standard deviation (sample: divided by n - 1). ``"robust"``: (x - median) / (1.4826 *
    MAD), cut to [-3, 3]. Where all instruments agree, or there is only one, the result is zero; missing values stay
    missing.

    Parameters
    ----------
    fields_group
        The group, or a list of groups; ``None`` is every column, the labels too.
    method
        ``"zscore"`` or ``"robust"``.

    Raises
    ------
    DataError
        If the method is neither.
    """

    def __init__(self, fields_group: Any = None, method: str = "zscore") -> None:
        super().__init__(fields_group)
        if method not in ("zscore", "robust"):
            raise DataError(f"{method!r} is no method of CSZScoreNorm.", "'zscore' or 'robust'.")
        self.method = method

    def _process(self, part: pd.DataFrame) -> NDArray[Any]:
        groups = part.groupby(level=DATETIME)
        if self.method == "zscore":
            centered = (part - groups.transform("mean")).to_numpy()
            scale = groups.transform("std").to_numpy()
        else:
            deviations = part - groups.transform("median")
            centered = deviations.to_numpy()
            scale = _MAD_TO_STD * deviations.abs().groupby(level=DATETIME).transform("median").to_numpy()
        # A spread of rounding errors is no spread: equal values are recognised as such.
        equal = groups.transform("min").to_numpy() == groups.transform("max").to_numpy()
        centered = np.where(equal & ~np.isnan(part.to_numpy()), 0.0, centered)
        with np.errstate(invalid="ignore"):  # infinite values have no z-score
            scaled = centered / np.where(equal | ~(scale > 0), 1.0, scale)
        return np.clip(scaled, -3.0, 3.0) if self.method == "robust" else scaled


class CSRankNorm(_CrossSectionProcessor):
    """3.46 * (r - 0.5), r in (0, 1] being the rank among the instruments of one time divided by their number.

    Equal values share the mean of their ranks; missing values have no rank and stay missing. 3.46 (the root of 12)
    gives ranks, which are uniform, a standard deviation of about one.

    Parameters
    ----------
    fields_group
        The group, or a list of groups; ``None`` is every column, the labels too.
    """

    def _process(self, part: pd.DataFrame) -> NDArray[Any]:
        ranks = _rank_dense(part) if _is_dense(part.index) else _rank_sparse(part)
        return (ranks - 0.5) * UNIT_STD


def _is_dense(index: pd.Index) -> bool:
    n_cells = index.get_level_values(0).nunique() * index.get_level_values(1).nunique()
    return bool(index.is_unique) and n_cells <= _MAX_SPARSITY * len(index)


def _rank_dense(part: pd.DataFrame) -> NDArray[np.float64]:
    """Rank within matrices (times x instruments), ten times as fast as by groups of rows."""
    times, _ = pd.factorize(part.index.get_level_values(DATETIME))
    names, unique_names = pd.factorize(part.index.get_level_values(INSTRUMENT))
    ranks = np.empty(part.shape)
    matrix = np.full((int(times.max()) + 1, len(unique_names)), np.nan)
    for number, column in enumerate(values_at(part, np.arange(part.shape[1])).T):
        matrix[times, names] = column
        ranks[:, number] = pd.DataFrame(matrix).rank(axis=1, pct=True).to_numpy()[times, names]
    return ranks


def _rank_sparse(part: pd.DataFrame) -> NDArray[np.float64]:
    return part.groupby(level=DATETIME).rank(pct=True).to_numpy()


class CSZFillna(_CrossSectionProcessor):
    """Fill missing values with the mean of their column and time; they stay missing where there is no value at all.

    Parameters
    ----------
    fields_group
        The group, or a list of groups; ``None`` is every column, the labels too.
    """

    def _process(self, part: pd.DataFrame) -> NDArray[Any]:
        means = part.groupby(level=DATETIME).transform("mean").to_numpy()
        values = part.to_numpy()
        return np.where(np.isnan(values), means, values)
