"""One place of a worker: a task after the other, each in a child."""

from __future__ import annotations

import logging
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rollforward.errors import PoolError, StaleClaimError, StoreUnreachableError
from rollforward.workflow.task.claim import claim_next
from rollforward.workflow.task.codec import decode
from rollforward.workflow.task.predecessors import runs_before, successor_of
from rollforward.workflow.task.pulse import Presence, Pulse
from rollforward.workflow.task.store.base import PART_DONE
from rollforward.workflow.worker.causes import cause_of
from rollforward.workflow.worker.course import TO_LEAVE, Course, Lease
from rollforward.workflow.worker.messages import LEASE, STOPPING, TAKEN, TIMEOUT, Done, Failed, Job, Recorded, Tidy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rollforward.workflow.task.claim import Claim
    from rollforward.workflow.task.store.base import Owner
    from rollforward.workflow.worker.crew import Crew
    from rollforward.workflow.worker.nursery import Child, Nursery

logger = logging.getLogger(__name__)

_BEATS_PER_LEASE = 4
_TO_TIDY = 30.0
_PAUSE = 1.0


class Slot:
    """Claims tasks, has each done by a child, and commits what it says.

    Parameters
    ----------
    crew
        What all slots of a worker share.
    nursery
        Gives children.
    owner
        Name of this slot on the register.
    """

    def __init__(self, crew: Crew, nursery: Nursery, owner: Owner) -> None:
        self.crew = crew
        self.nursery = nursery
        self.owner = owner
        self._presence = Presence(crew.store, owner, {"function": crew.function})
        self._spare: Child | None = None
        self._kept: Child | None = None
        self._course: Course | None = None
        self._lock = threading.Lock()

    def run(self) -> None:
        """Work until the crew stops."""
        try:
            with self._presence.beating():
                while self._work_once():
                    pass
        except Exception as error:
            self.crew.break_down(error)
            if not isinstance(error, PoolError):
                logger.exception("A part of the worker ended.")

    def interrupt(self, to_leave: float) -> None:
        """End the child under way, which gets some seconds to leave; its task is given back."""
        with self._lock:
            course = self._course
        if course is not None:
            now = time.monotonic()
            course.child.limit(STOPPING, now, now + to_leave)

    # --- one task -----------------------------------------------------------------------------------------------

    def _work_once(self) -> bool:
        child = self._take_child()
        claim = self._next()
        if claim is None:
            child.finish()
            return False
        course = Course(claim, child)
        with self._lock:
            self._course = course
        info = self._presence.info
        info.update(task=str(claim.id), attempt=claim.attempt, since=datetime.now(UTC).isoformat(timespec="seconds"))
        try:
            self._attempt(course)
        finally:
            with self._lock:
                self._course = None
            for key in ("task", "attempt", "since", "recorder"):
                info.pop(key, None)
        return True

    def _attempt(self, course: Course) -> None:
        claim, child = course.claim, course.child
        if self.crew.is_stopping:
            child.finish()
            self._write(course, claim.give_back, "given back")
            self.crew.count("given_back")
            return
        logger.info("%s: started.", course)
        lease = Lease(claim, child)
        lease.extend()
        if self.crew.timeout is not None:
            end = course.began + self.crew.timeout
            child.limit(TIMEOUT, end, end + TO_LEAVE)
        with Pulse(lease, claim.lease / _BEATS_PER_LEASE):
            self._listen(course)
            if course.answer is not None:
                self._part_with(child, course.answer)
                self._conclude(course, course.answer)
            else:
                child.ended.wait()
                self._bury(course)

    def _listen(self, course: Course) -> None:
        """Hear the child until it has answered, or is gone."""
        task = course.claim.task
        job = Job(
            str(task.id),
            task.attempt,
            task.definition or "null",
            (task.result or "null") if task.origin == PART_DONE else None,
            runs_before(task),
        )
        connection = course.child.connection
        try:
            connection.send(job)
            while course.answer is None:
                message = connection.recv()
                if isinstance(message, Recorded):
                    self._note(course, message)
                else:
                    course.answer = message
        except (EOFError, OSError):
            connection.close()

    def _note(self, course: Course, message: Recorded) -> None:
        is_first = not course.recorders
        course.recorders.append((message.reference, message.id))
        if not is_first and message.is_inner:
            return
        self._presence.info["recorder"] = message.id
        try:
            course.claim.note(decode(message.reference))
        except StaleClaimError:
            course.claim.lost.set()
        except (PoolError, StoreUnreachableError) as error:
            logger.warning("%s: its recorder %s is not noted: %s", course, message.id, error)

    # --- its end ------------------------------------------------------------------------------------------------

    def _conclude(self, course: Course, answer: Done | Failed) -> None:
        if isinstance(answer, Failed):
            self._fail(course, answer.error, answer.traceback, retry=answer.retry)
            return
        claim, status = course.claim, self.crew.after_status
        if self._write(course, lambda: claim.commit_text(answer.result, status), "committed"):
            logger.info("%s: %s%s.", course, status, course.took)
            self.crew.count("done")
        else:
            self._drop(course)

    def _fail(self, course: Course, error: str, traceback: str = "", *, retry: bool = True) -> None:
        again: list[bool] = []
        claim = course.claim
        if self._write(course, lambda: again.append(claim.fail(error, retry=retry, traceback=traceback)), "failed"):
            then = "it is tried again" if again and again[0] else "it is failed"
            logger.error("%s failed%s, %s: %s", course, course.took, then, error)
            self.crew.count("failed_attempts")
        else:
            self._drop(course)

    def _bury(self, course: Course) -> None:
        """Deal with a child that is gone without an answer."""
        claim, end = course.claim, course.child.end
        if end.reason == TAKEN or claim.lost.is_set():
            self._drop(course)
            return
        if end.reason == LEASE:
            logger.error("%s: stopped%s, its lease could not be renewed.", course, course.took)
        if end.reason in (LEASE, STOPPING):
            self._return(course)
        else:
            self._fail(course, cause_of(end, self.crew.timeout, self.crew.memory_limit))
        # Where it was dropped, this is done already.
        if not claim.lost.is_set():
            self._tidy(course, f"attempt {claim.attempt} at task {claim.id} ended without a result")

    def _return(self, course: Course) -> None:
        if self._write(course, course.claim.give_back, "given back"):
            logger.info("%s: given back%s.", course, course.took)
            self.crew.count("given_back")
        else:
            self._drop(course)

    def _drop(self, course: Course) -> None:
        """Leave the task to whoever has it now."""
        logger.warning("%s: dropped%s, the task was taken back or is another attempt's.", course, course.took)
        self.crew.count("lost")
        claim = course.claim
        self._tidy(
            course,
            f"attempt {claim.attempt} at task {claim.id} does not count",
            successor_of(self.crew.store, claim.id),
        )

    def _write(self, course: Course, write: Callable[[], Any], what: str) -> bool:
        """Write how the attempt ended, for as long as it takes; tell whether it was still ours to write."""
        first = True
        while True:
            try:
                write()
            except StaleClaimError:
                return False
            except (PoolError, StoreUnreachableError) as error:
                if self.crew.is_over:
                    logger.error("%s is not %s, its lease will pass: %s", course, what, error)  # noqa: TRY400
                    return False
                if first:
                    logger.warning("%s is %s as soon as the store takes it: %s", course, what, error)
                first = False
                self.crew.over.wait(_PAUSE)
            else:
                return True

    # --- runs that nobody ends ----------------------------------------------------------------------------------

    def _tidy(self, course: Course, reason: str, successor: str | None = None) -> None:
        recorders = [text for text, run_id in course.recorders if run_id != successor]
        task = course.claim.task
        if task.origin == PART_DONE:
            # The run of the first step goes on with the next attempt, if this one does not count.
            recorders = [text for text in recorders if text != task.result]
        self.tidy(recorders, reason, successor)

    def tidy(self, recorders: Sequence[str], reason: str, successor: str | None = None) -> None:
        """End runs, in a child; it is the next claimer's if that fails."""
        if not recorders or self.crew.is_over:
            return
        child = self._take_child()
        try:
            child.connection.send(Tidy(tuple(recorders), reason, successor))
        except OSError:
            return
        end = time.monotonic() + _TO_TIDY
        child.limit(TIMEOUT, end, end)
        child.ended.wait(_TO_TIDY)
        child.connection.close()

    # --- what is next -------------------------------------------------------------------------------------------

    def _part_with(self, child: Child, answer: Done | Failed) -> None:
        """Keep a child for the next task, if it may have one and nothing is wrong with it; else let it go."""
        child.n_answers += 1
        if isinstance(answer, Done) and child.n_answers < self.crew.tasks_per_process and not self.crew.is_stopping:
            child.rest()
            self._kept = child
        else:
            child.finish()

    def _take_child(self) -> Child:
        """Give a child that waits for a job, and have the next one started meanwhile."""
        taken, self._kept = self._kept, None
        if taken is not None and not taken.ended.is_set():
            return taken
        taken, self._spare = self._spare, None
        while taken is None or taken.ended.is_set():
            taken = self.nursery.child()
        self._spare = self.nursery.child()
        return taken

    def _next(self) -> Claim | None:
        """Wait for a task; ``None`` to end."""
        crew = self.crew
        with crew.looking:
            while not crew.is_stopping and crew.has_budget:
                try:
                    claim = self._claim()
                    if claim is not None:
                        crew.spend()
                        return claim
                    pause = crew.store.next_available(crew.query, crew.before_status)
                except (PoolError, StoreUnreachableError) as error:
                    crew.complain(error)
                    crew.stopping.wait(_PAUSE)
                    continue
                crew.be_content()
                if pause is None and crew.burst:
                    return None
                # Others may take it, or the clocks may differ: look again, and not at every millisecond.
                crew.stopping.wait(crew.poll if pause is None else min(max(pause, 0.01), crew.poll))
        return None

    def _claim(self) -> Claim | None:
        crew = self.crew
        return claim_next(
            crew.store,
            crew.query,
            crew.before_status,
            lease=crew.lease,
            owner=self.owner,
            max_attempts=crew.max_attempts,
            backoff=crew.backoff,
            on_given_up=self._end_given_up,
        )

    def _end_given_up(self, claim: Claim) -> None:
        self.tidy(runs_before(claim.task), f"task {claim.id} was lost too often and is failed")
