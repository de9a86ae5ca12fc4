"""The values that a store of tasks takes and gives."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

WAITING, RUNNING, PART_DONE, DONE, FAILED = "waiting", "running", "part_done", "done", "failed"
STATUSES = (WAITING, RUNNING, PART_DONE, DONE, FAILED)
CLAIMABLE = (WAITING, PART_DONE)

#: How an attempt ended. A ``lost`` one never said so: its lease passed, and somebody else claimed the task. A
#: ``revoked`` one was taken from its worker by hand. One that was ``given up`` never began: too many were lost before.
COMMITTED, RETURNED, ERROR, LOST, REVOKED = "committed", "returned", "error", "lost", "revoked"
GIVEN_UP = "given up"

DEFAULT_LEASE = 60.0
DEFAULT_MAX_ATTEMPTS = 3
KEPT_ATTEMPTS = 50
KEPT_EVENTS = 100


@dataclass(frozen=True)
class Owner:
    """Who works on a task.

    Parameters
    ----------
    worker
        Name of the worker.
    host, pid
        Its machine and process.
    """

    worker: str
    host: str = field(default_factory=socket.gethostname)
    pid: int = field(default_factory=os.getpid)

    @classmethod
    def here(cls, worker: str | None = None) -> Owner:
        """Name this process; without a name of its own a worker is ``host:pid``."""
        host, pid = socket.gethostname(), os.getpid()
        return cls(worker or f"{host}:{pid}", host, pid)


@dataclass(frozen=True)
class Attempt:
    """One try at a task; `recorder` is the text of a reference, see `rollforward.workflow.task.codec`."""

    number: int
    worker: str
    host: str
    pid: int
    started: datetime | None
    ended: datetime | None
    outcome: str
    exception: str = ""
    traceback: str = ""
    recorder: str | None = None


@dataclass(frozen=True)
class Event:
    """Something that was done to a task by hand: when, what, by whom."""

    at: datetime
    what: str
    who: str
    detail: str = ""


@dataclass(frozen=True)
class NewTask:
    """A task to be added.

    Parameters
    ----------
    identity
        Hash of the definition; a pool has each at most once.
    definition
        Text of the definition.
    filter
        Its plain form, for queries.
    priority
        Higher goes first.
    status
        ``waiting`` or ``part_done``.
    """

    identity: str
    definition: str
    filter: Mapping[str, Any]
    priority: int = 0
    status: str = WAITING


@dataclass(frozen=True)
class StoredTask:
    """A task as it was when it was read.

    Parameters
    ----------
    id
        An ObjectId of MongoDB, or a `TaskId`.
    identity
        Hash of the definition.
    status
        One of `STATUSES`.
    definition, filter, result
        Texts of the first and the last, and the plain form; ``None`` where they were not asked for, or there is none.
    priority
        Higher goes first.
    attempt
        Goes up with each claim and whenever a claim is taken back; whoever writes must know it.
    tries
        Attempts that count towards the limit: one that was given back does not.
    origin
        Status that the task was claimed from; ``""`` unless it is running.
    available_at
        Before this moment nobody claims it: the end of its lease, or of its backoff.
    owner, nonce
        Who works on it, and the name of that claim; ``None`` and ``""`` unless it is running.
    recorder
        Text of the reference that the running attempt left.
    error, traceback
        Of the last attempt that failed.
    created_at, started_at, ended_at
        In UTC; the last two are of the last attempt.
    attempts
        Those that have ended, oldest first; at most the last 50.
    events
        What was done by hand, oldest first; at most the last 100.
    """

    id: Any
    identity: str
    status: str
    priority: int
    attempt: int
    tries: int
    origin: str
    available_at: datetime
    owner: Owner | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    recorder: str | None = None
    error: str = ""
    traceback: str = field(default="", repr=False)
    attempts: tuple[Attempt, ...] = field(default=(), repr=False)
    events: tuple[Event, ...] = field(default=(), repr=False)
    definition: str | None = field(default=None, repr=False)
    filter: Mapping[str, Any] | None = field(default=None, repr=False)
    result: str | None = field(default=None, repr=False)
    nonce: str = field(default="", repr=False)


@dataclass(frozen=True)
class Ending:
    """How an attempt ends.

    Parameters
    ----------
    status
        Of the task from now on.
    outcome
        ``committed``, ``returned`` or ``error``.
    result
        Text of the result; ``None`` leaves the one that is there.
    delay
        Seconds before the task may be claimed again.
    counts
        Whether the attempt counts towards the limit.
    exception, traceback
        Why it failed.
    recorder
        Text of the reference to what it recorded.
    nonce
        Names this call: said twice, it is done once.
    """

    status: str
    outcome: str
    result: str | None = None
    delay: float = 0.0
    counts: bool = True
    exception: str = ""
    traceback: str = ""
    recorder: str | None = None
    nonce: str = ""

    @property
    def is_step(self) -> bool:
        """Whether one step of several is done: the next one has all its attempts before it."""
        return self.outcome == COMMITTED and self.status in CLAIMABLE


@dataclass(frozen=True)
class Change:
    """What is done to tasks by hand; ``None`` leaves a part as it is.

    Parameters
    ----------
    what
        Its name in the events.
    status
        A status other than ``running`` takes the task from whoever works on it.
    priority
        Higher goes first.
    forget_tries
        Whether the attempts so far no longer count.
    error
        Why the task is failed from now on.
    who
        Who did it.
    """

    what: str
    status: str | None = None
    priority: int | None = None
    forget_tries: bool = False
    error: str = ""
    who: str = ""


@dataclass(frozen=True)
class Worker:
    """A process that works on a pool.

    Parameters
    ----------
    owner
        Its name, machine and process.
    info
        What else it says about itself: plain values.
    started_at, seen_at
        Of its registration and its last sign of life, by the clock of the store.
    is_alive
        Whether it promised to give a sign later than now.
    """

    owner: Owner
    info: Mapping[str, Any]
    started_at: datetime
    seen_at: datetime
    is_alive: bool


def queue_of(status: str) -> str | None:
    """Name the queue in which a task that is not running stands; ``None`` for one that nobody claims."""
    return status if status in CLAIMABLE else None
