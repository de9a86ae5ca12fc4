"""Who is at work on a ledger: a param on the run of its head, first come first served, and signs of life beside it."""

from __future__ import annotations

import json
import logging
import math
import threading
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rollforward.errors import OnlineBusyError, TrackingError
from rollforward.workflow.task.recorders import known_of, tags_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from rollforward.workflow.recorder import Recorder

logger = logging.getLogger(__name__)

_PARAM, _SIGN = "lease.", "online.lease."
# Tag of a run: the one that the lease is on instead.
ELSEWHERE = "online.lease_on"
_RELEASED = "released"
# Signs of life in the time after which a holder counts as dead.
_BEATS = 3
# Seconds between two looks at somebody else's lease.
_SHORTEST, _LONGEST = 0.05, 2.0
# Who does not wait judges a sign of life by the clock of whoever gave it, which may be wrong: so many times as long.
_PATIENCE = 3.0

# Leases of this process that are not released: another one of it belongs to nobody any more.
_own: set[str] = set()


@dataclass(frozen=True)
class Holder:
    """Who holds a lease.

    Parameters
    ----------
    owner
        The process, as ``host/pid/start``.
    since
        Since when, by its clock.
    nonce
        What tells this lease from every other.
    """

    owner: str
    since: datetime
    nonce: str

    @property
    def host(self) -> str:
        """Name of its machine."""
        return self.owner.split("/")[0]

    @property
    def pid(self) -> int:
        """Number of its process."""
        return int(self.owner.split("/")[1])

    @property
    def is_gone(self) -> bool | None:
        """Whether the process has ended; ``None`` if that cannot be seen from here."""
        from rollforward.workflow.mlflow_backend.alive.owner import Owner, this_process  # noqa: PLC0415  # MLflow

        if self.owner == str(this_process()):
            return self.nonce not in _own
        owner = Owner.parse(self.owner)
        return None if owner is None else owner.is_gone()

    def __str__(self) -> str:
        """Say who, where and since when."""
        return f"process {self.pid} on {self.host} since {self.since.astimezone():%Y-%m-%d %H:%M:%S}"

    def to_param(self) -> str:
        """Spell it as a param."""
        return json.dumps({"owner": self.owner, "since": self.since.isoformat(), "nonce": self.nonce})

    @classmethod
    def of_param(cls, text: str) -> Holder:
        """Read what `to_param` wrote."""
        given: dict[str, Any] = json.loads(text)
        return cls(given["owner"], datetime.fromisoformat(given["since"]), given["nonce"])


@dataclass(frozen=True)
class Seen:
    """The last lease on a run, as it was just read.

    Parameters
    ----------
    number
        How many came before it on this run; -1 if there is none.
    holder
        Whose it is.
    sign
        The last sign of life, or that it was released; ``None`` if there was none yet.
    """

    number: int
    holder: Holder | None
    sign: str | None

    @classmethod
    def on(cls, run: Recorder) -> Seen:
        """Look at a run that was just read."""
        params: dict[str, str] = known_of(run, "params")
        number = max((int(key.removeprefix(_PARAM)) for key in params if key.startswith(_PARAM)), default=-1)
        if number < 0:
            return cls(number, None, None)
        return cls(number, Holder.of_param(params[f"{_PARAM}{number}"]), tags_of(run).get(f"{_SIGN}{number}"))

    @property
    def is_free(self) -> bool:
        """Whether nobody is at work, for sure."""
        return self.holder is None or self.sign == _RELEASED or self.holder.is_gone is True

    def age(self) -> float:
        """Return the seconds since the last sign of life, if both clocks are right; infinite if nobody is at work."""
        if self.holder is None or self.sign == _RELEASED:
            return math.inf
        last = self.holder.since if self.sign is None else datetime.fromisoformat(self.sign)
        return (datetime.now(UTC) - last).total_seconds()


def holder_in(run: Recorder) -> Holder | None:
    """Return who holds the lease on a run that was just read; ``None`` if nobody does."""
    seen = Seen.on(run)
    return None if seen.is_free else seen.holder


class Lease:
    """The right to be at work; see `Chain.lease`.

    Parameters
    ----------
    tip
        Reads the run of the head.
    seconds
        Without a sign of life for so long, a holder is dead.
    clock
        Seconds that never go back.
    rest
        Waits for some seconds.
    """

    def __init__(
        self,
        tip: Callable[[], Recorder],
        seconds: float = 60.0,
        *,
        clock: Callable[[], float] = time.monotonic,
        rest: Callable[[float], object] = time.sleep,
    ) -> None:
        self.holder: Holder | None = None
        self._tip = tip
        self._seconds = seconds
        self._clock = clock
        self._rest = rest
        self._place: tuple[Recorder, int] | None = None
        self._moving = threading.Lock()

    def take(self, *, wait: bool) -> None:
        """Become the holder; see `Chain.lease`."""
        before: tuple[str | None, Seen] | None = None
        changed, pause = self._clock(), _SHORTEST
        while True:
            run = self._tip()
            seen = Seen.on(run)
            if before != (run.id, seen):
                if before is None and seen.holder is not None and wait and not seen.is_free:
                    logger.info("Waiting for the %s", seen.holder)
                before, changed = (run.id, seen), self._clock()
            is_silent = self._clock() - changed >= self._seconds if wait else seen.age() > _PATIENCE * self._seconds
            if seen.is_free or is_silent:
                if self._put(run, seen.number + 1):
                    return
            elif not wait:
                raise _busy(seen.holder)
            else:
                self._rest(pause)
                pause = min(2 * pause, _LONGEST)

    def _put(self, run: Recorder, number: int) -> bool:
        from rollforward.workflow.mlflow_backend.alive.heartbeat import heart  # noqa: PLC0415  # MLflow
        from rollforward.workflow.mlflow_backend.alive.owner import this_process  # noqa: PLC0415  # MLflow

        mine = Holder(str(this_process()), datetime.now(UTC), uuid.uuid4().hex)
        # Before anybody can read it: threads of this process see that it belongs to somebody.
        _own.add(mine.nonce)
        is_mine = False
        try:
            is_mine = run.put_param_once(f"{_PARAM}{number}", mine.to_param()) == mine.to_param()
        finally:
            if not is_mine:
                _own.discard(mine.nonce)
        if not is_mine:
            return False
        self.holder, self._place = mine, (run, number)
        heart.add(id(self), lambda _: self._sign(), self._seconds / _BEATS)
        return True

    def _sign(self, sign: str | None = None) -> None:
        with self._moving:
            if self._place is not None:
                run, number = self._place
                run.set_tags(**{f"{_SIGN}{number}": sign or datetime.now(UTC).isoformat()})

    def check(self, tip: Recorder | None = None) -> None:
        """Make sure that nobody took over.

        Parameters
        ----------
        tip
            The run of the head if it was just read; ``None`` reads it.

        Raises
        ------
        OnlineBusyError
            If somebody did.
        """
        holder = Seen.on(tip or self._tip()).holder
        if holder is None or holder != self.holder:
            raise _busy(holder)

    def carry(self, run: Recorder) -> dict[str, str]:
        """Put the lease on a run that is to be the next head; return tags to write there."""
        if self.holder is None:
            return {}
        run.put_param_once(f"{_PARAM}0", self.holder.to_param())
        return {f"{_SIGN}0": datetime.now(UTC).isoformat()}

    def stay(self) -> dict[str, str]:
        """Return tags for a run that is to be the next head, by which the lease is found where it is."""
        return {} if self._place is None else {ELSEWHERE: self._place[0].require_id()}

    def moved(self, run: Recorder) -> None:
        """Take note that a run to which the lease was carried is the head now."""
        with self._moving:
            self._place = (run, 0)

    def release(self) -> None:
        """Let others work; that it could not be written is only logged, for then they will find out."""
        from rollforward.workflow.mlflow_backend.alive.heartbeat import heart  # noqa: PLC0415  # MLflow

        heart.remove(id(self))
        try:
            self._sign(_RELEASED)
        except TrackingError as error:
            logger.warning("The lease on the ledger could not be given back, others will wait a while: %s", error)
        finally:
            if self.holder is not None:
                _own.discard(self.holder.nonce)
            self.holder = self._place = None


def _busy(holder: Holder | None) -> OnlineBusyError:
    who = "Somebody else" if holder is None else f"The {holder}"
    return OnlineBusyError(
        f"{who} is at work on these online models.", "to be the only one.", "Wait for it (wait=True), or try again."
    )
