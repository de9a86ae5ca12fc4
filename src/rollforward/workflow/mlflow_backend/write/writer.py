"""The way of params, metrics and tags into a run: in the background, or at once.

All writers take what was checked and converted already (see `values`). The one with a journal on disk is in `spooled`.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Protocol

from rollforward.workflow.batch_queue import BatchQueue
from rollforward.workflow.mlflow_backend.store.store_errors import mapped
from rollforward.workflow.mlflow_backend.write.batches import METRICS, PARAMS, TAGS, Builder
from rollforward.workflow.mlflow_backend.write.operations import Operations
from rollforward.workflow.mlflow_backend.write.refused import Refused, contents
from rollforward.workflow.mlflow_backend.write.sending import Request, Sender, reason_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rollforward.workflow.mlflow_backend.artifacts.access import Artifacts
    from rollforward.workflow.mlflow_backend.write.sqlite import Point

logger = logging.getLogger(__name__)

# Seconds to go on trying while the store cannot be reached, or is locked.
PATIENCE = 60.0


class Writer(Protocol):
    """What a recorder needs of a writer."""

    def put_metrics(self, time: int, step: int, values: dict[str, float]) -> None:
        """Write one value of each metric; the time is in milliseconds since 1970."""

    def put_params(self, texts: dict[str, str]) -> None:
        """Write params."""

    def put_tags(self, texts: dict[str, str]) -> None:
        """Write tags."""

    def drain(self) -> None:
        """Return when the store has answered to everything that was put."""

    def flush(self) -> None:
        """Drain, and raise what the store refused since the last time."""

    def delete_tags(self, keys: list[str]) -> None:
        """Remove tags."""

    def rename(self, name: str) -> None:
        """Give the run another name."""

    def put_input(self, note: Mapping[str, Any]) -> None:
        """Note what data the run works on, as `Operations.log_input` takes it."""

    def finish(self, status: str, milliseconds: int) -> Refused | None:
        """Drain, stop, and end the run in any case; return what the store refused in the whole life of the writer."""

    def discard(self) -> None:
        """Stop, and forget what is not written."""


class RunWriter:
    """Writes to one run in the background.

    A call costs microseconds. What the store refuses is left out, everything else is written; `flush` and `close` tell.

    Parameters
    ----------
    uri
        The store.
    run_id
        The run.
    artifacts
        Gives the artifacts of the run.
    """

    def __init__(self, uri: str, run_id: str, artifacts: Callable[[], Artifacts]) -> None:
        self._run_id = run_id
        self._operations = Operations(uri, run_id, artifacts)
        self._queue = BatchQueue(self._write)
        self._sender = Sender(uri, run_id, patience=PATIENCE)
        self._builder = Builder()
        self._refused = Refused(run_id)
        # An interrupted batch is sent again as it was: a point that is the same in all its parts is kept once.
        self._begun: list[tuple[Any, ...]] | None = None
        self._requests: list[Request] = []

    def put_metrics(self, time: int, step: int, values: dict[str, float]) -> None:
        """Queue one value of each metric; the dictionary is the queue's from now on."""
        self._queue.put((len(values), METRICS, values, time, step))

    def put_params(self, texts: dict[str, str]) -> None:
        """Queue params."""
        self._queue.put((len(texts), PARAMS, texts, 0, 0))

    def put_tags(self, texts: dict[str, str]) -> None:
        """Queue tags."""
        self._queue.put((len(texts), TAGS, texts, 0, 0))

    def drain(self) -> None:
        """Return when the store has answered to everything that was put."""
        self._queue.drain()

    def flush(self) -> None:
        """Drain, and raise what the store refused since the last time.

        Raises
        ------
        TrackingError
            Naming what was refused, and why. Everything else is written.
        """
        self.drain()
        error = self._refused.error()
        if error is not None:
            raise error

    def delete_tags(self, keys: list[str]) -> None:
        """Remove tags, also those that are not written yet."""
        self.drain()
        self._operations.delete_tags(keys)

    def rename(self, name: str) -> None:
        """Give the run another name."""
        self._operations.rename(name)

    def put_input(self, note: Mapping[str, Any]) -> None:
        """Note what data the run works on."""
        self._operations.log_input(note)

    def finish(self, status: str, milliseconds: int) -> Refused | None:
        """Drain, stop, and end the run in any case; return what the store refused in all, or ``None``."""
        try:
            refused = self.close()
            if refused is not None:
                self._operations.note(refused)
        finally:
            self._operations.end(status, milliseconds)
        return refused

    def discard(self) -> None:
        """Stop, and forget what is not written."""
        self._queue.start_afresh()

    def close(self) -> Refused | None:
        """Drain and stop; return what the store refused in all, or ``None``."""
        self._queue.close()
        return None if self._refused.is_empty else self._refused

    def _write(self, entries: list[tuple[Any, ...]]) -> None:
        if self._begun is not entries:
            batch = self._builder.build(entries)
            self._refused.add(batch.refused)
            self._requests, self._begun = batch.requests(), entries
            if self._insert(batch.points, batch.params, batch.tags):
                self._requests = []
            # Perhaps a param is refused, or something is no matter for statements of our own.
            elif self._insert(batch.points):
                self._requests = batch._replace(points=[]).requests()
        while self._requests:
            self._send(self._requests[0])
            del self._requests[0]
        self._begun = None

    def _insert(self, points: list[Point], *texts: dict[str, str]) -> bool:
        try:
            return self._sender.insert(points, *texts)
        except Exception as error:  # noqa: BLE001  # the requests that follow will meet it too, and report it
            logger.debug("Values of run %s go by request: %s", self._run_id, error)
            return False

    def _send(self, request: Request) -> None:
        try:
            refused = self._sender.send(request)
        except Exception as error:  # noqa: BLE001  # reported at flush; the next request may find the store well
            refused = [f"{contents(request)}: {reason_of(error)}"]
            logger.warning("%d values are not in run %s: %s", request.size, self._run_id, reason_of(error))
        self._refused.add(refused)


class SyncWriter:
    """Writes to one run at once: a call returns when the store has answered.

    Parameters
    ----------
    uri
        The store.
    run_id
        The run.
    artifacts
        Gives the artifacts of the run.
    before
        Called before anything is written: waits for a writer that is not done.
    """

    def __init__(
        self, uri: str, run_id: str, artifacts: Callable[[], Artifacts], before: Callable[[], None] | None = None
    ) -> None:
        self._run_id = run_id
        self._operations = Operations(uri, run_id, artifacts)
        self._sender = Sender(uri, run_id, patience=0)
        self._before = before or _nothing
        self._builder = Builder()

    def put_metrics(self, time: int, step: int, values: dict[str, float]) -> None:
        """Write one value of each metric."""
        self._put((len(values), METRICS, values, time, step))

    def put_params(self, texts: dict[str, str]) -> None:
        """Write params.

        Raises
        ------
        TrackingError
            If one has another value already; the others are written.
        """
        self._put((len(texts), PARAMS, texts, 0, 0))

    def put_tags(self, texts: dict[str, str]) -> None:
        """Write tags."""
        self._put((len(texts), TAGS, texts, 0, 0))

    def drain(self) -> None:
        """Return when what another writer left is written too."""
        self._before()

    def flush(self) -> None:
        """Return when what another writer left is written too."""
        self._before()

    def delete_tags(self, keys: list[str]) -> None:
        """Remove tags."""
        self._before()
        self._operations.delete_tags(keys)

    def rename(self, name: str) -> None:
        """Give the run another name."""
        self._before()
        self._operations.rename(name)

    def put_input(self, note: Mapping[str, Any]) -> None:
        """Note what data the run works on."""
        self._before()
        self._operations.log_input(note)

    def finish(self, status: str, milliseconds: int) -> Refused | None:
        """End the run; what was refused was raised."""
        self._before()
        self._operations.end(status, milliseconds)
        return None

    def discard(self) -> None:
        """Return: everything is written."""

    def _put(self, entry: tuple[Any, ...]) -> None:
        self._before()
        batch = self._builder.build([entry])
        refused = Refused(self._run_id)
        with mapped(f"log to run {self._run_id}"):
            if batch.tags and not (batch.points or batch.params) and self._sender.insert([], {}, batch.tags):
                return
            for request in batch.requests():
                refused.add(self._sender.send(request))
        error = refused.error()
        if error is not None:
            raise error


def _nothing() -> None:
    """Wait for nobody."""
