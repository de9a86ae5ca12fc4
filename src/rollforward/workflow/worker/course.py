"""What is known of an attempt under way, and how long its process may live."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rollforward.workflow.worker.messages import LEASE, TAKEN, Done, Failed

if TYPE_CHECKING:
    from rollforward.workflow.task.claim import Claim
    from rollforward.workflow.worker.nursery import Child

# Parts of a lease before its end: at which a child that cannot be kept is asked to leave, and is ended.
_SOFT, _HARD = 0.2, 0.1
TO_LEAVE = 2.0


@dataclass(eq=False)
class Lease:
    """Renews a claim, and tells the keeper how long its child may live."""

    claim: Claim
    child: Child

    def extend(self) -> None:
        """Let the child live for as long as nobody else can claim its task."""
        end, lease = time.monotonic() + self.claim.seconds_left, self.claim.lease
        self.child.limit(LEASE, end - _SOFT * lease, end - _HARD * lease)

    def beat(self) -> bool:
        """Renew the claim; tell whether to go on with that."""
        goes_on = self.claim.beat()
        if self.claim.lost.is_set():
            now = time.monotonic()
            self.child.limit(TAKEN, now, now + TO_LEAVE)
        elif goes_on:
            self.extend()
        return goes_on


@dataclass(eq=False)
class Course:
    """What is known of the attempt under way."""

    claim: Claim
    child: Child
    began: float = field(default_factory=time.monotonic)
    recorders: list[tuple[str, str]] = field(default_factory=list)
    answer: Done | Failed | None = None

    def __str__(self) -> str:
        return f"Task {self.claim.id}, attempt {self.claim.attempt}"

    @property
    def took(self) -> str:
        """Say how long it took, and which run it recorded."""
        seconds = f" after {time.monotonic() - self.began:.2f} s"
        return seconds + (f", recorder {self.recorders[0][1]}" if self.recorders else "")
