"""The task function, by its name."""

from __future__ import annotations

import importlib
import pickle
from typing import TYPE_CHECKING, Any

from rollforward.errors import PoolError

if TYPE_CHECKING:
    from collections.abc import Callable

EXPECTED = "a function at the top of a module, or its place: package.module:name."


def find_function(func: Callable[..., Any] | str) -> Callable[..., Any]:
    """Give a function, or import it by ``module:name``.

    Raises
    ------
    PoolError
        If there is none of this name. An error inside its module reaches the caller as it is.
    """
    if not isinstance(func, str):
        return func
    module, colon, name = func.partition(":")
    if not colon:
        module, _, name = func.rpartition(".")
    if not module or not name:
        raise PoolError(f"{func!r} names no function.", EXPECTED)
    try:
        found: Any = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not (module == error.name or module.startswith(f"{error.name}.")):
            raise
        raise PoolError(
            f"There is no module {error.name!r}, which {func!r} names.", EXPECTED, "Install it, or set PYTHONPATH."
        ) from error
    for part in name.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        raise PoolError(f"The module {module!r} has no function {name!r}.", EXPECTED)
    return found  # type: ignore[no-any-return]  # it can be called


def checked_function(func: Callable[..., Any] | str) -> Callable[..., Any] | str:
    """Give what can be handed to another process.

    Raises
    ------
    PoolError
        For a function that cannot be imported by its name, such as a lambda.
    """
    if not isinstance(func, str):
        try:
            pickle.dumps(func)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise PoolError(f"{func!r} cannot be found by another process: {error}.", EXPECTED) from error
    return func


def name_of(func: Callable[..., Any] | str) -> str:
    """Spell a function."""
    return func if isinstance(func, str) else f"{func.__module__}:{getattr(func, '__qualname__', func)}"
