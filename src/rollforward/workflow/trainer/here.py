"""Working on a pool in this process; runs of attempts that do not count are ended as a `Worker` does it."""

from __future__ import annotations

import logging
import os
import time
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any

from rollforward.errors import PoolError, StaleClaimError, StoreUnreachableError
from rollforward.workflow.active import on_start
from rollforward.workflow.task.claim import BACKOFF, claim_next
from rollforward.workflow.task.codec import decode
from rollforward.workflow.task.pulse import Presence
from rollforward.workflow.task.references import RecorderRef
from rollforward.workflow.task.run import run_claim
from rollforward.workflow.task.store.base import COMMITTED, DEFAULT_LEASE, DEFAULT_MAX_ATTEMPTS, Owner
from rollforward.workflow.task.store.query import parse
from rollforward.workflow.worker.predecessors import end_runs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from rollforward.workflow.recorder import Recorder
    from rollforward.workflow.task.claim import Claim
    from rollforward.workflow.task.store.base import StoredTask, TaskStore
    from rollforward.workflow.trainer.step import Step

logger = logging.getLogger(__name__)


def work_here(
    store: TaskStore,
    step: Step,
    query: Mapping[str, Any],
    *,
    lease: float = DEFAULT_LEASE,
    max_attempts: int = DEFAULT_MAX_ATTEMPTS,
    backoff: float = BACKOFF,
) -> None:
    """Work on tasks until none is left to claim, waiting for those that back off after a failed attempt.

    Parameters
    ----------
    store
        Of the pool.
    step
        What is done with a task.
    query
        Which tasks.
    lease, max_attempts, backoff
        As in `TaskManager.claim`.
    """
    wanted, owner = parse(query), Owner.here()
    presence = Presence(store, owner, {"function": getattr(step.func, "__qualname__", str(step.func))})
    options: dict[str, Any] = {"lease": lease, "max_attempts": max_attempts, "backoff": backoff}
    with presence.beating():
        while True:
            claim = claim_next(store, wanted, step.before, owner=owner, on_given_up=_end_given_up, **options)
            if claim is not None:
                presence.info["task"] = str(claim.id)
                _attempt(claim, step)
                continue
            pause = store.next_available(wanted, step.before)
            if pause is None:
                return
            time.sleep(min(max(pause, 0.01), 1.0))


def _attempt(claim: Claim, step: Step) -> None:
    run_claim(claim, step.func, step.after, call=partial(_call, claim), **step.kwargs)
    if claim.lost.is_set() and claim.recorder is not None and not _goes_on(claim, claim.recorder):
        end_runs([claim.recorder], f"attempt {claim.attempt} at task {claim.id} does not count")


def _call(claim: Claim, func: Callable[..., Any], argument: Any, kwargs: Mapping[str, Any]) -> Any:
    before = [one for one in _before(claim.task) if not _goes_on(claim, one)]
    why = f"attempt {claim.attempt} at task {claim.id} replaces it"
    end_runs(before, why)
    with _noting(claim):
        result = func(argument, **kwargs)
    # Again: a process that was cut off may have ended its run since.
    end_runs(before, why, getattr(result, "id", None))
    return result


def _end_given_up(claim: Claim) -> None:
    end_runs(_before(claim.task), f"task {claim.id} was lost too often and is failed")


def _before(task: StoredTask) -> list[RecorderRef]:
    """Give what earlier attempts recorded that do not count."""
    texts = dict.fromkeys(one.recorder for one in task.attempts if one.recorder and one.outcome != COMMITTED)
    return [found for text in texts if isinstance(found := decode(text), RecorderRef)]


def _goes_on(claim: Claim, recorder: RecorderRef) -> bool:
    """Tell whether a run is that of the first step, which the second one goes on with."""
    return isinstance(claim.result, RecorderRef) and claim.result.id == recorder.id


# --- the run of an attempt, as soon as there is one -------------------------------------------------------------

_noted_by: ContextVar[tuple[int, Claim] | None] = ContextVar("rollforward_claim_here", default=None)
_observing: list[bool] = []


@contextmanager
def _noting(claim: Claim) -> Iterator[None]:
    if not _observing:
        _observing.append(True)
        on_start(_observe)
    token = _noted_by.set((os.getpid(), claim))
    try:
        yield
    finally:
        _noted_by.reset(token)


def _observe(recorder: Recorder) -> None:
    noted_by = _noted_by.get()
    if noted_by is None or noted_by[0] != os.getpid() or noted_by[1].recorder is not None:
        return
    claim = noted_by[1]
    try:
        claim.note(recorder)
    except StaleClaimError:
        claim.lost.set()
    except (PoolError, StoreUnreachableError) as error:
        logger.warning("Task %s: its recorder %s is not noted: %s", claim.id, recorder.id, error)
