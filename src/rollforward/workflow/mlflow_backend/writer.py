"""The way of params, metrics and tags into a run: in the background, or at once.

Both writers take what was checked and converted already (see `values`). A journal on disk belongs between the call and
the queue of `RunWriter`: it would be appended to in `put_*` and shortened in `_write`.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from rollforward.errors import TrackingError
from rollforward.workflow.async_log import BatchQueue
from rollforward.workflow.mlflow_backend.client import mapped
from rollforward.workflow.mlflow_backend.sending import (
    Request,
    Sender,
    changed_param,
    reason_of,
    requests_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rollforward.workflow.mlflow_backend.sqlite import Point

logger = logging.getLogger(__name__)

# Seconds to go on trying while the store cannot be reached, or is locked.
PATIENCE = 60.0
_SHOWN, _KEPT = 10, 10_000
_NEVER: tuple[int, dict[int, int]] = (-1, {})
_METRICS, _PARAMS, _TAGS = "metrics", "params", "tags"


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

    def close(self) -> Refused | None:
        """Drain and stop; return what the store refused in the whole life of the writer."""


class Refused:
    """What the store did not take.

    Parameters
    ----------
    run_id
        The run that it was logged to.
    """

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._kept: list[str] = []
        self._count = self._reported = 0

    def add(self, refusals: list[str]) -> None:
        """Take note; of very many only the first are kept."""
        self._count += len(refusals)
        self._kept += refusals[: max(0, _KEPT - len(self._kept))]

    @property
    def is_empty(self) -> bool:
        """Whether the store took everything."""
        return self._count == 0

    @property
    def summary(self) -> str:
        """All of it in a few lines."""
        return self._list(0)

    @property
    def text(self) -> str:
        """All of it, a line each."""
        lines = list(self._kept)
        hidden = self._count - len(lines)
        return "\n".join([*lines, *([f"... and {hidden} more"] if hidden else [])]) + "\n"

    def error(self) -> TrackingError | None:
        """Return what was not reported yet as an error, once."""
        first, self._reported = self._reported, self._count
        if first == self._count:
            return None
        return TrackingError(
            f"The store did not take all that was logged to run {self._run_id}: {self._list(first)}.",
            "what the store takes; a param is written once. Everything else was logged.",
            "Correct what is named. What changes is logged as a tag or a metric.",
        )

    def _list(self, first: int) -> str:
        shown = self._kept[first : first + _SHOWN]
        hidden = self._count - first - len(shown)
        return "; ".join([*shown, *([f"and {hidden} more"] if hidden else [])])


class _Batch(NamedTuple):
    """What was put, by kind."""

    points: list[Point]
    params: dict[str, str]
    tags: dict[str, str]
    refused: list[str]

    def requests(self) -> list[Request]:
        return list(requests_of(self.points, self.params, self.tags))


class _Builder:
    """Turns what was put into the entities of MLflow."""

    def __init__(self) -> None:
        # Of each key the time of the latest call, and the steps that have a value of that time or later.
        self._times: dict[str, tuple[int, dict[int, int]]] = {}

    def build(self, entries: list[tuple[Any, ...]]) -> _Batch:
        """Gather by kind; the later of two values of a tag counts, and the first of a param."""
        points: list[Point] = []
        params: dict[str, str] = {}
        tags: dict[str, str] = {}
        refused: list[str] = []
        for _, kind, values, time, step in entries:
            if kind is _METRICS:
                points += [(key, value, self._in_order(key, time, step), step) for key, value in values.items()]
            elif kind is _TAGS:
                tags |= values
            else:
                for key, value in values.items():
                    if params.setdefault(key, value) != value:
                        refused.append(changed_param(key, params[key], value))
        return _Batch(points, params, tags, refused)

    def _in_order(self, key: str, time: int, step: int) -> int:
        """Keep the last value the last: MLflow takes the greatest of several in one millisecond at one step."""
        latest, times = self._times.get(key, _NEVER)
        if time > latest:
            times = {other: at for other, at in times.items() if at >= time}
            self._times[key] = time, times
        else:
            # Two threads at once, or a clock that was set back: what was put later counts as later.
            time = latest
        before = times.get(step)
        if before is not None and time <= before:
            time = before + 1
        times[step] = time
        return time


class RunWriter:
    """Writes to one run in the background.

    A call costs microseconds. What the store refuses is left out, everything else is written; `flush` and `close` tell.

    Parameters
    ----------
    uri
        The store.
    run_id
        The run.
    """

    def __init__(self, uri: str, run_id: str) -> None:
        self._run_id = run_id
        self._queue = BatchQueue(self._write)
        self._sender = Sender(uri, run_id, patience=PATIENCE)
        self._builder = _Builder()
        self._refused = Refused(run_id)
        # An interrupted batch is sent again as it was: a point that is the same in all its parts is kept once.
        self._begun: list[tuple[Any, ...]] | None = None
        self._requests: list[Request] = []

    def put_metrics(self, time: int, step: int, values: dict[str, float]) -> None:
        """Queue one value of each metric; the dictionary is the queue's from now on."""
        self._queue.put((len(values), _METRICS, values, time, step))

    def put_params(self, texts: dict[str, str]) -> None:
        """Queue params."""
        self._queue.put((len(texts), _PARAMS, texts, 0, 0))

    def put_tags(self, texts: dict[str, str]) -> None:
        """Queue tags."""
        self._queue.put((len(texts), _TAGS, texts, 0, 0))

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

    def close(self) -> Refused | None:
        """Drain and stop; return what the store refused in all, or ``None``."""
        self._queue.close()
        return None if self._refused.is_empty else self._refused

    def _write(self, entries: list[tuple[Any, ...]]) -> None:
        if self._begun is not entries:
            batch = self._builder.build(entries)
            self._refused.add(batch.refused)
            self._requests, self._begun = batch.requests(), entries
            if self._insert(batch.points):
                self._requests = batch._replace(points=[]).requests()
        while self._requests:
            self._send(self._requests[0])
            del self._requests[0]
        self._begun = None

    def _insert(self, points: list[Point]) -> bool:
        try:
            return self._sender.insert(points)
        except Exception as error:  # noqa: BLE001  # the requests that follow will meet it too, and report it
            logger.debug("Points of run %s go by request: %s", self._run_id, error)
            return False

    def _send(self, request: Request) -> None:
        try:
            refused = self._sender.send(request)
        except Exception as error:  # noqa: BLE001  # reported at flush; the next request may find the store well
            refused = [f"{_contents(request)}: {reason_of(error)}"]
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
    """

    def __init__(self, uri: str, run_id: str) -> None:
        self._run_id = run_id
        self._sender = Sender(uri, run_id, patience=0)
        self._builder = _Builder()

    def put_metrics(self, time: int, step: int, values: dict[str, float]) -> None:
        """Write one value of each metric."""
        self._put((len(values), _METRICS, values, time, step))

    def put_params(self, texts: dict[str, str]) -> None:
        """Write params.

        Raises
        ------
        TrackingError
            If one has another value already; the others are written.
        """
        self._put((len(texts), _PARAMS, texts, 0, 0))

    def put_tags(self, texts: dict[str, str]) -> None:
        """Write tags."""
        self._put((len(texts), _TAGS, texts, 0, 0))

    def drain(self) -> None:
        """Return: everything is written."""

    def flush(self) -> None:
        """Return: everything is written."""

    def close(self) -> Refused | None:
        """Return: everything is written, and what was refused was raised."""
        return None

    def _put(self, entry: tuple[Any, ...]) -> None:
        requests = self._builder.build([entry]).requests()
        refused = Refused(self._run_id)
        with mapped(f"log to run {self._run_id}"):
            for request in requests:
                refused.add(self._sender.send(request))
        error = refused.error()
        if error is not None:
            raise error


def _contents(request: Request) -> str:
    """Name what a request holds, as far as a line allows."""
    groups: dict[str, Mapping[str, None]] = {
        "metrics": dict.fromkeys(point[0] for point in request.metrics),
        "params": dict.fromkeys(param.key for param in request.params),
        "tags": dict.fromkeys(tag.key for tag in request.tags),
    }
    named = []
    for kind, keys in groups.items():
        if keys:
            more = ", ..." if len(keys) > _SHOWN else ""
            named.append(f"{kind} {', '.join(list(keys)[:_SHOWN])}{more}")
    return f"{request.size} values ({'; '.join(named)})"
