"""A writer that keeps each call in a journal until the store has it.

The caller pays for one line in a file. One thread per run reads the file from where the store has it, however long the
store is away: what waits is on disk, not in memory.
"""

from __future__ import annotations

import logging
import shutil
import threading
import time
from typing import TYPE_CHECKING, Any

from rollforward.errors import SpoolError, StoreUnreachableError
from rollforward.settings.state import current
from rollforward.workflow import background
from rollforward.workflow.journal import END, FILES, INPUT, METRICS, NAME, PARAMS, TAGS, UNTAG, Journal, encode
from rollforward.workflow.mlflow_backend.alive.owner import this_process
from rollforward.workflow.mlflow_backend.spool.carrier import Carrier
from rollforward.workflow.mlflow_backend.store import reach
from rollforward.workflow.mlflow_backend.store.address import is_offline
from rollforward.workflow.mlflow_backend.write.clock import Clock
from rollforward.workflow.mlflow_backend.write.operations import Operations
from rollforward.workflow.mlflow_backend.write.writer import PATIENCE, SyncWriter
from rollforward.workflow.spool_dir import store_address, store_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from rollforward.workflow.mlflow_backend.artifacts.access import Artifacts
    from rollforward.workflow.mlflow_backend.write.refused import Refused

logger = logging.getLogger(__name__)

_PROBE = 2.0  # seconds


def is_spooled(uri: str) -> bool:
    """Whether runs of a store get a journal: as the setting says, else those of servers and of offline stores."""
    mode = current().spool
    return mode == "on" or (mode == "auto" and (reach.is_server(uri) or is_offline(uri)))


class SpoolWriter:
    """Writes to one run through a journal.

    Parameters
    ----------
    uri
        The store.
    run_id
        The run.
    artifacts
        Gives the artifacts of the run; asks the store nothing.
    header
        What the journal's first line says beside the store, the run and the process.
    is_owner
        Whether the run lives and ends with this writer, and not only gets something from it.

    Raises
    ------
    SpoolError
        If the journal cannot be written.
    """

    def __init__(
        self,
        uri: str,
        run_id: str,
        artifacts: Callable[[], Artifacts],
        header: dict[str, Any],
        *,
        is_owner: bool = True,
    ) -> None:
        self._uri = uri
        self._run_id = run_id
        self._artifacts = artifacts
        self._header = header | {"store": store_address(uri), "run": run_id}
        self._operations = Operations(uri, run_id, artifacts)
        self._start_afresh()
        self._begin(is_owner=is_owner)
        background.take_part(self)

    def _begin(self, *, is_owner: bool) -> None:
        process = {"owner": str(this_process()), "is_owner": is_owner, "start": time.time()}
        self._journal: Journal | None = Journal.create(store_folder(self._uri), self._run_id, self._header | process)
        self._carrier: Carrier | None = Carrier(self._uri, self._run_id, self._journal, self._artifacts, self)
        if not is_owner:
            background.at_exit()

    def _start_afresh(self) -> None:
        self._clock = Clock()
        # Reentrant: a signal handler or a finalizer may log while this thread is inside.
        self._lock = threading.RLock()
        self._is_ended = False
        self._staged = 0
        self._late: SyncWriter | None = None

    def start_afresh(self) -> None:
        """After a fork: the journal is the parent's; what is put here gets one of its own."""
        self._journal = self._carrier = None
        self._start_afresh()

    # -- what a recorder calls ----------------------------------------------

    def put_metrics(self, time: int, step: int, values: dict[str, float]) -> None:
        """Keep one value of each metric; the dictionary is the writer's from now on."""
        if not values:
            return
        with self._lock:
            placed = self._clock.place(time, step, values)
            lines = "".join([f'["{METRICS}",{at},{step},{encode(part)}]\n' for at, part in placed.items()])
            if not self._append(lines):
                self._later().put_metrics(time, step, values)

    def put_params(self, texts: dict[str, str]) -> None:
        """Keep params."""
        if texts and not self._put([PARAMS, texts]):
            self._later().put_params(texts)

    def put_tags(self, texts: dict[str, str]) -> None:
        """Keep tags."""
        if texts and not self._put([TAGS, texts]):
            self._later().put_tags(texts)

    def delete_tags(self, keys: list[str]) -> None:
        """Remove tags, in their turn."""
        if keys and not self._put([UNTAG, keys]):
            self._later().delete_tags(keys)

    def rename(self, name: str) -> None:
        """Give the run another name, in its turn."""
        if not self._put([NAME, name]):
            self._later().rename(name)

    def put_input(self, note: Mapping[str, Any]) -> None:
        """Note what data the run works on, in its turn."""
        if not self._put([INPUT, note]):
            self._later().put_input(note)

    def drain(self) -> None:
        """Return when the store has answered to everything that was put.

        Raises
        ------
        StoreUnreachableError
            If it is away for long.
        """
        carrier = self._carrier
        if carrier is not None and not carrier.wait(PATIENCE):
            raise StoreUnreachableError(
                f"What was logged to run {self._run_id} is not all in the store yet: {carrier.reason or 'no answer'}.",
                "a store that answers.",
                f"Nothing is lost: it waits in {self.path}, and goes to the store when that is back.",
            )

    def flush(self) -> None:
        """Drain, and raise what the store refused since the last time.

        Raises
        ------
        StoreUnreachableError
            If the store is away for long.
        TrackingError
            Naming what was refused, and why. Everything else is written.
        """
        self.drain()
        error = None if self._carrier is None else self._carrier.refused.error()
        if error is not None:
            raise error

    def finish(self, status: str, milliseconds: int) -> Refused | None:
        """End the run when the store has everything; while it is away, leave that to later.

        Returns
        -------
        Refused or None
            What the store did not take, as far as it is known.
        """
        try:
            self._put([END, status, milliseconds], is_last=True)
        except SpoolError as error:
            # No room for one more line: what is in the journal goes first, then the end by itself.
            logger.warning("%s", error)
            if self._carrier is not None:
                self._carrier.wait(PATIENCE)
            self._operations.end(status, milliseconds)
        carrier = self._carrier
        if carrier is None:
            return None
        if not carrier.wait(PATIENCE, is_last=self._is_ended):
            logger.warning(
                "The store cannot be written (%s). What run %s logged is kept in %s; it is uploaded when the store is "
                "back, by this process, by the next one that logs there, or by `rollforward sync`.",
                carrier.reason or "no answer",
                self._run_id,
                self.path,
            )
        return None if carrier.refused.is_empty else carrier.refused

    def discard(self) -> None:
        """Stop, and forget what is not written."""
        with self._lock:
            self._is_ended = True
            journal, self._journal = self._journal, None
        if self._carrier is not None:
            self._carrier.stop()
        if journal is not None:
            journal.remove()

    # -- artifacts ----------------------------------------------------------

    @property
    def path(self) -> Path | None:
        """The journal."""
        return None if self._journal is None else self._journal.path

    @property
    def is_away(self) -> bool:
        """Whether the store did not answer when it was last asked."""
        return self._carrier is not None and self._carrier.is_away

    @property
    def is_over(self) -> bool:
        """Whether the run has ended and the store has everything."""
        return self._carrier is not None and self._carrier.is_over

    def is_answered(self) -> bool:
        """Whether the store answers now; MLflow's own ways with artifacts find that out in minutes."""
        return not self.is_away and reach.is_reachable(self._uri, _PROBE)

    @property
    def staged(self) -> list[Path]:
        """The folders of files that are not uploaded yet, the oldest first."""
        if self._journal is None or not self._journal.files.is_dir():
            return []
        return sorted(
            (path for path in self._journal.files.iterdir() if path.name.isdigit()), key=lambda p: int(p.name)
        )

    def stage(self, put: Callable[[Path], None]) -> None:
        """Keep files for an upload in its turn.

        Parameters
        ----------
        put
            Writes them into the folder that it gets.

        Raises
        ------
        SpoolError
            If there is no room.
        StoreUnreachableError
            If the run has ended: nothing is kept for it any more.
        """
        with self._lock:
            self._staged += 1
            folder = self._required_journal().files / str(self._staged)
        try:
            folder.mkdir(parents=True, mode=0o700)
            put(folder)
            is_kept = self._put([FILES, folder.name])
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise SpoolError(
                f"{folder} cannot be written: {error.strerror or error}.", "room for the artifacts that wait."
            ) from error
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        if not is_kept:
            # When the journal is gone, nothing waits beside it.
            shutil.rmtree(folder.parent if self.is_over else folder, ignore_errors=True)
            raise StoreUnreachableError(f"Run {self._run_id} has ended, and the store does not answer.")

    # -- the way into the journal -------------------------------------------

    def _put(self, entry: list[Any], *, is_last: bool = False) -> bool:
        with self._lock:
            is_kept = self._append(encode(entry) + "\n")
            self._is_ended |= is_last
            return is_kept

    def _append(self, lines: str) -> bool:
        """Keep lines; ``False`` if the run has ended."""
        if self._is_ended:
            return False
        (self._journal or self._required_journal()).append(lines.encode())
        carrier = self._carrier
        if carrier is not None and carrier.is_idle:
            carrier.rouse()
        return True

    def _required_journal(self) -> Journal:
        if self._journal is None:
            # In a forked process.
            self._begin(is_owner=False)
        assert self._journal is not None  # noqa: S101  # just made
        return self._journal

    def _later(self) -> SyncWriter:
        """Return a writer for what is logged after the end, by a thread that did not notice."""
        if self._late is None:
            self._late = SyncWriter(self._uri, self._run_id, self._artifacts, self.drain)
        return self._late

    def leave(self) -> None:
        """Of a writer that does not own the run: wait a little; what is not in the store then stays in the journal."""
        if self._carrier is not None:
            self._carrier.farewell()

    # -- forks and exits: the rest is the carrier's --------------------------

    def hold(self, timeout: float) -> threading.Lock | None:  # noqa: ARG002  # as in `background.Pending`
        """Nothing here stands in the way of a fork."""
        return None

    def farewell(self) -> None:
        """At the end of the process there is nothing to do here."""
