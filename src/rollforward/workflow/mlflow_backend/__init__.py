"""The only door to MLflow: managers, experiments and recorders that live in its store."""

from __future__ import annotations

from rollforward.workflow.mlflow_backend.experiment import MLflowExperiment
from rollforward.workflow.mlflow_backend.manager import MLflowExpManager
from rollforward.workflow.mlflow_backend.run.recorder import MLflowRecorder
from rollforward.workflow.mlflow_backend.store.client import client_for, forget_client

__all__ = ["MLflowExpManager", "MLflowExperiment", "MLflowRecorder", "client_for", "forget_client"]
