"""A server: does it answer, which version, how fast, and do its clock and its artifacts fit."""

from __future__ import annotations

import socket
import time
from email.utils import parsedate_to_datetime
from statistics import median
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mlflow.entities import ViewType
from mlflow.utils import credentials, rest_utils
from mlflow.version import VERSION

from rollforward.settings.masking import mask_credentials
from rollforward.settings.words import counted
from rollforward.workflow.mlflow_backend.doctor.finding import Finding, note, ok, problem
from rollforward.workflow.mlflow_backend.store.client import client_for, is_reachable, mapped
from rollforward.workflow.mlflow_backend.store.http_store import brief

if TYPE_CHECKING:
    from collections.abc import Iterator

_rest: Any = rest_utils
_creds: Any = credentials.get_default_host_creds

_ASKED = 7
# Seconds. A delayed acknowledgement takes 40 ms on Linux; the network itself far less where that can be told.
_STALL, _NEAR = 0.035, 0.010
_CLOCK = 5.0
_LOCAL = ("localhost", "127.0.0.1", "::1")


def http_server(uri: str) -> Iterator[Finding]:
    """Look at an MLflow server."""
    shown = mask_credentials(uri)
    if not is_reachable(uri, timeout=5.0):
        remedy = "Check the address, and that it runs there: rollforward server starts one."
        yield problem("server", f"{shown} does not answer.", remedy)
        return
    with brief():
        yield from _version(uri)
        yield from _access(uri)
        yield from _speed(uri)
        yield from _clock(uri)


def _version(uri: str) -> Iterator[Finding]:
    with mapped("ask the server for its version"):
        answer = _get(uri, "/version")
    version = answer.text.strip() if answer.ok else ""
    if not version[:1].isdigit():
        yield problem("server", "Something answers, and it is no MLflow server.", "Check the address.")
        return
    yield ok("server", f"MLflow {version} answers.")
    if version.split(".")[0] != VERSION.split(".")[0]:
        yield note("server", f"The server is MLflow {version}, this client {VERSION}.", "Use one major version.")


def _access(uri: str) -> Iterator[Finding]:
    """Read the experiments; an error says what is missing."""
    with mapped("read the experiments"):
        found = client_for(uri).search_experiments(ViewType.ACTIVE_ONLY, max_results=1000)
    local = [item.name for item in found if urlsplit(item.artifact_location).scheme in ("", "file")]
    if local and urlsplit(uri).hostname not in _LOCAL:
        says = (
            f"{counted(len(local), 'experiment')} with artifacts in a folder of the server's machine: {local[0]!r}, ..."
        )
        yield note("artifacts", says, "Log into new experiments: those that a server creates work from everywhere.")
    else:
        yield ok("access", f"{counted(len(found), 'experiment')} can be read.")


def _speed(uri: str) -> Iterator[Finding]:
    times = []
    for _ in range(_ASKED):
        begin = time.perf_counter()
        _get(uri, "/api/2.0/mlflow/experiments/get", params={"experiment_id": "0"})
        times.append(time.perf_counter() - begin)
    took, network = median(times[1:]), _network(uri)
    says = f"A request takes {took * 1000:.0f} ms, the network {network * 1000:.1f} ms of it."
    if network < _NEAR and took > _STALL:
        remedy = "Does it have several workers? Without uvloop each costs 40 ms a request: mlflow server --workers 1"
        yield note("speed", says, remedy)
    else:
        yield ok("speed", says)


def _network(uri: str) -> float:
    """Measure how long the machines need to greet each other, in seconds."""
    parts = urlsplit(uri)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    begin = time.perf_counter()
    with socket.create_connection((parts.hostname or "", port), timeout=5):
        return time.perf_counter() - begin


def _clock(uri: str) -> Iterator[Finding]:
    stamp = _get(uri, "/health").headers.get("Date")
    if stamp is None:
        return
    apart = time.time() - parsedate_to_datetime(stamp).timestamp()
    if abs(apart) > _CLOCK:
        says = f"This machine's clock is {abs(apart):.0f} s {'ahead of' if apart > 0 else 'behind'} the server's."
        yield problem("clock", says, "Set both by NTP: start times and heartbeats are compared across machines.")
    else:
        yield ok("clock", "The clocks of this machine and of the server agree.")


def _get(uri: str, path: str, **options: Any) -> Any:
    return _rest.http_request(_creds(uri), path, "GET", max_retries=0, timeout=10, raise_on_status=False, **options)
