"""The one way of params, metrics and tags into a run.

`RunWriter.put` is given what was checked already and writes it at once. It is the seam for a writer that queues: `put`
would append, `flush` wait, `close` drain, and the errors that `put` raises now would be reported by the latter two.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException

from rollforward.errors import TrackingError
from rollforward.workflow.mlflow_backend.client import REFUSED, client_for, error_code, mapped

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mlflow import MlflowClient

# What one request of MLflow may hold: so many metrics, params and tags, and so many of all together.
MAX_METRICS, MAX_PARAMS, MAX_TAGS, MAX_ALL = 1000, 100, 100, 1000

_Item = TypeVar("_Item")


class Point(NamedTuple):
    """One value of one metric; the time is in milliseconds since 1970."""

    key: str
    value: float
    time: int
    step: int


class RunWriter:
    """Writes to one run.

    Parameters
    ----------
    uri
        The store.
    run_id
        The run.
    """

    def __init__(self, uri: str, run_id: str) -> None:
        self._uri = uri
        self._run_id = run_id
        self._last: dict[str, tuple[int, int]] = {}

    def put(
        self,
        *,
        points: Sequence[Point] = (),
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Write, in as few requests as MLflow's limits allow.

        Raises
        ------
        TrackingError
            If the store refuses something. A parameter that has another value already is left out and named; the rest
            is written.
        """
        client = client_for(self._uri)
        metrics = [Metric(*self._in_order(point)) for point in points]
        refused: list[str] = []
        for batch in _batches(metrics, params or {}, tags or {}):
            refused += self._write(client, *batch)
        if refused:
            raise TrackingError(
                f"Params of run {self._run_id} have another value already: {'; '.join(refused)}.",
                "the same value, or another key: a param is written once. Everything else was logged.",
                "Log what changes as a tag or a metric.",
            )

    def flush(self) -> None:
        """Return when everything that was put is in the store."""

    def close(self) -> None:
        """Write what is left and stop."""
        self.flush()

    def _in_order(self, point: Point) -> Point:
        """Keep the last value the last: MLflow takes the greatest of several in one millisecond at one step."""
        last = self._last.get(point.key)
        if last is not None and last[0] == point.step and point.time <= last[1]:
            point = point._replace(time=last[1] + 1)
        self._last[point.key] = (point.step, point.time)
        return point

    def _write(self, client: MlflowClient, metrics: list[Metric], params: list[Param], tags: list[RunTag]) -> list[str]:
        with mapped(f"log to run {self._run_id}"):
            try:
                client.log_batch(self._run_id, metrics, params, tags)
            except MlflowException as error:
                if not params or error_code(error) not in REFUSED:
                    raise
                conflicts = self._conflicts(client, params)
                if not conflicts:
                    raise
                kept = [param for param in params if param.key not in conflicts]
                client.log_batch(self._run_id, metrics, kept, tags)
                return list(conflicts.values())
        return []

    def _conflicts(self, client: MlflowClient, params: list[Param]) -> dict[str, str]:
        stored: dict[str, str] = client.get_run(self._run_id).data.params
        return {
            param.key: f"{param.key!r} is {_brief(stored[param.key])}, and {_brief(param.value)} was logged"
            for param in params
            if param.key in stored and stored[param.key] != param.value
        }


def _brief(text: Any) -> str:
    shown = repr(text)
    return shown if len(shown) <= 80 else shown[:80] + "..."  # noqa: PLR2004  # one line of a terminal


def _batches(
    metrics: list[Metric], params: Mapping[str, str], tags: Mapping[str, str]
) -> Iterator[tuple[list[Metric], list[Param], list[RunTag]]]:
    points = iter(metrics)
    param_items = iter([Param(key, value) for key, value in params.items()])
    tag_items = iter([RunTag(key, value) for key, value in tags.items()])
    while True:
        param_batch, tag_batch = _take(param_items, MAX_PARAMS), _take(tag_items, MAX_TAGS)
        room = min(MAX_METRICS, MAX_ALL - len(param_batch) - len(tag_batch))
        metric_batch = _take(points, room)
        if not (metric_batch or param_batch or tag_batch):
            return
        yield metric_batch, param_batch, tag_batch


def _take(items: Iterator[_Item], n: int) -> list[_Item]:
    return list(islice(items, n))
