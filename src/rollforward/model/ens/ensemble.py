"""Merge results that a dictionary holds: of several folds, of several models."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rollforward.errors import ColumnError, DataError
from rollforward.model.ens.ordering import Frame, first_of_level, keep_last_sorted, level_codes

Floats: TypeAlias = NDArray[np.float64]

_DATETIME = "datetime"
_ROUNDING = 1e-13  # a deviation below this part of the mean is what is left of a constant


class Ensemble(ABC):
    """Merges the values of a dictionary into one."""

    @abstractmethod
    def __call__(self, ensemble_dict: dict[Any, Any], *args: Any, **kwargs: Any) -> Any:
        """Merge the values."""


class SingleKeyEnsemble(Ensemble):
    """Take a value out of a dictionary where it is the only one.

    Examples
    --------
    >>> SingleKeyEnsemble()({"a": {"b": 1}, "c": {"d": 2, "e": 3}})
    {'a': 1, 'c': {'d': 2, 'e': 3}}
    """

    def __call__(self, ensemble_dict: Any, recursion: bool = True) -> Any:
        """Unwrap one-key dictionaries.

        Parameters
        ----------
        ensemble_dict
            Anything; what is no dictionary comes back as it is.
        recursion
            Whether inner dictionaries are unwrapped too, and the result again.
        """
        if not isinstance(ensemble_dict, dict):
            return ensemble_dict
        if recursion:
            ensemble_dict = {key: self(value) for key, value in ensemble_dict.items()}
        return next(iter(ensemble_dict.values())) if len(ensemble_dict) == 1 else ensemble_dict


class RollingEnsemble(Ensemble):
    """Join what the folds of a rolling job predict; where two know the same row, the fold that starts later wins."""

    def __call__(self, ensemble_dict: dict[Any, Frame]) -> Frame:
        """Join frames along time.

        Parameters
        ----------
        ensemble_dict
            Frames or series with an index level ``datetime``. The keys play no part.

        Returns
        -------
        pd.DataFrame or pd.Series
            Sorted by its index, each index value once.

        Raises
        ------
        DataError
            If there is nothing to join.
        ColumnError
            If an index has no level ``datetime``.
        """
        frames = _frames_of(ensemble_dict, "join")
        filled = [frame for frame in frames if len(frame)] or frames[:1]
        filled.sort(key=lambda frame: first_of_level(frame.index, _DATETIME))
        return keep_last_sorted(pd.concat(filled) if len(filled) > 1 else filled[0].copy())


class AverageEnsemble(Ensemble):
    """Average predictions that are first standardised on each date, so that every model weighs the same."""

    def __call__(self, ensemble_dict: dict[Any, Any]) -> pd.Series:
        """Average predictions.

        Parameters
        ----------
        ensemble_dict
            Frames or series indexed ``(datetime, instrument)``, perhaps in inner dictionaries. The keys play no part.

        Returns
        -------
        pd.Series
            Sorted by its index, without a name. Each column is standardised on each date, ``(x - mean) / std`` with
            ``n - 1`` in the deviation; a row's result is the mean of its columns that are known. A column that is
            constant on a date, or known for one instrument only, is not known there.

        Raises
        ------
        DataError
            If there is nothing to average.
        ColumnError
            If an index has no level ``datetime``.
        """
        table = _side_by_side(_frames_of(ensemble_dict, "average"))
        columns = table.to_numpy(dtype=np.float64, na_value=np.nan)
        mean = _mean_of_standardised(columns, *level_codes(table.index, _DATETIME))
        return pd.Series(mean, index=table.index).sort_index()


def _frames_of(values: Mapping[Any, Any], purpose: str) -> list[Frame]:
    frames = list(_leaves(values))
    if not frames:
        raise DataError(f"There is nothing to {purpose}.", "at least one frame.", "check what was collected.")
    for frame in frames:
        if not isinstance(frame, pd.DataFrame | pd.Series):
            raise DataError(f"{type(frame).__name__} cannot be merged.", "a DataFrame or a Series.")
        if _DATETIME not in frame.index.names:
            raise ColumnError(
                f"The index has the levels {list(frame.index.names)!r}.",
                f"a level {_DATETIME!r}.",
                "name it with rename_axis.",
            )
    return frames


def _leaves(values: Mapping[Any, Any]) -> Iterator[Any]:
    for value in values.values():
        if isinstance(value, Mapping):
            yield from _leaves(value)
        else:
            yield value


def _side_by_side(frames: list[Frame]) -> pd.DataFrame:
    for frame in frames:
        if not frame.index.is_unique:
            twice = frame.index[frame.index.duplicated()][0]
            raise DataError(f"The row {twice!r} is there twice.", "each row once.", "merge the folds of a model first.")
    return pd.concat(frames, axis=1, sort=False)


def _mean_of_standardised(columns: Floats, codes: NDArray[np.intp], n_codes: int) -> Floats:
    """Standardise columns within groups of rows and average them; a code of -1 is no group."""
    group = np.where(codes < 0, n_codes, codes)
    n_rows = np.bincount(group, minlength=n_codes + 1)
    total, n_known = np.zeros(len(columns)), np.zeros(len(columns))
    with np.errstate(divide="ignore", invalid="ignore"):  # groups without rows, and of one row
        for column in columns.T:
            score = _standardised(column, group, n_rows)
            known = ~np.isnan(score)
            np.add(total, score, out=total, where=known)
            n_known += known
        total /= n_known
    total[codes < 0] = np.nan
    return total


def _standardised(column: Floats, group: NDArray[np.intp], n_rows: NDArray[np.intp]) -> Floats:
    known = ~np.isnan(column)
    if known.all():
        mean = np.bincount(group, weights=column, minlength=len(n_rows)) / n_rows
        deviation = column - mean.take(group)
        squares = np.bincount(group, weights=deviation * deviation, minlength=len(n_rows))
    else:
        n_rows = np.bincount(group[known], minlength=len(n_rows))
        mean = np.bincount(group[known], weights=column[known], minlength=len(n_rows)) / n_rows
        deviation = column - mean.take(group)
        squares = np.bincount(group[known], weights=deviation[known] ** 2, minlength=len(n_rows))
    spread = np.sqrt(squares / (n_rows - 1))
    spread[spread <= _ROUNDING * np.abs(mean)] = np.nan
    deviation /= spread.take(group)
    return deviation
