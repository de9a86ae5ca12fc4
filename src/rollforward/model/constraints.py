"""What scikit-learn says of the parameters of its estimators, asked before the fit that would."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from rollforward.errors import InstantiationError
from rollforward.instantiate.values import is_open, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

_PACKAGE = "sklearn."
_STATED = "_parameter_constraints"
_SAYS = re.compile(r" must be (?P<expected>.+)\. Got .* instead\.", re.DOTALL)


def check_parameters(estimator: Any, params: Mapping[str, Any]) -> None:
    """Refuse a parameter that the estimator's own ``fit`` refuses before it looks at the data.

    Estimators whose constructor or ``fit`` is not scikit-learn's own are not judged, and none is where scikit-learn has
    no such check or has it switched off: how estimators state their constraints is not public there.

    Parameters
    ----------
    estimator
        A class; any other callable is passed over.
    params
        Parameters as an instance keeps them.

    Raises
    ------
    InstantiationError
        For the first parameter that is refused.
    """
    if not is_judged(estimator):
        return
    try:
        from sklearn import get_config  # noqa: PLC0415  # only where an estimator of it is named
        from sklearn.utils._param_validation import (  # noqa: PLC0415
            InvalidParameterError,
            validate_parameter_constraints,
        )
    except ImportError:
        return
    if get_config().get("skip_parameter_validation"):
        return
    for name, value in params.items():
        if is_open(value):
            continue
        try:
            validate_parameter_constraints(getattr(estimator, _STATED), {name: value}, caller_name=estimator.__name__)
        except InvalidParameterError as error:
            said = _SAYS.search(str(error))
            raise InstantiationError(
                f"{estimator.__name__}: {name!r} is {shown(name, value)}.",
                f"{said['expected'] if said else error}.",
                "Correct the value.",
            ) from error


def is_judged(estimator: Any) -> bool:
    """Tell whether a class is an estimator that states its constraints, and whose ``fit`` looks at them."""
    is_stated = isinstance(getattr(estimator, _STATED, None), dict)
    return is_stated and all(_is_theirs(estimator, name) for name in ("__init__", "fit"))


def _is_theirs(estimator: Any, method: str) -> bool:
    return str(getattr(getattr(estimator, method, None), "__module__", "")).startswith(_PACKAGE)
