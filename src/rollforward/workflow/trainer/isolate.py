"""Run a training in a fresh process, so that its memory is given back when it is done."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, Any, TypeVar

from rollforward import settings
from rollforward.errors import TaskError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rollforward.settings import Settings

T = TypeVar("T")


def in_fresh_process(func: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Call a function in a new process that has the settings in force here.

    The process is spawned, not forked: it shares no locks, no threads and no memory with this one. A script that uses
    this needs ``if __name__ == "__main__":`` around what it runs.

    Parameters
    ----------
    func
        Importable by name.
    args, kwargs
        Its arguments; they, the result and what it raises are pickled.

    Raises
    ------
    TaskError
        If the process dies without an answer.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=context) as pool:
        try:
            answer: T = pool.submit(_call, settings.current(), func, args, kwargs).result()
        except BrokenProcessPool as error:
            raise TaskError(
                "The training process died without an answer.",
                "a process that returns a result or raises.",
                "Look for a crash or for the system's out-of-memory killer; call_in_subproc=False shows more.",
            ) from error
    return answer


def _call(inherited: Settings, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    settings.install(inherited)
    return func(*args, **kwargs)
