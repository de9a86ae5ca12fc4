"""A batch to an MLflow server without protocol buffers.

MLflow turns each point into a protocol buffer and that into JSON, at about 40 us of Python a point. Here the JSON is
written directly. Credentials, certificates and headers are those that MLflow would send, and the patience is that of
`http_store`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from mlflow.utils import rest_utils

from rollforward.workflow.mlflow_backend.store.http_store import patience, verified

if TYPE_CHECKING:
    from mlflow.entities import Param, RunTag

    from rollforward.workflow.mlflow_backend.write.sqlite import Point

_LOG_BATCH = "/api/2.0/mlflow/runs/log-batch"

# Untyped in MLflow; tests/dependency pins them.
_rest: Any = rest_utils


def is_server(store: Any) -> bool:
    """Whether a store takes requests as they are made here."""
    return hasattr(store, "get_host_creds") and not store.get_host_creds().use_databricks_sdk


def log_batch(store: Any, run_id: str, points: list[Point], params: list[Param], tags: list[RunTag]) -> None:
    """Log what one request may hold.

    Raises
    ------
    MlflowException
        As from MLflow's own method.
    """
    body = {
        "run_id": run_id,
        "metrics": [
            {"key": key, "value": _number(value), "timestamp": time, "step": step} for key, value, time, step in points
        ],
        "params": [{"key": item.key, "value": item.value} for item in params],
        "tags": [{"key": item.key, "value": item.value} for item in tags],
    }
    how = patience() | {"raise_on_status": False}
    verified(_rest.http_request(store.get_host_creds(), _LOG_BATCH, "POST", json=body, **how), _LOG_BATCH)


def _number(value: float) -> float | str:
    """Spell a number as the JSON of protocol buffers does."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
