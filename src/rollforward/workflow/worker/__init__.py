"""Workers: processes that take tasks from a pool, each task in a process of its own."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rollforward.workflow.worker.worker import Worker, WorkerReport

__all__ = ["Worker", "WorkerReport"]


def __getattr__(name: str) -> Any:
    """Load the worker when it is first asked for."""
    if name in __all__:
        return getattr(import_module(f"{__name__}.worker"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
