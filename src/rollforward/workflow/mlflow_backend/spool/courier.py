"""Carries what a journal holds into the store, in its order, each thing exactly once.

A point that is sent again is the same in all its parts, which MLflow keeps once; everything else means the same when it
is done twice.
"""

from __future__ import annotations

import json
import logging
import re
import shutil
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import requests
from mlflow.exceptions import MlflowException, RestException

from rollforward.errors import StoreUnreachableError, TrackingError
from rollforward.workflow.journal import END, FILES, INPUT, NAME, UNTAG
from rollforward.workflow.mlflow_backend.spool.parcel import Parcel, gather
from rollforward.workflow.mlflow_backend.store.http_store import brief
from rollforward.workflow.mlflow_backend.store.reach import is_reachable
from rollforward.workflow.mlflow_backend.store.store_errors import error_code, is_away, short_reason
from rollforward.workflow.mlflow_backend.write.batches import Batch
from rollforward.workflow.mlflow_backend.write.operations import Operations
from rollforward.workflow.mlflow_backend.write.refused import Refused
from rollforward.workflow.mlflow_backend.write.sending import Request, Sender, reason_of, tag

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rollforward.workflow.journal import Journal
    from rollforward.workflow.mlflow_backend.artifacts.access import Artifacts

logger = logging.getLogger(__name__)

# Seconds for the answer to one request.
ANSWER = 60.0
# Seconds for which a server that is well otherwise may fail at one request before the request is to blame.
PATIENCE = 60.0
_LOCKED_OUT = frozenset({"UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED", "PERMISSION_DENIED"})
# A server's disk may be full; a client's own complaints have the same code, and are found to be to blame.
_ILL = frozenset({"INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE"})
# The page of something between, such as a proxy whose server is being started anew: MLflow answers in JSON.
_NOT_MLFLOW = "ENDPOINT_NOT_FOUND"
_UNAUTHORIZED = (401, 403)
_SYSTEM_ERROR = re.compile(r"\[Errno -?\d+\] ([^\"')]+)")
_PROBE = "mlflow.rollforward.probe"


class Away(Exception):  # noqa: N818  # a state of the store, not an error of ours
    """The store cannot be written at the moment; the text says why."""


class Ending(NamedTuple):
    """How a run ended: a status of MLflow, and the time in milliseconds since 1970."""

    status: str
    milliseconds: int


class _Step(NamedTuple):
    """Something to do, and the position up to which everything is done after it (``None``: the next one says)."""

    do: Callable[[], None]
    position: int | None


class Courier:
    """Carries one journal.

    Parameters
    ----------
    uri
        The store.
    run_id
        The run.
    journal
        What is carried.
    artifacts
        Gives the artifacts of the run.

    Attributes
    ----------
    refused
        What the store did not take.
    ending
        The end of the run, once it was carried.
    counts
        Number of points, params, tags and files that were carried.
    """

    def __init__(self, uri: str, run_id: str, journal: Journal, artifacts: Callable[[], Artifacts]) -> None:
        self._uri = uri
        self._run_id = run_id
        self._journal = journal
        self._artifacts = artifacts
        self._sender = Sender(uri, run_id, patience=0)
        self._operations = Operations(uri, run_id, artifacts)
        self._steps: list[_Step] = []
        self._position = journal.sent
        self._failing_since: float | None = None
        self.refused = Refused(run_id)
        self.ending: Ending | None = None
        self.may_end = True
        self.counts = {"points": 0, "params": 0, "tags": 0, "files": 0}

    @property
    def is_done(self) -> bool:
        """Whether the store has everything."""
        return not self._steps and self._position >= self._journal.end

    def carry(self) -> bool:
        """Carry the next part, if there is one; ``False`` if there is none.

        Raises
        ------
        Away
            If the store cannot be written. The next call goes on where this one stopped.
        """
        if not self._steps:
            data = self._journal.read(self._position)
            if not data:
                return False
            self._steps = list(self._plan(data))
            self._position += len(data)
        with brief(ANSWER):
            while self._steps:
                step = self._steps[0]
                self._attempt(step)
                if step.position is not None:
                    self._journal.acknowledge(step.position)
                del self._steps[0]
        if self._journal.sent < self._position:
            # Lines with nothing in them make no step.
            self._journal.acknowledge(self._position)
        return True

    def end(self, status: str, milliseconds: int) -> None:
        """End the run, after what was refused is noted.

        Raises
        ------
        Away
            If the store cannot be written.
        """
        with brief(ANSWER):
            self._attempt(_Step(lambda: self._end(Ending(status, milliseconds)), None))

    def _plan(self, data: bytes) -> Iterator[_Step]:
        """Gather what goes together into batches, cut by what has to be done in its place."""
        position, batch = self._position, Batch([], {}, {}, [])
        for line in data.splitlines(keepends=True):
            position += len(line)
            try:
                kind, *rest = json.loads(line)
                if gather(batch, kind, rest):
                    continue
                action = self._action(kind, rest)
            except (ValueError, TypeError, LookupError, AttributeError) as error:
                batch.refused.append(f"a line of the journal ({len(line)} bytes) is damaged: {error}")
                continue
            yield from self._parcel(batch, position - len(line))
            batch = Batch([], {}, {}, [])
            yield _Step(action, position)
        yield from self._parcel(batch, position)

    def _parcel(self, batch: Batch, position: int) -> Iterator[_Step]:
        self.refused.add(batch.refused)
        if batch.points or batch.params or batch.tags or batch.refused:
            yield _Step(Parcel(self._sender, batch, self._take_note).send, position)

    def _take_note(self, request: Request, refused: list[str]) -> None:
        self.refused.add(refused)
        self.counts["points"] += len(request.metrics)
        self.counts["params"] += len(request.params)
        self.counts["tags"] += len(request.tags)

    def _action(self, kind: str, rest: list[Any]) -> Callable[[], None]:
        if kind == UNTAG:
            return lambda: self._operations.delete_tags(rest[0])
        if kind == NAME:
            return lambda: self._operations.rename(rest[0])
        if kind == INPUT:
            return lambda: self._operations.log_input(rest[0])
        if kind == FILES:
            return lambda: self._upload(str(rest[0]))
        if kind == END:
            ending = Ending(*rest)
            return lambda: self._end(ending)
        raise ValueError(f"unknown kind {kind!r}")

    def _upload(self, number: str) -> None:
        folder = self._journal.files / number
        if not folder.is_dir():
            return  # done before, and not noted
        # MLflow's way for artifacts repeats a request for minutes.
        if not is_reachable(self._uri):
            raise StoreUnreachableError("It does not answer")
        self._artifacts().put_path(folder)
        self.counts["files"] += sum(path.is_file() for path in folder.rglob("*"))
        shutil.rmtree(folder, ignore_errors=True)

    def _end(self, ending: Ending) -> None:
        if not self.refused.is_empty:
            self._operations.note(self.refused)
        if self.may_end:
            self._operations.end(*ending)
        self.ending = ending

    def _attempt(self, step: _Step) -> None:
        try:
            step.do()
        except Exception as error:  # whatever it is, it is told at flush and at the end
            if _is_temporary(error) and not self._is_to_blame(error):
                raise Away(_briefly(error)) from error
            blamed = getattr(step.do, "__self__", None)
            if isinstance(blamed, Parcel):
                blamed.give_up(error)
                self._attempt(step)
                return
            self.refused.add([reason_of(error)])
            logger.warning("Not in run %s: %s", self._run_id, reason_of(error))
        self._failing_since = None

    def _is_to_blame(self, error: Exception) -> bool:
        """Whether it is the request that makes a server fail which is well otherwise."""
        if not isinstance(error, MlflowException) or error_code(error) != "INTERNAL_ERROR":
            return False
        if not is_reachable(self._uri):
            self._failing_since = None
            return False
        now = time.monotonic()
        if self._failing_since is None:
            self._failing_since = now
        if now - self._failing_since < PATIENCE:
            return False
        try:
            self._sender.send(Request([], [], [tag(_PROBE, "1")]))
        except MlflowException:
            return False
        return True


def _briefly(error: Exception) -> str:
    """Say what is wrong with a store, without the layers that a refused connection is wrapped in."""
    cause = error.__cause__ or error.__context__ if isinstance(error, TrackingError) else None
    if isinstance(error, TrackingError) and cause is None:
        text = error.given
    else:
        below = cause or error
        found, short = _SYSTEM_ERROR.search(str(below)), short_reason(below)
        text = found[1] if found else short if short != str(below) else reason_of(below)
    # The sentence around it goes on.
    return text.rstrip(".")


def _is_temporary(error: BaseException) -> bool:
    """Whether the same may succeed later; whoever corrects the credentials finds everything still there."""
    if is_away(error):
        return True
    if isinstance(error, TrackingError) and error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, MlflowException):
        is_foreign = error_code(error) == _NOT_MLFLOW and not isinstance(error, RestException)
        return is_foreign or error_code(error) in _LOCKED_OUT | _ILL
    if isinstance(error, requests.RequestException):
        return error.response is None or error.response.status_code in _UNAUTHORIZED
    return isinstance(error, ConnectionError | TimeoutError)
