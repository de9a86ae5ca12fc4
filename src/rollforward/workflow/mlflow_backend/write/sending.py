"""What goes to MLflow in one request, and what happens to a request that it refuses."""

from __future__ import annotations

import logging
import time
from contextlib import nullcontext
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException

from rollforward.settings.masking import mask_credentials
from rollforward.workflow.mlflow_backend.store import http_store
from rollforward.workflow.mlflow_backend.store.client import client_for, store_of
from rollforward.workflow.mlflow_backend.store.store_errors import REFUSED, error_code, is_away
from rollforward.workflow.mlflow_backend.values import MAX_TAG
from rollforward.workflow.mlflow_backend.write import rest, sqlite

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rollforward.workflow.mlflow_backend.write.sqlite import Point

logger = logging.getLogger(__name__)

# What one request of MLflow may hold: so many metrics, params and tags, and so many of all together.
MAX_METRICS, MAX_PARAMS, MAX_TAGS, MAX_ALL = 1000, 100, 100, 1000
# Characters of the values of params and tags in one request; with the metrics it stays below a megabyte.
MAX_TEXT = 500_000

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
# Seconds for the answer to one request, which takes a server a tenth of one.
_SECONDS = 60.0
_BRIEF, _REASON = 80, 400

_T = TypeVar("_T", Param, RunTag)


class Request(NamedTuple):
    """What one request holds."""

    metrics: list[Point]
    params: list[Param]
    tags: list[RunTag]

    @property
    def size(self) -> int:
        """Number of items."""
        return len(self.metrics) + len(self.params) + len(self.tags)

    def halves(self) -> tuple[Request, Request]:
        """Split in two, in the order of the whole."""
        half = self.size // 2
        metrics = min(half, len(self.metrics))
        params = min(half - metrics, len(self.params))
        tags = half - metrics - params
        return (
            Request(self.metrics[:metrics], self.params[:params], self.tags[:tags]),
            Request(self.metrics[metrics:], self.params[params:], self.tags[tags:]),
        )


class Sender:
    """Sends requests to one run.

    Parameters
    ----------
    uri
        The store.
    run_id
        The run.
    patience
        Seconds to repeat a request that the store cannot take at the moment.
    """

    def __init__(self, uri: str, run_id: str, *, patience: float) -> None:
        self._uri = uri
        self._run_id = run_id
        self._patience = patience
        self._is_away = False
        self._refusals = REFUSED

    def insert(
        self, points: list[Point], params: dict[str, str] | None = None, tags: dict[str, str] | None = None
    ) -> bool:
        """Write any number of items by a shorter way than requests, if the store has one and takes them all.

        Returns
        -------
        bool
            Whether they are written; if not, nothing is.
        """
        if not (points or params or tags):
            return False
        return sqlite.insert(store_of(client_for(self._uri)), self._run_id, points, params or {}, tags or {})

    def sift(self, request: Request) -> list[str]:
        """Write a request that makes the server fail, without the items that do.

        Call it only if the server is well otherwise. Returns and raises as `send`.
        """
        self._refusals = REFUSED | {"INTERNAL_ERROR"}
        try:
            return self._bisect(request)
        finally:
            self._refusals = REFUSED

    def send(self, request: Request) -> list[str]:
        """Write a request, without what the store does not take.

        Returns
        -------
        list of str
            What was left out, and why, one line each; everything else is written.

        Raises
        ------
        MlflowException
            If the store cannot be used, or does not take anything for this run.
        """
        try:
            self._try(request)
        except MlflowException as error:
            if error_code(error) not in self._refusals:
                raise
            return self._send_in_parts(request, error)
        return []

    def _try(self, request: Request) -> None:
        """Send once, and again while the store is away."""
        # Who is patient here need not be so below.
        once = http_store.brief(_SECONDS) if self._patience else nullcontext()
        with once:
            self._repeat(request)

    def _repeat(self, request: Request) -> None:
        pause, deadline = _FIRST_PAUSE, time.monotonic() + (0 if self._is_away else self._patience)
        while True:
            try:
                self._log(request)
            except MlflowException as error:
                is_transient = is_away(error) and error_code(error) not in self._refusals
                self._is_away = is_transient and time.monotonic() >= deadline
                if not is_transient or self._is_away:
                    raise
                logger.info("Run %s cannot be written at the moment: %s", self._run_id, mask_credentials(str(error)))
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                self._is_away = False
                return

    def _log(self, request: Request) -> None:
        store = store_of(client_for(self._uri))
        if rest.is_server(store):
            rest.log_batch(store, self._run_id, *request)
        else:
            metrics = [Metric(*point) for point in request.metrics]
            store.log_batch(self._run_id, metrics, request.params, request.tags)

    def _send_in_parts(self, request: Request, error: MlflowException) -> list[str]:
        run = client_for(self._uri).get_run(self._run_id)
        if run.info.lifecycle_stage == "deleted":
            raise error
        changed = {
            param.key: changed_param(param.key, run.data.params[param.key], param.value)
            for param in request.params
            if run.data.params.get(param.key, param.value) != param.value
        }
        kept = request._replace(params=[param for param in request.params if param.key not in changed])
        return [*changed.values(), *(self._halve(kept, error) if kept.size == request.size else self._bisect(kept))]

    def _bisect(self, request: Request) -> list[str]:
        """Send; what is refused is sent in two halves, down to the single items that are to blame."""
        if not request.size:
            return []
        try:
            self._try(request)
        except MlflowException as error:
            if error_code(error) not in self._refusals:
                raise
            return self._halve(request, error)
        return []

    def _halve(self, request: Request, error: MlflowException) -> list[str]:
        if request.size == 1:
            return [f"{_describe(request)}: {reason_of(error)}"]
        return [refusal for half in request.halves() for refusal in self._bisect(half)]


def requests_of(metrics: list[Point], params: dict[str, str], tags: dict[str, str]) -> Iterator[Request]:
    """Cut into as few requests as MLflow's limits allow."""
    points = iter(metrics)
    param_items = _by_size([Param(key, value) for key, value in params.items()], MAX_PARAMS)
    tag_items = _by_size([RunTag(key, value) for key, value in tags.items()], MAX_TAGS)
    while True:
        param_batch, tag_batch = next(param_items, []), next(tag_items, [])
        room = min(MAX_METRICS, MAX_ALL - len(param_batch) - len(tag_batch))
        request = Request(list(islice(points, room)), param_batch, tag_batch)
        if not request.size:
            return
        yield request


def tag(key: str, text: str) -> RunTag:
    """Make a tag, cut to what MLflow takes."""
    return RunTag(key, text[:MAX_TAG])


def changed_param(key: str, stored: str, logged: str) -> str:
    """Say what is wrong with a param that is written a second time."""
    return f"param {key!r} is {brief(stored)}, and {brief(logged)} was logged"


def reason_of(error: BaseException) -> str:
    """Show an error in a few lines of a terminal, without credentials."""
    text = " ".join(mask_credentials(str(error)).split()) or type(error).__name__
    return text if len(text) <= _REASON else text[:_REASON] + "..."


def brief(value: Any) -> str:
    """Show a value in one line of a terminal."""
    shown = repr(value)
    return shown if len(shown) <= _BRIEF else shown[:_BRIEF] + "..."


def _by_size(items: list[_T], most: int) -> Iterator[list[_T]]:
    batch: list[_T] = []
    size = 0
    for item in items:
        # Half of what a request may hold for params, and half for tags.
        if batch and (len(batch) == most or size + len(item.value) > MAX_TEXT // 2):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += len(item.value)
    if batch:
        yield batch


def _describe(request: Request) -> str:
    for key, value, _, step in request.metrics:
        return f"metric {key!r} = {value!r} at step {step}"
    for param in request.params:
        return f"param {param.key!r} = {brief(param.value)}"
    return f"tag {request.tags[0].key!r} = {brief(request.tags[0].value)}"
