"""Averages of models that weigh differently, or that count by rank."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd

from rollforward.errors import DataError
from rollforward.model.ens.aligned import AVERAGE, Floats, Table, leaves_of, plain_key, side_by_side
from rollforward.model.ens.ensemble import Ensemble
from rollforward.model.ens.scores import mean_score, percentile_ranks, standardised, unscaled

Weight: TypeAlias = "float | pd.Series"
Weights: TypeAlias = Mapping[Any, Weight] | Callable[[Any], Weight]

_SCALES = {"zscore": standardised, "rank": percentile_ranks, "none": unscaled}


class WeightedEnsemble(Ensemble):
    """Average predictions with a weight for each model.

    In each row the weights are renormalised over the models that are known there: a row that only one model knows has
    that model's score.

    Parameters
    ----------
    weights
        By the keys of the dictionary that is merged; a key that is a tuple of one part may be given as that part, and
        frames in inner dictionaries have the tuple of the keys that lead there. Or a function that takes a key.
        A weight is a number, or a series of numbers by date: 0 on the dates that are not in it. Weights need not add up
        to 1.
    scale
        ``"zscore"`` standardises each column on each date as `AverageEnsemble` does, ``"rank"`` takes percentile ranks
        as `RankEnsemble` does, ``"none"`` takes values as they are: for forecasts in the same unit.

    Raises
    ------
    DataError
        If the scale is unknown.

    Examples
    --------
    >>> day = pd.to_datetime(["2024-01-02"])
    >>> rows = pd.MultiIndex.from_product([day, ["A", "B", "C"]], names=["datetime", "instrument"])
    >>> models = {"ridge": pd.Series([1.0, 2.0, 3.0], rows), "tree": pd.Series([3.0, 2.0], rows[:2])}
    >>> WeightedEnsemble({"ridge": 3, "tree": 1}, scale="none")(models).tolist()
    [1.5, 2.0, 3.0]
    """

    def __init__(self, weights: Weights, scale: Literal["zscore", "rank", "none"] = "zscore") -> None:
        if scale not in _SCALES:
            raise DataError(f"scale={scale!r}.", f"one of {sorted(_SCALES)!r}.")
        self.weights = weights
        self.scale = scale

    def __call__(self, ensemble_dict: dict[Any, Any]) -> pd.Series:
        """Average predictions.

        Parameters
        ----------
        ensemble_dict
            Frames or series indexed ``(datetime, instrument)``, perhaps in inner dictionaries. Each column of a frame
            has the weight of its key; the columns ``cutoff``, ``recorder_id`` and ``fold`` are left aside.

        Returns
        -------
        pd.Series
            Sorted by its index, without a name; NaN where no model of positive weight is known.

        Raises
        ------
        DataError
            If there is nothing to average; if a model has no weight or a weight no model; if a weight is negative or
            infinite, or all are 0.
        ColumnError
            If an index has no level ``datetime``, or the indexes have different levels.
        """
        found = leaves_of(ensemble_dict, AVERAGE)
        keys = [key for key, _ in found]
        weights = _weights_of(keys, self.weights)
        table = side_by_side([frame for _, frame in found])
        by_date = [_by_date(weights[key], table) for key in keys]
        return mean_score(table, _SCALES[self.scale], [by_date[at] for at in table.owner])


class RankEnsemble(Ensemble):
    """Average the percentile ranks of the instruments on each date: robust against scores far from the others.

    The percentile rank of a score is ``(rank - 1/2) / n`` among the `n` instruments that a model knows on the date;
    ties share their average rank. A column that is constant on a date, or known for one instrument only, is not known
    there.

    Parameters
    ----------
    weights
        As for `WeightedEnsemble`; ``None`` weighs all models the same.
    """

    def __init__(self, weights: Weights | None = None) -> None:
        self.weights = weights

    def __call__(self, ensemble_dict: dict[Any, Any]) -> pd.Series:
        """Average percentile ranks.

        Parameters
        ----------
        ensemble_dict
            As for `WeightedEnsemble`.

        Returns
        -------
        pd.Series
            Between 0 and 1, high where scores are high; sorted by its index, without a name.

        Raises
        ------
        DataError, ColumnError
            As for `WeightedEnsemble`.
        """
        return WeightedEnsemble(_equal if self.weights is None else self.weights, scale="rank")(ensemble_dict)


def _equal(key: Any) -> float:  # noqa: ARG001  the signature of a weight function
    return 1.0


def _weights_of(keys: list[Any], weights: Weights) -> dict[Any, Weight]:
    """Find the weight of each key and check them."""
    if len(set(keys)) < len(keys):
        raise DataError(f"Two predictions have the same key: {keys!r}.", "a key of its own for each.")
    if isinstance(weights, Mapping):
        given = {plain_key(key): weight for key, weight in weights.items()}
        if set(given) != set(keys):
            without, unknown = [key for key in keys if key not in given], [key for key in given if key not in keys]
            raise DataError(
                f"There are weights for {list(given)!r}, and predictions of {keys!r}.",
                "a weight for each prediction and no other.",
                f"missing: {without!r}; without a prediction: {unknown!r}.",
            )
    else:
        given = {key: weights(key) for key in keys}
    for key, weight in given.items():
        _check_weight(key, weight)
    if not any(np.any(np.asarray(weight) > 0) for weight in given.values()):
        raise DataError(f"All weights are 0: {given!r}.", "a positive one.")
    return given


def _check_weight(key: Any, weight: Weight) -> None:
    try:
        values = np.asarray(weight, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"The weight of {key!r} is {weight!r}.", "a number, or a series of numbers by date.") from error
    if isinstance(weight, pd.Series):
        values = values[~np.isnan(values)]
        if not weight.index.is_unique:
            raise DataError(f"The weights of {key!r} have a date twice.", "each date once.")
    elif values.ndim:
        raise DataError(f"The weight of {key!r} is a {type(weight).__name__}.", "a number, or a series by date.")
    if not (np.isfinite(values) & (values >= 0)).all():
        raise DataError(
            f"The weight of {key!r} is {weight!r}.",
            "0 or more, and finite.",
            "for a model that is wrong on purpose, negate its scores.",
        )


def _by_date(weight: Weight, table: Table) -> Floats:
    if not isinstance(weight, pd.Series):
        return np.full(len(table.days), float(weight))
    return weight.reindex(table.days).fillna(0.0).to_numpy(dtype=np.float64)
