"""Requests to an MLflow server, with a patience that fits.

MLflow repeats a request for four minutes while a server is away, whoever waits for it, and repeats one that creates a
run although the first may have succeeded. Here a request is given up after about 15 seconds, or at once inside
`brief`, and a run is created at most once. Whoever sets MLflow's own variables gets what they say.
"""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import requests
import urllib3.exceptions
from mlflow.exceptions import MlflowException, RestException
from mlflow.protos.databricks_pb2 import ENDPOINT_NOT_FOUND, TEMPORARILY_UNAVAILABLE
from mlflow.protos.service_pb2 import CreateRun
from mlflow.store.tracking.rest_store import RestStore
from mlflow.tracking._tracking_service.client import TrackingServiceClient
from mlflow.utils import credentials, proto_json_utils, rest_utils

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlflow import MlflowClient

# With MLflow's doubling: 0 + 2 + 4 + 8 seconds between five attempts.
RETRIES, FACTOR = 4, 1
BRIEF_TIMEOUT = 10.0
_BUSY, _SERVER_ERROR = 429, 500
_GIVEN = ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR")
_NOT_SENT = (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError)

_timeout: ContextVar[float | None] = ContextVar("rollforward_brief", default=None)

# Private or untyped in MLflow; tests/dependency pins them.
_rest: Any = rest_utils
_creds: Any = credentials.get_default_host_creds
_parse: Any = proto_json_utils.parse_dict


@contextmanager
def brief(timeout: float = BRIEF_TIMEOUT) -> Iterator[None]:
    """Inside, a request to a server is tried once, in this thread or task.

    Parameters
    ----------
    timeout
        Seconds to wait for an answer.
    """
    token = _timeout.set(timeout)
    try:
        yield
    finally:
        _timeout.reset(token)


def patience() -> dict[str, Any]:
    """Return the arguments of MLflow's ``http_request`` that say how long to try."""
    timeout = _timeout.get()
    if timeout is not None:
        return {"max_retries": 0, "timeout": timeout}
    is_given = any(name in os.environ for name in _GIVEN)
    return {} if is_given else {"max_retries": RETRIES, "backoff_factor": FACTOR}


def verified(response: Any, path: str) -> dict[str, Any]:
    """Return what a server answered.

    Raises
    ------
    MlflowException
        If it is an error, or not the answer of an MLflow server.
    """
    try:
        answer: dict[str, Any] = _rest.verify_rest_response(response, path).json()
    except RestException:
        raise
    except MlflowException as error:
        if response.ok:
            text = f"No MLflow server answered {path}, but something else: {response.text[:80]!r}"
            raise MlflowException(text, error_code=ENDPOINT_NOT_FOUND) from error
        if response.status_code >= _SERVER_ERROR or response.status_code == _BUSY:
            # The page of a gateway, not an answer of MLflow.
            raise MlflowException(str(error), error_code=TEMPORARILY_UNAVAILABLE) from error
        raise
    return answer


def equip(client: MlflowClient, uri: str) -> MlflowClient:
    """Give a client of a server this module's patience."""
    service: Any = _Service
    client._tracking_client = service(uri)  # noqa: SLF001  # where the client sends everything about runs
    return client


class _Service(TrackingServiceClient):
    """MLflow's service on a store of ours, which no one else's client shares."""

    @cached_property
    def store(self) -> Any:
        store: Any = _Store
        return store(partial(_creds, self.tracking_uri))


class _Store(RestStore):
    """MLflow's store with another patience."""

    def _call_endpoint(
        self, api: Any, json_body: str | None = None, endpoint: str | None = None, *rest: Any, **kwargs: Any
    ) -> Any:
        # Whatever has more to say than the plain requests about runs and experiments is left to MLflow.
        if endpoint is not None or rest or kwargs or api in self._V3_APIS or api not in self._METHOD_TO_INFO:
            original: Any = super()._call_endpoint
            return original(api, json_body, endpoint, *rest, **kwargs)
        self._validate_workspace_support_if_specified()
        path, method = self._METHOD_TO_INFO[api]
        body = None if json_body is None else json.loads(json_body)
        sent = {"params" if method == "GET" else "json": body, "raise_on_status": False}
        creds = self.get_host_creds()
        send = partial(_rest.http_request, creds, path, method, **sent)
        answer = verified(_create(send, creds) if api is CreateRun else send(**patience()), path)
        found = api.Response()
        _parse(js_dict=answer, message=found)
        return found


def _create(send: Any, creds: Any) -> Any:
    """Send once; again, when the server is back, only what did not reach it."""
    how = patience() | {"max_retries": 0}
    try:
        return send(**how)
    except MlflowException as error:
        if _timeout.get() is not None or not _was_not_sent(error):
            raise
    _rest.http_request(creds, "/health", "GET", **patience())
    return send(**how)


def _was_not_sent(error: MlflowException) -> bool:
    below = error.__cause__ or error.__context__
    if not isinstance(below, requests.ConnectionError) or not below.args:
        return False
    return isinstance(getattr(below.args[0], "reason", None), _NOT_SENT)
