"""Params that the first writer decides.

MLflow never changes a param, and its stores keep one row per run and key: of several writers exactly one is first.
"""

from __future__ import annotations

import requests
from mlflow.exceptions import MlflowException

from rollforward.errors import TrackingError
from rollforward.workflow.mlflow_backend.store.client import client_for, is_away, mapped, store_of
from rollforward.workflow.mlflow_backend.values import MAX_PARAM, check_keys
from rollforward.workflow.mlflow_backend.write import sqlite

# A database that is locked at the moment; the client of a server tries again by itself.
_TRIES = 3


def put_param_once(uri: str, run_id: str, key: str, value: str) -> str:
    """Write a param unless it is there; see `Recorder.put_param_once`.

    Returns
    -------
    str
        The value that stands.
    """
    check_keys([key], "param")
    if len(value) > MAX_PARAM:
        raise TrackingError(
            f"The param {key!r} has {len(value)} characters.", f"at most {MAX_PARAM}, where it is written at once."
        )
    client = client_for(uri)
    with mapped(f"log param {key!r} to run {run_id}"):
        if sqlite.insert(store_of(client), run_id, params={key: value}):
            return value
    for left in reversed(range(_TRIES)):
        with mapped(f"log param {key!r} to run {run_id}"):
            try:
                client.log_param(run_id, key, value, synchronous=True)
            except (MlflowException, requests.RequestException) as error:
                # Whoever was first, and whether an answer was lost, is what the store says now.
                stands = _standing(uri, run_id, key)
                if stands is not None:
                    return stands
                if not is_away(error) or not left:
                    raise
            else:
                return value
    raise AssertionError


def _standing(uri: str, run_id: str, key: str) -> str | None:
    """Read a param; ``None`` if it is not there, or cannot be read either."""
    try:
        stands: str | None = client_for(uri).get_run(run_id).data.params.get(key)
    except (MlflowException, requests.RequestException):
        return None
    return stands
