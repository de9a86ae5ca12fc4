"""A run that does not count, because another one was started in its place."""

from __future__ import annotations

import time

from mlflow.entities import RunStatus

from rollforward.workflow.mlflow_backend.alive.dead import KILLED_BECAUSE
from rollforward.workflow.mlflow_backend.store.client import client_for, mapped, store_of

SUCCESSOR = "successor"
_OVER = ("KILLED", "FAILED")


def supersede(uri: str, run_id: str, reason: str, successor: str | None = None) -> None:
    """End a run as KILLED, even if it is FINISHED; one that has failed keeps its status.

    Parameters
    ----------
    uri
        Its store.
    run_id
        The run.
    reason
        Why, for the tag ``killed_because``.
    successor
        Id of the run that counts instead, for the tag ``successor``.

    Raises
    ------
    TrackingError
        If the store cannot be read or written.
    """
    client = client_for(uri)
    with mapped(f"end run {run_id}"):
        run = client.get_run(run_id)
        if run.info.status not in _OVER:
            client.set_tag(run_id, KILLED_BECAUSE, reason)
            end = run.info.end_time or int(time.time() * 1000)
            store_of(client).update_run_info(run_id, RunStatus.from_string("KILLED"), end, None)
        if successor is not None and run.data.tags.get(SUCCESSOR) != successor:
            client.set_tag(run_id, SUCCESSOR, successor)


def keep_superseded(uri: str, run_id: str) -> None:
    """End a run as KILLED if another one counts in its place, whatever its status became since; else do nothing.

    Parameters
    ----------
    uri
        Its store.
    run_id
        The run.

    Raises
    ------
    TrackingError
        If the store cannot be read or written.
    """
    with mapped(f"read run {run_id}"):
        tags = client_for(uri).get_run(run_id).data.tags
    if SUCCESSOR in tags:
        supersede(uri, run_id, tags.get(KILLED_BECAUSE, f"run {tags[SUCCESSOR]} counts in its place"))
