"""Holding a task: a lease that is renewed, and the four ways to let go of it."""

from __future__ import annotations

import logging
import random
import threading
import time
import traceback as tracebacks
import uuid
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from rollforward.errors import PoolError, StaleClaimError, StoreUnreachableError
from rollforward.workflow.task.codec import decode, encode
from rollforward.workflow.task.pulse import Pulse
from rollforward.workflow.task.references import RecorderRef
from rollforward.workflow.task.store.base import (
    COMMITTED,
    DEFAULT_LEASE,
    DEFAULT_MAX_ATTEMPTS,
    DONE,
    ERROR,
    FAILED,
    GIVEN_UP,
    PART_DONE,
    RETURNED,
    WAITING,
    Ending,
    Owner,
    StoredTask,
    TaskStore,
)
from rollforward.workflow.task.store.query import EVERYTHING

if TYPE_CHECKING:
    from collections.abc import Callable

    from rollforward.workflow.recorder import Recorder
    from rollforward.workflow.task.store.query import Group

logger = logging.getLogger(__name__)

BACKOFF, LONGEST_BACKOFF = 1.0, 600.0
_KEPT_TRACEBACK = 20_000
_BEATS_PER_LEASE = 4


class Claim:
    """A task that this process works on.

    Whoever holds it keeps its lease alive (`beating`), and ends with exactly one of `commit`, `give_back` and `fail`.
    Each of them, `renew` and `note`, raises `StaleClaimError`, and writes nothing, when the task was claimed by
    somebody else or taken back meanwhile.

    Parameters
    ----------
    store
        Where the task is.
    task
        As it was claimed, with definition and result.
    lease
        Seconds from one renewal to the end of the claim.
    claimed
        When it was asked for, by ``time.monotonic``.
    max_attempts
        After that many failed attempts the task is failed for good.
    backoff
        Seconds before the second attempt; doubled for each further one, with some jitter.
    """

    def __init__(
        self,
        store: TaskStore,
        task: StoredTask,
        lease: float = DEFAULT_LEASE,
        claimed: float | None = None,
        max_attempts: int = DEFAULT_MAX_ATTEMPTS,
        backoff: float = BACKOFF,
    ) -> None:
        self.store = store
        self.task = task
        self.lease = lease
        self.max_attempts = max_attempts
        self.backoff = backoff
        self.recorder: RecorderRef | None = None
        #: Set when the claim is known to be somebody else's. See also `seconds_left`.
        self.lost = threading.Event()
        self.is_over = False
        self._nonces: dict[str, str] = {}
        self._deadline = (time.monotonic() if claimed is None else claimed) + lease

    def __repr__(self) -> str:
        return f"{type(self).__name__}(id={str(self.id)!r}, attempt={self.attempt}, pool={self.store.pool!r})"

    @property
    def id(self) -> Any:
        """Id of the task."""
        return self.task.id

    @property
    def attempt(self) -> int:
        """Number of the attempt, which every write names, beside the nonce of this claim."""
        return self.task.attempt

    @cached_property
    def definition(self) -> Any:
        """The definition; a `TaskError` if it cannot be read here."""
        return decode(self.task.definition or "null")

    @cached_property
    def result(self) -> Any:
        """What the earlier step of a task left that is ``part_done``; ``None`` if there was none."""
        return decode(self.task.result or "null")

    @property
    def argument(self) -> Any:
        """What the task function is given: the definition; for the second step of a task the result of the first."""
        if self.task.origin != PART_DONE:
            return self.definition
        return self.result.load() if isinstance(self.result, RecorderRef) else self.result

    @property
    def seconds_left(self) -> float:
        """Seconds for which nobody else can have claimed the task; not above zero: stop working on it."""
        return 0.0 if self.lost.is_set() else self._deadline - time.monotonic()

    def renew(self) -> None:
        """Let the lease last its full length from now."""
        asked = time.monotonic()
        try:
            self.store.renew(self.id, self.attempt, self.lease, self.task.nonce)
        except StaleClaimError:
            self.lost.set()
            raise
        self._deadline = asked + self.lease

    def note(self, recorder: Recorder | RecorderRef) -> None:
        """Keep which recorder this attempt writes to, so that whoever comes after a crash can end it."""
        self.recorder = recorder if isinstance(recorder, RecorderRef) else RecorderRef.of(recorder)
        self.store.note(self.id, self.attempt, encode(self.recorder), self.task.nonce)

    def commit(self, result: Any = None, status: str = DONE) -> None:
        """Store the result and end the attempt.

        Raises
        ------
        TaskError
            If the result has no form as data, see `rollforward.workflow.task.codec`. The claim is still held then.
        """
        self.commit_text(encode(result, "result"), status)

    def commit_text(self, text: str, status: str = DONE) -> None:
        """Store a result that has its form as data already, and end the attempt."""
        recorder = text if text.startswith('{"$recorder"') else None
        self._end(Ending(status, COMMITTED, result=text, recorder=recorder))

    def give_back(self, status: str | None = None) -> None:
        """Let somebody else do it, at once; the attempt does not count.

        Parameters
        ----------
        status
            Of the task from now on; ``None``: the one that it was claimed from.
        """
        self._end(Ending(status or self.task.origin or WAITING, RETURNED, counts=False))

    def fail(self, error: BaseException | str, *, retry: bool = True, traceback: str = "") -> bool:
        """End the attempt without a result.

        Parameters
        ----------
        error
            Kept with its traceback.
        retry
            Whether another attempt could succeed.
        traceback
            Of an error that is given as text.

        Returns
        -------
        bool
            Whether there will be another attempt; if not, the task is ``failed``.
        """
        again = retry and self.task.tries < self.max_attempts
        delay = min(LONGEST_BACKOFF, self.backoff * 2 ** (self.task.tries - 1)) * random.uniform(0.75, 1.25)  # noqa: S311
        status = (self.task.origin or WAITING) if again else FAILED
        self._end(
            Ending(
                status,
                ERROR,
                delay=delay if again else 0.0,
                exception=_headline(error),
                traceback=traceback or _traceback(error),
            )
        )
        return again

    def give_up(self) -> None:
        """End a task that was lost too often; the attempt did not begin."""
        n_lost = self.task.tries - 1
        said = f"lost {n_lost} times: its worker died, or could not renew the lease of {self.lease:g} s"
        self._end(Ending(FAILED, GIVEN_UP, counts=False, exception=said))

    def beating(self) -> Pulse:
        """Renew the lease in the background for the length of a ``with`` block."""
        return Pulse(self, self.lease / _BEATS_PER_LEASE)

    def beat(self) -> bool:
        """Renew the lease; tell whether to go on with that."""
        if self.is_over:
            return False
        try:
            self.renew()
        except StaleClaimError as error:
            if not self.is_over:
                logger.warning("Task %s: %s", self.id, error.given)
            return False
        except (PoolError, StoreUnreachableError) as error:
            logger.warning(
                "Task %s: its lease cannot be renewed, %.0f s are left: %s", self.id, self.seconds_left, error
            )
        return True

    def _end(self, ending: Ending) -> None:
        # Said again after an answer that was lost, it is the same ending: the first may have been written.
        nonce = self._nonces.setdefault(ending.outcome, _nonce())
        try:
            self.store.finish(self.id, self.attempt, replace(ending, nonce=nonce), self.task.nonce)
        except StaleClaimError:
            self.lost.set()
            self.is_over = True
            raise
        self.is_over = True


def claim_next(
    store: TaskStore,
    query: Group = EVERYTHING,
    status: str = WAITING,
    *,
    lease: float = DEFAULT_LEASE,
    owner: Owner | None = None,
    max_attempts: int = DEFAULT_MAX_ATTEMPTS,
    backoff: float = BACKOFF,
    on_given_up: Callable[[Claim], None] | None = None,
) -> Claim | None:
    """Claim the first task of a status; one that was lost too often is failed on the way, and told to `on_given_up`.

    Returns
    -------
    Claim or None
        ``None`` if there is nothing to claim now.
    """
    while True:
        asked = time.monotonic()
        task = store.claim(query, status, lease, owner or Owner.here(), _nonce())
        if task is None:
            return None
        claim = Claim(store, task, lease, asked, max_attempts, backoff)
        if task.tries <= max_attempts:
            return claim
        try:
            claim.give_up()
        except StaleClaimError:
            continue
        logger.error("Task %s is failed: it was lost %d times.", task.id, task.tries - 1)
        if on_given_up is not None:
            on_given_up(claim)


def _nonce() -> str:
    return uuid.uuid4().hex


def _headline(error: BaseException | str) -> str:
    if isinstance(error, str):
        return error
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _traceback(error: BaseException | str) -> str:
    if isinstance(error, str):
        return ""
    text = "".join(tracebacks.format_exception(error))
    # The end says most; half a character is no text for a database.
    return text[-_KEPT_TRACEBACK:].encode("utf-8", "replace").decode()
