"""Any estimator with scikit-learn's interface as a model: Ridge, histogram boosting, LightGBM, XGBoost, pipelines."""

from __future__ import annotations

import importlib.util
import inspect
import logging
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.utils.validation import has_fit_parameter

from rollforward.errors import InstantiationError, MissingDependencyError, ModelError
from rollforward.instantiate import get_callable_kwargs, init_instance_by_config
from rollforward.instantiate.values import check_values
from rollforward.model.base import Model, Reweighter
from rollforward.model.constraints import check_parameters, is_judged
from rollforward.model.early_stopping import Family, family_of, forbid_random_split, is_switched_off
from rollforward.model.tabular import Rows, explain_missing, group_of, label_of, labelled_frame, table
from rollforward.settings.nearest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable

logger = logging.getLogger(__name__)

_EXTRAS = ("lightgbm", "xgboost")
_AUTO = "auto"
_BOOSTERS_REFUSE = re.compile(r'[\[\]{}<>,:"\s]+')
_SHOWN = 5


class SklearnModel(Model):
    """A scikit-learn-like estimator that fits on a dataset and predicts a segment of it.

    Training rows without a label are dropped. Missing features go to the estimator as they are. Runs are repeatable
    when the estimator is: give it a ``random_state``.

    Parameters
    ----------
    estimator
        Dotted path of a class, a class, a configuration, or an instance (which is cloned, never fitted itself).
    early_stopping
        ``"auto"`` stops on the segment ``valid`` if the dataset has one and the estimator takes validation rows
        (HistGradientBoosting from scikit-learn 1.7 on, LightGBM, XGBoost). ``True`` insists on it, a number insists and
        sets the iterations without progress to wait for, ``False`` trains all iterations. The estimator's own random
        validation split is never used unless an instance asks for it.
    params
        Parameters of the estimator.

    Attributes
    ----------
    estimator_
        The fitted estimator.
    best_iteration_
        Iterations that it predicts with when it was stopped on ``valid``; ``None`` otherwise.
    feature_names_
        Names of the features, in order.

    Raises
    ------
    InstantiationError
        If the estimator does not exist or does not know a parameter.
    MissingDependencyError
        If its package is not installed.

    Examples
    --------
    >>> SklearnModel("sklearn.linear_model.Ridge", alpha=3.0)
    SklearnModel(Ridge(alpha=3.0))
    """

    def __init__(
        self,
        estimator: str | type | Mapping[str, Any] | Any = "sklearn.linear_model.Ridge",
        early_stopping: bool | int | str = _AUTO,
        **params: Any,
    ) -> None:
        if not (early_stopping == _AUTO or (isinstance(early_stopping, int) and early_stopping >= 0)):
            raise InstantiationError(
                f"SklearnModel: early_stopping is {early_stopping!r}.",
                "'auto', True, False, or a number of iterations without progress.",
                "Correct early_stopping.",
            )
        self.estimator = _build(estimator, params)
        self.early_stopping = early_stopping
        self.estimator_: Any = None
        self.best_iteration_: int | None = None
        self.feature_names_: list[str] = []

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.estimator!r})"

    @classmethod
    def check_kwargs(cls, **kwargs: Any) -> None:
        """Refuse an unknown estimator, parameter or value, by building the unfitted estimator."""
        estimator = cls(**kwargs).estimator
        if cls.__init__ is SklearnModel.__init__:
            own = inspect.signature(cls).parameters
            check_values(type(estimator), {name: value for name, value in kwargs.items() if name not in own})
        if is_judged(type(estimator)):
            check_parameters(type(estimator), estimator.get_params(deep=False))

    def fit(self, dataset: Any, reweighter: Reweighter | None = None) -> None:
        """Learn from the segment ``train``, stopping on ``valid`` as ``early_stopping`` says.

        Parameters
        ----------
        dataset
            Prepared with ``col_set=["feature", "label"]`` and ``data_key="learn"``.
        reweighter
            Weighs the rows of both segments; the estimator's ``fit`` must take ``sample_weight``.

        Raises
        ------
        ModelError
            If there is not exactly one label column, no labelled row, a missing feature that the estimator does not
            take, or no way to do what ``early_stopping`` or the reweighter ask for.
        """
        estimator = clone(self.estimator, safe=False)
        train = self._rows(dataset, "train", reweighter)
        names = [str(name) for name in train.x.columns]
        family = self._family(estimator, dataset)
        extra: dict[str, Any] = {} if train.weight is None else {"sample_weight": train.weight}
        if family is not None:
            rounds = None if isinstance(self.early_stopping, bool | str) else self.early_stopping
            extra |= family.arm(estimator, self._rows(dataset, "valid", reweighter), rounds)
        elif not self.early_stopping and hasattr(estimator, "early_stopping"):
            estimator.set_params(early_stopping=False)
        else:
            forbid_random_split(estimator)
        explain_missing(lambda: estimator.fit(train.x, train.y, **extra), estimator, train.x)
        self.estimator_, self.feature_names_ = estimator, names
        self.best_iteration_ = None if family is None else family.best_iteration(estimator)
        stopped = "" if family is None else f", stopped on valid after {self.best_iteration_} iterations"
        logger.info("Fitted %s on %d rows x %d features%s", type(estimator).__name__, *train.x.shape, stopped)

    def predict(self, dataset: Any, segment: Any = "test") -> pd.Series:
        """Predict a segment.

        Parameters
        ----------
        dataset
            Prepared with ``col_set="feature"`` and ``data_key="infer"``.
        segment
            Name of a segment, or an inclusive pair of times.

        Returns
        -------
        pd.Series
            Named ``score``, indexed as the dataset's rows, ``(datetime, instrument)``, in their order.

        Raises
        ------
        ModelError
            If the model is not fitted, or the features are not those it was fitted on.
        """
        if self.estimator_ is None:
            raise ModelError(f"{self!r} has not been fitted.", "", "Call fit(dataset) first.")
        x = table(dataset.prepare(segment, col_set="feature", data_key="infer"), segment)
        x = self._same_features(x)
        score = np.asarray(explain_missing(lambda: self.estimator_.predict(x), self.estimator_, x))
        if score.size != len(x):
            raise ModelError(
                f"{type(self.estimator_).__name__} predicted an array of shape {score.shape} for {len(x)} rows.",
                "one number per row.",
                "Use an estimator with a single output.",
            )
        return pd.Series(score.reshape(-1), index=x.index, name="score")

    def _family(self, estimator: Any, dataset: Any) -> Family | None:
        if not self.early_stopping:
            return None
        family = family_of(estimator)
        has_valid = "valid" in (getattr(dataset, "segments", None) or {})
        if self.early_stopping == _AUTO:
            return family if has_valid and not is_switched_off(estimator) else None
        if family is None or not has_valid:
            lack = "the dataset has no segment 'valid'" if family else "its fit takes no validation rows"
            raise ModelError(
                f"early_stopping is {self.early_stopping!r} for {type(estimator).__name__}, but {lack}.",
                "a segment 'valid', and HistGradientBoosting (scikit-learn >= 1.7), LightGBM or XGBoost.",
                "Add the segment, change the estimator, or set early_stopping='auto'.",
            )
        return family

    def _rows(self, dataset: Any, segment: str, reweighter: Reweighter | None) -> Rows:
        frame = labelled_frame(dataset, segment)
        return Rows(self._named(group_of(frame, "feature")), label_of(frame), self._weights(reweighter, frame))

    def _weights(self, reweighter: Reweighter | None, frame: pd.DataFrame) -> np.ndarray | None:
        if reweighter is None:
            return None
        if not has_fit_parameter(self.estimator, "sample_weight"):
            raise ModelError(
                f"A reweighter is given, and {type(self.estimator).__name__}.fit takes no sample_weight.",
                "an estimator that takes weights.",
                "Drop the reweighter from the task or change the estimator.",
            )
        weight = reweighter.reweight(frame)
        weight = weight.reindex(frame.index) if isinstance(weight, pd.Series) else weight
        weight = np.asarray(weight, dtype=float).reshape(-1)
        if weight.shape != (len(frame),) or not np.isfinite(weight).all():
            raise ModelError(
                f"{type(reweighter).__name__}.reweight gave {weight.size} weights for {len(frame)} rows, "
                f"{int((~np.isfinite(weight)).sum())} of them missing or infinite.",
                "one finite number per row.",
                "Correct the reweighter.",
            )
        return weight

    def _named(self, x: pd.DataFrame) -> pd.DataFrame:
        """Give the columns names that the estimator takes, without copying the values."""
        names = [str(name) for name in x.columns]
        if type(self.estimator).__module__.partition(".")[0] in _EXTRAS:
            safe = [_BOOSTERS_REFUSE.sub("_", name) for name in names]
            names = safe if len(set(safe)) == len(safe) else [f"f{i}" for i in range(len(safe))]
        return x.set_axis(names, axis=1)

    def _same_features(self, x: pd.DataFrame) -> pd.DataFrame:
        named = self._named(x)
        names = [str(name) for name in named.columns]
        if names == self.feature_names_:
            return named
        missing = [name for name in self.feature_names_ if name not in set(names)]
        if missing:
            raise ModelError(
                f"{len(missing)} of the {len(self.feature_names_)} features are missing: {missing[:_SHOWN]}.",
                "the features that the model was fitted on.",
                "Predict with a dataset that has the same handler and loader as in training.",
            )
        return named[self.feature_names_]


def _build(estimator: Any, params: dict[str, Any]) -> Any:
    if isinstance(estimator, str):
        root = estimator.partition(".")[0]
        if root in _EXTRAS and importlib.util.find_spec(root) is None:
            raise MissingDependencyError.of(root, root, f"SklearnModel(estimator={estimator!r})")
        estimator, _ = get_callable_kwargs(estimator)
    elif isinstance(estimator, Mapping):
        estimator = init_instance_by_config(dict(estimator))
    if not (callable(getattr(estimator, "fit", None)) and callable(getattr(estimator, "predict", None))):
        raise InstantiationError(
            f"SklearnModel: {_name_of(estimator)} has no fit or no predict.",
            "an estimator with scikit-learn's interface.",
            "Name its class by its dotted path, for example 'sklearn.linear_model.Ridge'.",
        )
    if not isinstance(estimator, type):
        estimator = clone(estimator, safe=False)
        if params:
            _refuse_unknown(estimator, params, estimator.get_params())
            estimator.set_params(**params)
    else:
        known = inspect.signature(estimator).parameters
        if all(parameter.kind is not parameter.VAR_KEYWORD for parameter in known.values()):
            _refuse_unknown(estimator, params, known)
        estimator = estimator(**params)
    return estimator


def _refuse_unknown(estimator: Any, params: dict[str, Any], known: Iterable[str]) -> None:
    known = sorted(known)
    unknown = [name for name in params if name not in known]
    if not unknown:
        return
    raise InstantiationError(
        f"{_name_of(estimator)} has no parameter {', '.join(map(repr, unknown))}.",
        f"some of {', '.join(known)}.",
        did_you_mean(unknown[0], known, otherwise="Correct the name."),
    )


def _name_of(estimator: Any) -> str:
    return (estimator if isinstance(estimator, type) else type(estimator)).__name__
