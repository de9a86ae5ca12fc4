"""Working on a pool in this process, until it is empty."""

from __future__ import annotations

import logging
import multiprocessing
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from rollforward import settings
from rollforward.errors import PoolError, StaleClaimError, StoreUnreachableError, TaskError
from rollforward.workflow.leaving import sigterm_as_exception
from rollforward.workflow.task.claim import BACKOFF, Claim, claim_next
from rollforward.workflow.task.codec import decode, encode
from rollforward.workflow.task.predecessors import end_given_up, end_refused, note, replacing, telling
from rollforward.workflow.task.pulse import Presence
from rollforward.workflow.task.references import RecorderRef
from rollforward.workflow.task.store.base import DEFAULT_LEASE, DEFAULT_MAX_ATTEMPTS, PART_DONE, WAITING, Owner
from rollforward.workflow.task.store.opening import as_store
from rollforward.workflow.task.store.query import parse

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Mapping
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnContext

    from rollforward.settings import Settings
    from rollforward.workflow.recorder import Recorder
    from rollforward.workflow.task.store.base import TaskStore
    from rollforward.workflow.task.store.query import Group

    _Call = Callable[[Claim, Callable[..., Any], Mapping[str, Any]], Any]

logger = logging.getLogger(__name__)

_TO_HEAR = 10.0


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
    `TaskManager.wait` for its error. Ctrl-C and SIGTERM give the task back; SIGTERM only in the main thread, and if the
    program does not handle it itself. Runs of attempts that do not count are ended, see `Worker`.

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
    n_run = work_off(
        as_store(task_pool, store),
        task_func,
        kwargs,
        parse(query),
        (before_status, after_status),
        lease=lease,
        max_attempts=max_attempts,
        backoff=backoff,
        call=_in_fresh_process if force_release else _here,
    )
    return n_run > 0


def work_off(
    store: TaskStore,
    task_func: Callable[..., Any],
    kwargs: Mapping[str, Any],
    query: Group,
    statuses: tuple[str, str],
    *,
    lease: float = DEFAULT_LEASE,
    max_attempts: int = DEFAULT_MAX_ATTEMPTS,
    backoff: float = BACKOFF,
    call: _Call | None = None,
) -> int:
    """Work on tasks until none is left to claim; see `run_task`.

    Returns
    -------
    int
        How many attempts were made.
    """
    before, after = statuses
    owner, n_run = Owner.here(), 0
    presence = Presence(store, owner, {"function": getattr(task_func, "__qualname__", str(task_func))})
    options: dict[str, Any] = {"lease": lease, "max_attempts": max_attempts, "backoff": backoff}
    with sigterm_as_exception(), presence.beating():
        while True:
            claim = claim_next(store, query, before, owner=owner, on_given_up=end_given_up, **options)
            if claim is not None:
                presence.info["task"] = str(claim.id)
                n_run += 1
                run_claim(claim, task_func, after, call=call, **kwargs)
                continue
            pause = store.next_available(query, before)
            if pause is None:
                return n_run
            # Others may take it, or the clocks may differ: look again, and not at every millisecond.
            time.sleep(min(max(pause, 0.01), 1.0))


def run_claim(
    claim: Claim,
    task_func: Callable[..., Any],
    after_status: str = "done",
    *,
    call: _Call | None = None,
    **kwargs: Any,
) -> bool:
    """Run one claimed task with its lease kept alive; commit, or note the failure.

    Runs of attempts that do not count are ended.

    Parameters
    ----------
    claim
        Is over afterwards.
    task_func, after_status, kwargs
        As in `run_task`.
    call
        Calls ``call(claim, task_func, kwargs)``, for instance in another process; ``None``: here.

    Returns
    -------
    bool
        Whether the result is committed.
    """
    began = time.monotonic()
    try:
        with claim.beating():
            with replacing(claim):
                result = (call or _here)(claim, task_func, kwargs)
            claim.commit(result, after_status)
    except (KeyboardInterrupt, SystemExit):
        _let_go(claim)
        raise
    except StaleClaimError as error:
        # The result of another attempt counts; this one is dropped.
        logger.warning("Task %s, attempt %d: the result is dropped. %s", claim.id, claim.attempt, error.given)
        end_refused(claim)
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
        if not claim.is_over:
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
        end_refused(claim)
        return
    except (PoolError, StoreUnreachableError):
        logger.exception("Task %s: its failure cannot be noted, it is tried again later.", claim.id)
        return
    then = "it is tried again" if again else "it is failed"
    logger.error("Task %s, attempt %d failed, %s: %s", claim.id, claim.attempt, then, error, exc_info=error)


def _here(claim: Claim, func: Callable[..., Any], kwargs: Mapping[str, Any]) -> Any:
    with telling(partial(note, claim)):
        return func(claim.argument, **kwargs)


def _in_fresh_process(claim: Claim, func: Callable[..., Any], kwargs: Mapping[str, Any]) -> Any:
    # Spawned: it shares no locks, no threads and no connection with this process.
    context = multiprocessing.get_context("spawn")
    with _hearing(claim, context) as to_tell, ProcessPoolExecutor(1, context, _tell_of_runs, (to_tell,)) as pool:
        try:
            answer = pool.submit(_with_settings, settings.current(), func, claim.argument, kwargs)
            return answer.result()
        except BrokenProcessPool as error:
            raise PoolError(
                "The process of the task died without an answer.",
                "a process that returns a result or raises.",
                "Look for a crash or for the system's out-of-memory killer; force_release=False shows more.",
            ) from error
        except (KeyboardInterrupt, SystemExit):
            # Else leaving the block would wait for the end of the task.
            for child in multiprocessing.active_children():
                if child.pid in (pool._processes or {}):  # noqa: SLF001  # `terminate_workers` is of Python 3.14
                    child.terminate()
            raise


@contextmanager
def _hearing(claim: Claim, context: SpawnContext) -> Iterator[Connection[Any, Any]]:
    """Note the first run that is told of through a connection."""
    runs, to_tell = context.Pipe(duplex=False)
    listener = threading.Thread(target=_listen, args=(runs, claim), name="rollforward-runs", daemon=True)
    listener.start()
    try:
        yield to_tell
    finally:
        # That of the child is closed by its end.
        to_tell.close()
        listener.join(_TO_HEAR)


def _listen(runs: Connection[Any, Any], claim: Claim) -> None:
    with runs, suppress(EOFError, OSError):
        while True:
            note(claim, decode(runs.recv()))


def _tell_of_runs(to_tell: Connection[Any, Any]) -> None:
    global _to_tell  # noqa: PLW0603  # the initializer of a process has no other place
    _to_tell = to_tell


def _with_settings(inherited: Settings, func: Callable[..., Any], argument: Any, kwargs: Mapping[str, Any]) -> Any:
    settings.install(inherited)
    with telling(_tell):
        return func(argument, **kwargs)


def _tell(recorder: Recorder) -> None:
    with suppress(OSError):
        if _to_tell is not None:
            _to_tell.send(encode(RecorderRef.of(recorder)))


_to_tell: Connection[Any, Any] | None = None
