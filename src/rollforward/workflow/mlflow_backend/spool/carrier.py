"""The thread that carries the journal of one run into the store, however long the store is away."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from rollforward.workflow import background
from rollforward.workflow.mlflow_backend.spool.courier import Away, Courier
from rollforward.workflow.mlflow_backend.store import reach
from rollforward.workflow.spool_dir import store_address

if TYPE_CHECKING:
    from collections.abc import Callable

    from rollforward.workflow.journal import Journal
    from rollforward.workflow.mlflow_backend.artifacts.access import Artifacts
    from rollforward.workflow.mlflow_backend.write.refused import Refused

logger = logging.getLogger(__name__)

# Seconds: what was put waits for company; a run that ends waits for a store that is away.
INTERVAL, FAREWELL = 0.1, 5.0
_PROBE = 2.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
# A store that is back within so many seconds was not away.
_BLIP = 2.0
_LOOK = 0.05


class Carrier:
    """Carries a journal in a thread of its own, which the first `rouse` starts.

    Parameters
    ----------
    uri
        The store.
    run_id
        The run.
    journal
        What is carried; it is removed when the store has the end of the run.
    artifacts
        Gives the artifacts of the run.
    writer
        What the journal is written by: it lives for as long as there is something to carry.

    Attributes
    ----------
    is_idle
        Whether the thread has to be roused when something was put.
    is_over
        Whether nothing is carried any more: the run has ended and the store has everything, or it was discarded.
    reason
        Why the store cannot be written; empty while it can.
    """

    def __init__(
        self, uri: str, run_id: str, journal: Journal, artifacts: Callable[[], Artifacts], writer: object
    ) -> None:
        self._uri = uri
        self._run_id = run_id
        self._journal = journal
        self._writer = writer
        self._courier = Courier(uri, run_id, journal, artifacts)
        self._sending = threading.Lock()
        self._sender: int | None = None
        self._changed = threading.Condition()
        self._wake, self._hurry = threading.Event(), threading.Event()
        self._away_since: float | None = None
        self._has_warned = False
        self._thread: threading.Thread | None = None
        # Reentrant: a signal handler may log while this thread is inside.
        self._starting = threading.RLock()
        self.is_idle = True
        self.is_over = False
        self.reason = ""
        background.take_part(self)

    @property
    def refused(self) -> Refused:
        """What the store did not take."""
        return self._courier.refused

    @property
    def is_away(self) -> bool:
        """Whether the store did not answer when it was last asked."""
        return self._away_since is not None

    def stop(self) -> None:
        """Carry nothing any more."""
        self.is_over = True
        self._wake.set()

    def rouse(self) -> None:
        """Have what was put carried soon."""
        self.is_idle = False
        if self._thread is None:
            self._start()
        self._wake.set()

    def _start(self) -> None:
        with self._starting:
            if self._thread is not None:
                return
            thread = threading.Thread(target=self._work, name="rollforward-spool", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:
                # The interpreter is shutting down, or there are too many threads: whoever waits does the work.
                logger.debug("No thread for the journal: %s", error)
                return
            self._thread = thread

    def _work(self) -> None:
        while not self.is_over:
            self._wake.wait()
            self._wake.clear()
            if not self._hurry.is_set():
                self._hurry.wait(INTERVAL)
            self._hurry.clear()
            self._carry_all()
            self.is_idle = True
            # What was put between the last look and this line.
            if not self.is_over and not self._courier.is_done:
                self.is_idle = False
                self._wake.set()

    def _carry_all(self) -> None:
        """Carry until nothing is left, however long the store is away."""
        pause = _FIRST_PAUSE
        while not self.is_over:
            try:
                with self._sending:
                    self._sender = threading.get_ident()
                    try:
                        if not self.is_over and not self._carry():
                            return
                    finally:
                        self._sender = None
            except Away as away:
                self._note_away(str(away))
                pause = self._nap(pause)
            except Exception:
                logger.exception("The journal of run %s cannot be carried on", self._run_id)
                self._note_away("an error in the journal")
                pause = self._nap(_LONGEST_PAUSE)
            else:
                pause = _FIRST_PAUSE

    def _carry(self) -> bool:
        """Carry a part; ``False`` if nothing is left."""
        if not self._courier.carry():
            self._note_back()
            return False
        if self._courier.is_done:
            self._note_back()
            if self._courier.ending is not None:
                self._journal.remove()
                self.is_over = True
        with self._changed:
            self._changed.notify_all()
        return True

    def _nap(self, pause: float) -> float:
        """Wait until the store answers again, or for a while if it does and yet cannot be written."""
        while not self.is_over:
            with self._changed:
                self._changed.wait_for(lambda: self.is_over, pause)
            if reach.is_reachable(self._uri, _PROBE):
                break
            self._note_away(self.reason)
            pause = min(2 * pause, _LONGEST_PAUSE)
        return min(2 * pause, _LONGEST_PAUSE)

    def _note_away(self, reason: str) -> None:
        now = time.monotonic()
        with self._changed:
            self.reason = reason
            self._away_since = self._away_since or now
            self._changed.notify_all()
        if not self._has_warned and now - self._away_since >= _BLIP:
            self._has_warned = True
            logger.warning(
                "The store %s cannot be written: %s. The run goes on; what it logs is kept in %s until the store is "
                "back.",
                store_address(self._uri),
                reason,
                self._journal.path,
            )

    def _note_back(self) -> None:
        if self._away_since is None:
            return
        with self._changed:
            self._away_since = None
            self.reason = ""
            self._changed.notify_all()
        if self._has_warned:
            self._has_warned = False
            # As loud as the word that it is away: who saw that one waits for this one.
            logger.warning("The store %s is back, and has everything now.", store_address(self._uri))

    def wait(self, patience: float, *, is_last: bool = False) -> bool:
        """Wait for the store; ``False`` if it is away for longer than the patience.

        Parameters
        ----------
        patience
            Seconds without any progress.
        is_last
            Whether the end of the run is waited for; if the store is known to be away, that is not for long.
        """
        journal = self._journal
        if self.is_over or self._sender == threading.get_ident():
            return True
        goal, before, begun = journal.end, journal.sent, time.monotonic()

        def is_done() -> bool:
            return self.is_over or (not is_last and journal.sent >= goal)

        while not is_done():
            self._hurry.set()
            self.rouse()
            if self._thread is None and not self._carry_inline():
                return False
            with self._changed:
                self._changed.wait_for(is_done, _LOOK)
            now = time.monotonic()
            if journal.sent > before:
                before, begun = journal.sent, now
            if now - begun > self._limit(patience, is_last=is_last):
                return is_done()
        return True

    def _limit(self, patience: float, *, is_last: bool) -> float:
        away_since = self._away_since
        if away_since is None:
            return patience
        if is_last:
            return FAREWELL
        # Who asks again while it is away for long is not kept waiting each time.
        return patience if time.monotonic() - away_since < patience else FAREWELL

    def _carry_inline(self) -> bool:
        """Do the thread's work once, where there is none."""
        try:
            with self._sending:
                while not self.is_over and self._carry():
                    pass
        except Away as away:
            self._note_away(str(away))
            return False
        return True

    # -- forks and exits ----------------------------------------------------

    def hold(self, timeout: float) -> threading.Lock | None:
        """Keep the thread from sending until the lock is released; ``None`` if a request does not end in time."""
        if self._sender != threading.get_ident() and self._sending.acquire(timeout=timeout):
            return self._sending
        return None

    def start_afresh(self) -> None:
        """After a fork: the journal is the parent's, and so is the thread."""
        self.is_over = True

    def farewell(self) -> None:
        """At the end of a forked process: wait a little for what it logged; the end of a run waits for its own."""
        if self.is_over or self._journal.header.get("is_owner"):
            return
        # The thread may be about to take note of what the store has.
        sending = self.hold(FAREWELL) if self.wait(FAREWELL) else None
        if sending is None:
            return
        try:
            if self._courier.is_done:
                self.stop()
                self._journal.remove()
        finally:
            sending.release()
