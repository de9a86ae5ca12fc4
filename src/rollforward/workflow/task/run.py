"""Working on a pool in this process, until it is empty."""

from __future__ import annotations

import logging
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, Any

from rollforward import settings
from rollforward.errors import PoolError, StaleClaimError, StoreUnreachableError, TaskError
from rollforward.workflow.task.claim import BACKOFF, Claim, claim_next
from rollforward.workflow.task.pulse import Presence
from rollforward.workflow.task.store.base import DEFAULT_LEASE, DEFAULT_MAX_ATTEMPTS, PART_DONE, WAITING, Owner
from rollforward.workflow.task.store.opening import as_store
from rollforward.workflow.task.store.query import parse

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

    from rollforward.settings import Settings
    from rollforward.workflow.task.store.base import TaskStore

logger = logging.getLogger(__name__)


def run_task(
    task_func: Callable[..., Any],
    task_pool: str,
    query: Mapping[str, Any] | None = None,
    force_release: bool = False,
    before_status: str = WAITING,
    after_status: str = "done",
    *,
    store: TaskStore | str | os.PathLike[str] | None = None,
    lease: float = DEFAULT_LEASE,
    max_attempts: int = DEFAULT_MAX_ATTEMPTS,
    backoff: float = BACKOFF,
    **kwargs: Any,
) -> bool:
    """Work on a pool until nothing is left to claim, waiting for tasks that back off after a failed attempt.

    A task that fails is tried again, up to `max_attempts` times, and does not stop the others; see
    `TaskManager.wait` for its error. Ctrl-C and SIGTERM give the task back.

    Parameters
    ----------
    task_func
        Called with the definition (of a ``waiting`` task) or the result of the first step (of a ``part_done`` one) and
        `kwargs`. What it returns is the result: a recorder, or data; see `rollforward.workflow.task.codec`.
    task_pool
        Name of the pool.
    query
        Which tasks.
    force_release
        Run each task in a process of its own, so that its memory is given back; `task_func` is importable by name then.
    before_status, after_status
        Status of the tasks to claim, ``waiting`` or ``part_done``, and of those that succeeded.
    store
        As in `TaskManager`.
    lease, max_attempts, backoff
        As in `TaskManager.claim`.
    kwargs
        For `task_func`.

    Returns
    -------
    bool
        Whether a task was run.

    Raises
    ------
    PoolError
        If `before_status` is another status.
    """
    if before_status not in (WAITING, PART_DONE):
        raise PoolError(f"Tasks that are {before_status!r} cannot be run.", "waiting or part_done.")
    opened = as_store(task_pool, store)
    wanted, owner, n_run = parse(query), Owner.here(), 0
    presence = Presence(opened, owner, {"function": getattr(task_func, "__qualname__", str(task_func))})
    call = _in_fresh_process if force_release else _here
    with presence.beating():
        while True:
            claim = claim_next(
                opened, wanted, before_status, lease=lease, owner=owner, max_attempts=max_attempts, backoff=backoff
            )
            if claim is not None:
                presence.info["task"] = str(claim.id)
                n_run += 1
                run_claim(claim, task_func, after_status, call=call, **kwargs)
                continue
            pause = opened.next_available(wanted, before_status)
            if pause is None:
                return n_run > 0
            # Others may take it, or the clocks may differ: look again, and not at every millisecond.
            time.sleep(min(max(pause, 0.01), 1.0))


def run_claim(
    claim: Claim,
    task_func: Callable[..., Any],
    after_status: str = "done",
    *,
    call: Callable[..., Any] | None = None,
    **kwargs: Any,
) -> bool:
    """Run one claimed task with its lease kept alive; commit, or note the failure.

    Parameters
    ----------
    claim
        Is over afterwards.
    task_func, after_status, kwargs
        As in `run_task`.
    call
        Calls ``call(task_func, argument, kwargs)``, for instance in another process; ``None``: here.

    Returns
    -------
    bool
        Whether the result is committed.
    """
    began = time.monotonic()
    try:
        with claim.beating():
            try:
                result = (call or _here)(task_func, claim.argument, kwargs)
            except (KeyboardInterrupt, SystemExit):
                _let_go(claim)
                raise
            claim.commit(result, after_status)
    except StaleClaimError as error:
        # The result of another attempt counts; this one is dropped.
        logger.warning("Task %s, attempt %d: the result is dropped. %s", claim.id, claim.attempt, error.given)
        return False
    except Exception as error:  # noqa: BLE001  whatever a task raises, the others go on
        _note_failure(claim, error)
        return False
    logger.info(
        "Task %s, attempt %d: %s after %.1f s.", claim.id, claim.attempt, after_status, time.monotonic() - began
    )
    return True


def _let_go(claim: Claim) -> None:
    """Give a task back on the way out, which nothing may stop."""
    try:
        claim.give_back()
    except (PoolError, StoreUnreachableError) as error:
        logger.warning("Task %s cannot be given back, its lease will pass: %s", claim.id, error.given)


def _note_failure(claim: Claim, error: Exception) -> None:
    # Neither what cannot be stored nor what cannot be read gets better by repetition.
    retry = not isinstance(error, TaskError)
    try:
        again = claim.fail(error, retry=retry)
    except StaleClaimError as stale:
        logger.warning("Task %s, attempt %d: %s", claim.id, claim.attempt, stale.given)
        return
    except (PoolError, StoreUnreachableError):
        logger.exception("Task %s: its failure cannot be noted, it is tried again later.", claim.id)
        return
    then = "it is tried again" if again else "it is failed"
    logger.error("Task %s, attempt %d failed, %s: %s", claim.id, claim.attempt, then, error, exc_info=error)


def _here(func: Callable[..., Any], argument: Any, kwargs: Mapping[str, Any]) -> Any:
    return func(argument, **kwargs)


def _in_fresh_process(func: Callable[..., Any], argument: Any, kwargs: Mapping[str, Any]) -> Any:
    # Spawned: it shares no locks, no threads and no connection with this process.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=context) as pool:
        try:
            return pool.submit(_with_settings, settings.current(), func, argument, kwargs).result()
        except BrokenProcessPool as error:
            raise PoolError(
                "The process of the task died without an answer.",
                "a process that returns a result or raises.",
                "Look for a crash or for the system's out-of-memory killer; force_release=False shows more.",
            ) from error


def _with_settings(inherited: Settings, func: Callable[..., Any], argument: Any, kwargs: Mapping[str, Any]) -> Any:
    settings.install(inherited)
    return func(argument, **kwargs)
