"""Merge results that a dictionary holds: of several folds, of several models."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import pandas as pd

from rollforward.model.ens.aligned import AVERAGE, DATETIME, JOIN, leaves_of, side_by_side
from rollforward.model.ens.ordering import Frame, first_of_level, keep_last_sorted
from rollforward.model.ens.origin import FOLD, concat_with_origin, has_origin, with_origin
from rollforward.model.ens.scores import mean_score, standardised


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
    """Join what the folds of a rolling job predict; where two know the same row, the fold that starts later wins.

    Columns ``cutoff``, ``recorder_id`` and ``fold`` that frames carry (see `with_origin`) are kept, and say of each row
    which model won it.

    Parameters
    ----------
    with_origin
        Whether frames without a column ``fold`` get one that holds their key.
    """

    def __init__(self, with_origin: bool = False) -> None:
        self.with_origin = with_origin

    def __call__(self, ensemble_dict: dict[Any, Frame]) -> Frame:
        """Join frames along time.

        Parameters
        ----------
        ensemble_dict
            Frames or series with an index level ``datetime``. The keys play no part, unless `with_origin` is set.

        Returns
        -------
        pd.DataFrame or pd.Series
            Sorted by its index, each index value once.

        Raises
        ------
        DataError
            If there is nothing to join.
        ColumnError
            If an index has no level ``datetime``, or the indexes have different levels.
        """
        found = leaves_of(ensemble_dict, JOIN)
        frames = [_named(frame, key) if self.with_origin else frame for key, frame in found]
        filled = [frame for frame in frames if len(frame)] or frames[:1]
        filled.sort(key=lambda frame: first_of_level(frame.index, DATETIME))
        return keep_last_sorted(_concat(filled))


class AverageEnsemble(Ensemble):
    """Average predictions that are first standardised on each date, so that every model weighs the same."""

    def __call__(self, ensemble_dict: dict[Any, Any]) -> pd.Series:
        """Average predictions.

        Parameters
        ----------
        ensemble_dict
            Frames or series indexed ``(datetime, instrument)``, perhaps in inner dictionaries. The keys play no part,
            nor do the columns ``cutoff``, ``recorder_id`` and ``fold``.

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
            If an index has no level ``datetime``, or the indexes have different levels.
        """
        return mean_score(side_by_side([frame for _, frame in leaves_of(ensemble_dict, AVERAGE)]), standardised)


def _named(frame: Frame, key: Any) -> pd.DataFrame:
    if isinstance(frame, pd.DataFrame) and FOLD in frame.columns:
        return frame
    return with_origin(frame, fold=key)


def _concat(frames: list[Frame]) -> Frame:
    if any(map(has_origin, frames)):
        return concat_with_origin(frames)
    return pd.concat(frames) if len(frames) > 1 else frames[0].copy()
