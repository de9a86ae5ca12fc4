"""How each family of boosting estimators is told to stop on validation rows, and asked where it stopped.

The families are recognised by their module or by what their ``fit`` takes, so that neither LightGBM nor XGBoost has to
be installed.
"""

from __future__ import annotations

import importlib
import inspect
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from rollforward.model.tabular import Rows

DEFAULT_ROUNDS = 50


class Family(Protocol):
    """One way of stopping early."""

    def arm(self, estimator: Any, valid: Rows, rounds: int | None) -> dict[str, Any]:
        """Prepare an unfitted estimator and return what its ``fit`` needs besides the training rows.

        Parameters
        ----------
        estimator
            Changed in place.
        valid
            Rows on which progress is judged.
        rounds
            Iterations without progress after which to stop; ``None`` takes the estimator's own, or 50.
        """

    def best_iteration(self, estimator: Any) -> int:
        """Count the iterations that a fitted estimator predicts with."""


class HistGradientBoosting:
    """scikit-learn's histogram boosting, which takes validation rows in ``fit`` since scikit-learn 1.7."""

    def arm(self, estimator: Any, valid: Rows, rounds: int | None) -> dict[str, Any]:
        """See `Family.arm`."""
        estimator.set_params(early_stopping=True, **({} if rounds is None else {"n_iter_no_change": rounds}))
        weight = {} if valid.weight is None else {"sample_weight_val": valid.weight}
        return {"X_val": valid.x, "y_val": valid.y, **weight}

    def best_iteration(self, estimator: Any) -> int:
        """See `Family.best_iteration`; it predicts with all iterations, also those after the best one."""
        return int(estimator.n_iter_)


class LightGBM:
    """LightGBM's scikit-learn estimators."""

    _ALIASES = ("early_stopping_round", "early_stopping_rounds", "early_stopping", "n_iter_no_change")

    def arm(self, estimator: Any, valid: Rows, rounds: int | None) -> dict[str, Any]:
        """See `Family.arm`; rounds that the estimator's own parameters name win over the default."""
        fit: dict[str, Any] = {"eval_X": (valid.x,), "eval_y": (valid.y,)}
        if "eval_X" not in inspect.signature(estimator.fit).parameters:  # LightGBM before 4.7
            fit = {"eval_set": [(valid.x, valid.y)]}
        if valid.weight is not None:
            fit["eval_sample_weight"] = [valid.weight]
        own = [estimator.get_params().get(alias) for alias in self._ALIASES]
        if rounds is not None or not any(own):
            stop = importlib.import_module("lightgbm").early_stopping(rounds or DEFAULT_ROUNDS, verbose=False)
            fit["callbacks"] = [stop]
        return fit

    def best_iteration(self, estimator: Any) -> int:
        """See `Family.best_iteration`."""
        return int(estimator.best_iteration_ or estimator.n_estimators)


class XGBoost:
    """XGBoost's scikit-learn estimators."""

    def arm(self, estimator: Any, valid: Rows, rounds: int | None) -> dict[str, Any]:
        """See `Family.arm`; rounds that the estimator's own parameters name win over the default."""
        own = estimator.get_params().get("early_stopping_rounds")
        estimator.set_params(early_stopping_rounds=rounds or own or DEFAULT_ROUNDS)
        weight = {} if valid.weight is None else {"sample_weight_eval_set": [valid.weight]}
        return {"eval_set": [(valid.x, valid.y)], "verbose": False, **weight}

    def best_iteration(self, estimator: Any) -> int:
        """See `Family.best_iteration`; XGBoost counts from zero."""
        return int(estimator.best_iteration) + 1


def family_of(estimator: Any) -> Family | None:
    """Tell how an estimator stops early; ``None`` if it cannot do so on validation rows that it is given."""
    packages = {base.__module__.partition(".")[0] for base in type(estimator).__mro__}
    if "lightgbm" in packages:
        return LightGBM()
    if "xgboost" in packages:
        return XGBoost()
    if "X_val" in inspect.signature(estimator.fit).parameters:
        return HistGradientBoosting()
    return None


def is_switched_off(estimator: Any) -> bool:
    """Tell whether an estimator's own parameter ``early_stopping`` says ``False``."""
    return getattr(estimator, "early_stopping", None) is False


def forbid_random_split(estimator: Any) -> None:
    """Stop histogram boosting from judging itself on a random tenth of the training rows.

    Left to itself it does so above 10,000 rows. A random split of a time series puts neighbours of the validation rows
    into training.
    """
    if getattr(estimator, "early_stopping", None) == "auto":
        estimator.set_params(early_stopping=False)
