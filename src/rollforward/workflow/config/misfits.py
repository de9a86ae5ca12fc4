"""Values of a file that are not of the kind that a constructor, or scikit-learn, says it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rollforward.errors import InstantiationError
from rollforward.instantiate.values import check_values
from rollforward.model.constraints import check_parameters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from rollforward.workflow.config.problems import KeyPath


def misfits(
    func: Callable[..., Any], kwargs: Mapping[str, Any], path: KeyPath
) -> Iterator[tuple[KeyPath, InstantiationError]]:
    """Yield each value that does not fit, with its path; nothing is called.

    Parameters
    ----------
    func
        What gets the arguments as they are.
    kwargs
        The arguments.
    path
        Where they are.
    """
    for name, value in kwargs.items():
        try:
            check_values(func, {name: value})
            check_parameters(func, {name: value})
        except InstantiationError as error:
            yield (*path, name), error
