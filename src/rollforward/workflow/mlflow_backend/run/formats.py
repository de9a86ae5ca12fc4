"""Dictionaries, figures and pictures: MLflow writes their files, which are then stored as any other artifact."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow import MlflowClient

from rollforward.workflow.mlflow_backend.artifacts.places import checked_name

if TYPE_CHECKING:
    from collections.abc import Callable


class Formats(MlflowClient):
    """MLflow's client, of which only the methods that turn an object into files work; it sends nothing.

    Parameters
    ----------
    put_files
        Stores files, as `Artifacts.put_files`.
    put_tags
        Sets tags.
    """

    def __init__(self, put_files: Callable[..., None], put_tags: Callable[[dict[str, str]], None]) -> None:
        # Not MLflow's: that one opens the store.
        self._put_files = put_files
        self._put_tags = put_tags

    def log_artifact(self, run_id: str, local_path: str, artifact_path: str | None = None) -> None:  # noqa: ARG002  # MLflow's
        """Store a file that MLflow wrote."""
        path = Path(local_path)
        self._put_files({checked_name(path.name, artifact_path): path}, take=True)

    def set_tag(self, run_id: str, key: str, value: Any, synchronous: bool | None = None) -> None:  # noqa: ARG002  # MLflow's
        """Set a tag that MLflow's pages need."""
        self._put_tags({key: str(value)})
