"""Runs of attempts that do not count: ended as KILLED, with a tag that names the run that does.

Whoever claims a task next does this for all attempts before, when it starts and again when it has a result. A worker
does it for its own attempt when its process dies, and when its result is refused.
"""

from __future__ import annotations

import logging
import os
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from rollforward.errors import (
    PoolError,
    RecorderNotFoundError,
    RollforwardError,
    StaleClaimError,
    StoreUnreachableError,
)
from rollforward.workflow.active import on_start
from rollforward.workflow.task.codec import decode
from rollforward.workflow.task.references import RecorderRef
from rollforward.workflow.task.store.base import COMMITTED
from rollforward.workflow.task.store.query import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rollforward.workflow.task.claim import Claim
    from rollforward.workflow.task.store.base import Attempt, StoredTask, TaskStore

logger = logging.getLogger(__name__)


def end_runs(references: Sequence[RecorderRef], reason: str, successor: str | None = None) -> None:
    """End runs that do not count; what fails is logged.

    Parameters
    ----------
    references
        The runs; one that is deleted is passed over.
    reason
        Why, for the tag ``killed_because``.
    successor
        Id of the run that counts instead.
    """
    if not references:
        return
    from rollforward.workflow.mlflow_backend.alive.superseded import supersede  # noqa: PLC0415  # MLflow, if needed

    for reference in references:
        try:
            recorder = reference.load()
            supersede(str(getattr(recorder, "uri", "")), reference.id, reason, successor)
        except RecorderNotFoundError:
            logger.debug("Run %s is gone, there is nothing to end.", reference.id)
        except RollforwardError as error:
            logger.warning("Run %s, which does not count, cannot be ended: %s", reference.id, error)


def runs_before(task: StoredTask) -> tuple[str, ...]:
    """Give what earlier attempts recorded that do not count."""
    return tuple(dict.fromkeys(one.recorder for one in task.attempts if one.recorder and not _counts(one)))


def successor_of(store: TaskStore, task_id: Any) -> str | None:
    """Find the run that counts instead of an attempt's that does not; ``None`` if it is not known."""
    try:
        found = next(iter(store.find(parse({"_id": str(task_id)}), limit=1)), None)
    except (PoolError, StoreUnreachableError):
        return None
    if found is None:
        return None
    texts = [found.recorder, *(one.recorder for one in reversed(found.attempts) if _counts(one))]
    text = next((text for text in texts if text is not None), None)
    return None if text is None else str(decode(text).id)


def _counts(attempt: Attempt) -> bool:
    return attempt.outcome == COMMITTED


# --- for an attempt in this process -----------------------------------------------------------------------------


@contextmanager
def replacing(claim: Claim) -> Iterator[None]:
    """End the runs of the attempts before, as the block begins and, if it succeeds, as it ends."""
    before = [one for one in _before(claim) if not _goes_on(claim, one)]
    why = f"attempt {claim.attempt} at task {claim.id} replaces it"
    end_runs(before, why)
    yield
    # Again: a process that was cut off may have ended its run since.
    end_runs(before, why, None if claim.recorder is None else claim.recorder.id)


def end_given_up(claim: Claim) -> None:
    """End the runs of a task that was lost too often."""
    end_runs(_before(claim), f"task {claim.id} was lost too often and is failed")


def end_refused(claim: Claim) -> None:
    """End the run of an attempt whose result was refused."""
    mine = claim.recorder
    if mine is None or not claim.lost.is_set() or _goes_on(claim, mine):
        return
    successor = successor_of(claim.store, claim.id)
    if mine.id != successor:
        end_runs([mine], f"attempt {claim.attempt} at task {claim.id} does not count", successor)


def note(claim: Claim, recorder: Any) -> None:
    """Keep the first run of an attempt, so that whoever comes after a crash can end it."""
    if claim.recorder is not None:
        return
    try:
        claim.note(recorder)
    except StaleClaimError:
        claim.lost.set()
    except (PoolError, StoreUnreachableError) as error:
        logger.warning("Task %s: its recorder %s is not noted: %s", claim.id, recorder.id, error)


def _before(claim: Claim) -> list[RecorderRef]:
    return [found for text in runs_before(claim.task) if isinstance(found := decode(text), RecorderRef)]


def _goes_on(claim: Claim, recorder: RecorderRef) -> bool:
    """Tell whether a run is that of the first step, which the second one goes on with."""
    return isinstance(claim.result, RecorderRef) and claim.result.id == recorder.id


_told: ContextVar[tuple[int, Callable[[Any], None]] | None] = ContextVar("rollforward_told_of_runs", default=None)
_observing: list[bool] = []


@contextmanager
def telling(tell: Callable[[Any], None]) -> Iterator[None]:
    """Call a function with each run that starts within the block, in this process."""
    if not _observing:
        _observing.append(True)
        on_start(_observe)
    token = _told.set((os.getpid(), tell))
    try:
        yield
    finally:
        _told.reset(token)


def _observe(recorder: Any) -> None:
    told = _told.get()
    if told is not None and told[0] == os.getpid():
        told[1](recorder)
