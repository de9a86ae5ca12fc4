"""Where a run can be looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

if TYPE_CHECKING:
    from rollforward.workflow.recorder import Recorder


def run_url(recorder: Recorder, uri: str) -> str:
    """Return the address of a run's page on an MLflow server, without the credentials of the store's address."""
    parts = urlsplit(uri)
    host = parts.netloc.rpartition("@")[2]
    place = f"/experiments/{recorder.experiment_id}/runs/{recorder.id}"
    return urlunsplit((parts.scheme, host, f"{parts.path.rstrip('/')}/", "", place))


def is_server(uri: str) -> bool:
    """Tell whether a store has pages to link to."""
    return uri.startswith(("http://", "https://"))
