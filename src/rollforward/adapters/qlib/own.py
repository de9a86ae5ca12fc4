"""Qlib's own classes under names that stand for ours elsewhere.

In a task, ``qlib.data.dataset.DatasetH`` is this package's `DatasetH`. ``rollforward.adapters.qlib.own.DatasetH`` is
Qlib's.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from rollforward.errors import InstantiationError

_HOMES = ("qlib.data.dataset", "qlib.data.dataset.handler", "qlib.data.dataset.loader", "qlib.data.dataset.processor")


def __getattr__(name: str) -> Any:
    """Find a class of Qlib's."""
    if name[:1].isupper():  # classes; tools ask every module for names of their own
        for home in _HOMES:
            try:
                module = import_module(home)
            except ModuleNotFoundError as error:
                raise InstantiationError(
                    f"{name} of Qlib is asked for, and pyqlib is not installed.", "pyqlib.", "pip install pyqlib"
                ) from error
            if hasattr(module, name):
                return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
