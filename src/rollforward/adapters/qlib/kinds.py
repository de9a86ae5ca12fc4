"""Tell Qlib's objects by the names of their classes, without importing Qlib."""

from __future__ import annotations

from typing import Any, Final

HANDLERS: Final = "qlib.data.dataset.handler"
LOADERS: Final = "qlib.data.dataset.loader"
PROCESSORS: Final = "qlib.data.dataset.processor"
SERIALIZABLE: Final = "qlib.utils.serial"


def is_theirs(value: Any, module: str) -> bool:
    """Tell whether a class, or that of an object, is one of a module of Qlib's or derived from one.

    Parameters
    ----------
    value
        A class or an object.
    module
        Its home, such as ``"qlib.data.dataset.handler"``; the modules below count too.
    """
    bases = value.__mro__ if isinstance(value, type) else type(value).__mro__
    return any(f"{base.__module__}.".startswith(f"{module}.") for base in bases)
