"""What is done with the tasks of a batch, and by whom: this process, or workers for the time of the training."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rollforward.workflow.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from rollforward.workflow.task.store.base import TaskStore

_POLL = 0.2


@dataclass(frozen=True)
class Step:
    """What is done with tasks.

    Parameters
    ----------
    func
        Called with the task, or its prepared recorder, and `kwargs`; returns the recorder.
    before, after
        Status of the tasks to claim, and of those that succeeded.
    kwargs
        For `func`.
    """

    func: Callable[..., Any]
    before: str
    after: str
    kwargs: dict[str, Any] = field(default_factory=dict)


def worker_for(store: TaskStore, step: Step, n: int, options: Mapping[str, Any], **more: Any) -> Worker:
    """Make a worker for a step; `options` and `more` are those of `Worker`."""
    return Worker(
        store.pool,
        step.func,
        n=n,
        store=store,
        kwargs=step.kwargs,
        before_status=step.before,
        after_status=step.after,
        **more,
        **options,
    )


@contextmanager
def helping(
    store: TaskStore, step: Step, n: int, query: Mapping[str, Any], options: Mapping[str, Any]
) -> Iterator[Callable[[], None]]:
    """Let processes of this machine work on tasks while a block runs.

    Parameters
    ----------
    store
        Of the pool.
    step
        What they do.
    n
        How many.
    query
        Which tasks.
    options
        Of the `Worker`.

    Yields
    ------
    Callable
        Raises what has stopped them, if anything has.
    """
    worker = worker_for(store, step, n, options, query=query, poll=_POLL)
    errors: list[BaseException] = []
    thread = threading.Thread(target=_run, args=(worker, errors), name="rollforward-workers", daemon=True)
    thread.start()

    def check() -> None:
        if errors:
            raise errors[0]

    try:
        yield check
    finally:
        worker.stop()
        thread.join()


def _run(worker: Worker, errors: list[BaseException]) -> None:
    try:
        worker.run()
    except BaseException as error:  # noqa: BLE001  # it is raised where the training is waited for
        errors.append(error)
