"""``--seed 3``: the same random numbers, in the model as far as it takes a seed."""

from __future__ import annotations

import inspect
import random
import sys
from collections.abc import Mapping
from typing import Any

from rollforward.instantiate import get_callable_kwargs
from rollforward.instantiate.signatures import signature_of
from rollforward.model.base import BaseModel

_NAMES = ("random_state", "seed")
_MOST = 2**32


def seed_assignments(task: Mapping[str, Any], seed: int) -> list[str]:
    """Return the overrides that give a task's model a seed; none if it takes none.

    An argument that the task sets already is set anew; else the first of ``random_state`` and ``seed`` that the class
    names, or that its ``check_kwargs`` accepts.

    Parameters
    ----------
    task
        Checked; its model is a configuration.
    seed
        The seed.
    """
    config = task["model"]
    if not isinstance(config, Mapping):
        return []
    model, kwargs = get_callable_kwargs(config)
    given = [name for name in _NAMES if name in kwargs]
    name = next((name for name in given or _NAMES if name in given or _takes(model, kwargs, name)), None)
    if name is None:
        return []
    # Without arguments there is no place for one.
    return [f"task.model.kwargs.{name}={seed}" if kwargs else f"task.model.kwargs={{{name}: {seed}}}"]


def seed_generators(seed: int) -> None:
    """Seed the generators of Python, NumPy and, if it is loaded, PyTorch, in this process."""
    import numpy as np  # noqa: PLC0415  # few runs need it here

    random.seed(seed)
    np.random.seed(seed % _MOST)  # noqa: NPY002  # what models of others draw from
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(seed)


def _takes(model: Any, kwargs: Mapping[str, Any], name: str) -> bool:
    signature = signature_of(model)
    parameters = {} if signature is None else signature.parameters
    named = parameters.get(name)
    if named is None and not any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values()):
        return False
    check_kwargs = getattr(model, "check_kwargs", None)
    if named is None and (check_kwargs is None or _code(check_kwargs) is _code(BaseModel.check_kwargs)):
        return False  # it takes any name, and nobody says which it knows
    if check_kwargs is not None:
        try:
            check_kwargs(**kwargs, **{name: 0})
        except Exception:  # noqa: BLE001  # whatever the user's class raises of a name that it does not know
            return False
    return named is None or named.kind is not inspect.Parameter.POSITIONAL_ONLY


def _code(method: Any) -> Any:
    return getattr(method, "__func__", None)
