"""What scikit-learn's fit would refuse minutes later is refused before it, and nothing else."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import sklearn
from sklearn.linear_model import Ridge

from rollforward.errors import InstantiationError
from rollforward.model.constraints import check_parameters
from rollforward.model.sklearn import SklearnModel


class Percent(Ridge):
    """Converts what it is given, in its constructor."""

    def __init__(self, alpha="10%"):
        super().__init__(alpha=float(alpha.removesuffix("%")))


class Forgiving(Ridge):
    """Converts what it is given, in its fit."""

    def fit(self, x, y):
        return Ridge(alpha=1.0).fit(x, y)


class Plain(Ridge):
    """Changes nothing."""


class Own:
    """No estimator of scikit-learn, nor does it know of `get_params`."""

    def __init__(self, trees: int = 3, name=None) -> None:
        self.trees = trees

    def fit(self, x, y): ...

    def predict(self, x): ...


@pytest.mark.parametrize("estimator", [Ridge, Plain])
@pytest.mark.parametrize(("name", "value"), [("alpha", "lots"), ("alpha", -1.0), ("max_iter", 2.5), ("solver", "best")])
def test_what_fit_refuses_is_refused(estimator, name, value):
    with pytest.raises(ValueError, match=name):
        estimator(**{name: value}).fit([[1.0], [2.0]], [1.0, 2.0])

    with pytest.raises(InstantiationError) as caught:
        SklearnModel.check_kwargs(estimator=estimator, **{name: value})

    assert caught.value.given == f"{estimator.__name__}: {name!r} is {value!r}."
    assert " in the range " in caught.value.expected or "a str among" in caught.value.expected
    assert caught.value.remedy


@pytest.mark.parametrize("value", [1, 0.0, np.float64(2), np.int64(2), [1.0, 2.0], "<task.alpha>"])
def test_what_fit_takes_is_taken(value):
    check_parameters(Ridge, {"alpha": value, "no_such_name": 1})


@pytest.mark.parametrize(("estimator", "value"), [(Percent, "10%"), (Forgiving, "10%")])
def test_an_estimator_that_converts_its_parameters_is_not_judged(estimator, value):
    SklearnModel.check_kwargs(estimator=estimator, alpha=value)


def test_the_annotations_of_an_estimator_are_read():
    SklearnModel.check_kwargs(estimator=Own, trees=5, name="lots")
    with pytest.raises(InstantiationError, match="'trees' is 'many'"):
        SklearnModel.check_kwargs(estimator=Own, trees="many")


def test_nothing_is_said_without_scikit_learns_own_check(monkeypatch):
    with sklearn.config_context(skip_parameter_validation=True):
        check_parameters(Ridge, {"alpha": "lots"})
    monkeypatch.setitem(sys.modules, "sklearn.utils._param_validation", None)
    check_parameters(Ridge, {"alpha": "lots"})
