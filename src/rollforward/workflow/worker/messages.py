"""What the three kinds of processes of a worker say to each other: plain values, and nothing of the store.

The *worker* talks to the store. It has one *keeper*, which has imported what tasks need, starts a *child* for each task
and ends children that may not go on. A child is told one job and answers; it never sees the store.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rollforward.settings import Settings


@dataclass(frozen=True)
class Plan:
    """What a keeper needs to know.

    Parameters
    ----------
    func
        The task function, or where it is: ``module:name``.
    kwargs
        Its keyword arguments.
    settings
        In force in the children.
    method
        ``fork`` or ``spawn``: how a child is started.
    preload
        Modules that are imported once, before children are forked; ``None``: those of tracking, if it is used.
    memory_limit
        Bytes that a child with its own children may have in memory.
    log_level
        Of what children log, to standard error; ``None``: warnings only.
    """

    func: Callable[..., Any] | str
    kwargs: Mapping[str, Any]
    settings: Settings
    method: str
    preload: tuple[str, ...] | None
    memory_limit: int | None
    log_level: int | None


@dataclass(frozen=True)
class Job:
    """One attempt at a task.

    Parameters
    ----------
    task, attempt
        Which one.
    definition, result
        Texts; the second is that of the first step, if this is the second one.
    predecessors
        Texts of references to what earlier attempts recorded.
    """

    task: str
    attempt: int
    definition: str
    result: str | None
    predecessors: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tidy:
    """Runs that nobody will end, or that do not count.

    Parameters
    ----------
    recorders
        Texts of references.
    reason
        Why.
    successor
        Id of the run that counts instead, if there is one.
    """

    recorders: tuple[str, ...]
    reason: str
    successor: str | None = None


@dataclass(frozen=True)
class Recorded:
    """A child has started a run, perhaps inside another one."""

    reference: str
    id: str
    is_inner: bool


@dataclass(frozen=True)
class Done:
    """A child has a result, as text."""

    result: str


@dataclass(frozen=True)
class Failed:
    """A child has an error; `retry` tells whether another attempt could succeed."""

    error: str
    traceback: str
    retry: bool


@dataclass(frozen=True)
class Limit:
    """How long a child may go on.

    Parameters
    ----------
    number
        The child.
    reason
        Names the limit: a later one of the same name replaces it.
    soft, hard
        Moments by ``time.monotonic``: of SIGTERM, and of SIGKILL.
    """

    number: int
    reason: str
    soft: float
    hard: float


@dataclass(frozen=True)
class Finished:
    """A child has said all it had to say; it may take a moment to leave."""

    number: int


@dataclass(frozen=True)
class Idle:
    """A child waits for its next job; no limit holds."""

    number: int


@dataclass(frozen=True)
class Ended:
    """A child is gone: its exit code, negative for a signal, and the reason if it was made to end."""

    number: int
    exitcode: int | None
    reason: str


@dataclass(frozen=True)
class Ready:
    """A keeper can start children."""


@dataclass(frozen=True)
class Broken:
    """A keeper cannot start children; the last two are parts of an error of rollforward."""

    error: str
    traceback: str
    expected: str = ""
    remedy: str = ""


#: Names of limits.
LEASE, TIMEOUT, STOPPING, TAKEN, LEAVING, MEMORY = "lease", "timeout", "stopping", "taken", "leaving", "memory"
