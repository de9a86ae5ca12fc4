"""What `R.start` returns: a block for ``with`` (or a decorator), which says so if it is used as something else."""

from __future__ import annotations

import logging
from contextlib import ContextDecorator
from typing import TYPE_CHECKING, Any, NoReturn, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from types import TracebackType

    from rollforward.workflow.exp import Experiment

logger = logging.getLogger(__name__)

_Function = TypeVar("_Function", bound="Callable[..., Any]")

_HOW = "R.start(...) starts nothing by itself: write `with R.start(...):`, or R.start_exp(...) and R.end_exp()."


class Block(ContextDecorator):
    """One run for the length of a ``with`` block.

    Parameters
    ----------
    begin
        Gives the context manager behind it, when the block begins.
    """

    def __init__(self, begin: Callable[[], AbstractContextManager[Experiment]]) -> None:
        self._begin = begin
        self._context: AbstractContextManager[Experiment] | None = None
        self._is_used = False

    def __enter__(self) -> Experiment:
        """Start the run."""
        self._is_used = True
        self._context = self._begin()
        return self._context.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        """End the run."""
        assert self._context is not None  # noqa: S101  # entered
        return self._context.__exit__(kind, error, traceback)

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{name}: {_HOW}", name=name, obj=self)

    def __repr__(self) -> str:
        return "<block of R.start(...), to be used with `with`>"

    def __del__(self) -> None:
        if not self._is_used:
            logger.warning(_HOW)

    def _recreate_cm(self) -> Self:
        # A decorated function gets a run of its own at each call.
        self._is_used = True
        return type(self)(self._begin)

    def __call__(self, func: _Function) -> _Function:
        """Run a function as a block, at each of its calls."""
        self._is_used = True
        return super().__call__(func)
