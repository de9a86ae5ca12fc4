"""One batch of what was logged, on its way from the journal into the store."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from mlflow.exceptions import MlflowException

from rollforward.workflow.journal import METRICS, PARAMS, TAGS
from rollforward.workflow.mlflow_backend.store.store_errors import error_code
from rollforward.workflow.mlflow_backend.write.refused import contents
from rollforward.workflow.mlflow_backend.write.sending import Request, Sender, changed_param, reason_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from rollforward.workflow.mlflow_backend.write.batches import Batch

logger = logging.getLogger(__name__)


class Parcel:
    """One batch on its way."""

    def __init__(self, sender: Sender, batch: Batch, take_note: Callable[[Request, list[str]], None]) -> None:
        self._sender = sender
        self._take_note = take_note
        self._points = batch.points
        self._batch = batch._replace(points=[])
        self._requests: list[Request] | None = None
        self._is_sifting = False

    def send(self) -> None:
        """Send what is not sent yet."""
        if self._requests is None:
            if self._insert():
                self._take_note(Request(self._points, [], []), [])
                self._points = []
            self._requests = self._batch._replace(points=self._points).requests()
        while self._requests:
            request = self._requests[0]
            refused = (self._sender.sift if self._is_sifting else self._sender.send)(request)
            self._done(request, refused)
            self._is_sifting = False

    def _insert(self) -> bool:
        try:
            return bool(self._points) and self._sender.insert(self._points)
        except Exception as error:  # noqa: BLE001  # the requests that follow will meet it too, and report it
            logger.debug("Points go by request: %s", error)
            return False

    def give_up(self, error: Exception) -> None:
        """Leave out what cannot be sent: single items if the server fails at them, else the whole request."""
        if isinstance(error, MlflowException) and error_code(error) == "INTERNAL_ERROR" and not self._is_sifting:
            self._is_sifting = True
            return
        if not self._requests:
            raise error
        logger.warning("%d values are not in the run: %s", self._requests[0].size, reason_of(error))
        self._done(self._requests[0], [f"{contents(self._requests[0])}: {reason_of(error)}"])

    def _done(self, request: Request, refused: list[str]) -> None:
        self._take_note(request, refused)
        if self._requests:
            del self._requests[0]


def gather(batch: Batch, kind: str, rest: list[Any]) -> bool:
    """Put an entry into a batch; ``False`` if it is nothing that is logged."""
    if kind == METRICS:
        at, step, values = rest
        batch.points.extend((key, float(value), at, step) for key, value in values.items())
    elif kind == TAGS:
        batch.tags.update(rest[0])
    elif kind == PARAMS:
        for key, value in rest[0].items():
            if batch.params.setdefault(key, value) != value:
                batch.refused.append(changed_param(key, batch.params[key], value))
    else:
        return False
    return True
