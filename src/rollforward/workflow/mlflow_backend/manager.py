"""A manager whose experiments are those of MLflow."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow.entities import ViewType
from mlflow.exceptions import MlflowException

from rollforward.errors import ExpAlreadyExistError, TrackingError
from rollforward.settings.state import current
from rollforward.workflow.expm import ExpManager
from rollforward.workflow.mlflow_backend.client import (
    NOT_FOUND,
    REFUSED,
    artifact_root,
    checked_uri,
    client_for,
    database_file,
    error_code,
    is_database,
    mapped,
)
from rollforward.workflow.mlflow_backend.experiment import MLflowExperiment, read_recorder
from rollforward.workflow.mlflow_backend.search import frame_of, search_runs

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from mlflow import MlflowClient
    from mlflow.entities import Experiment as Stored

    from rollforward.workflow.mlflow_backend.recorder import MLflowRecorder

_PAGE = 1000
_SLUG = 60


class MLflowExpManager(ExpManager):
    """The experiments of an MLflow store.

    Parameters
    ----------
    uri, default_exp_name
        As in `ExpManager`.
    artifact_root
        Where new experiments put their artifacts: a folder or an address. ``None`` follows the settings; without one
        it is ``mlruns`` beside a SQLite database, and what the server says for any other store.
    """

    def __init__(
        self, uri: str | None = None, default_exp_name: str | None = None, *, artifact_root: str | None = None
    ) -> None:
        super().__init__(uri, default_exp_name)
        self._artifact_root = artifact_root

    @property
    def client(self) -> MlflowClient:
        """A client of the store; cheap, one per process and store."""
        return client_for(self.uri)

    def checked_uri(self, uri: str) -> str:
        """Return a store's address as it is kept; see `ExpManager.checked_uri`."""
        return super().checked_uri(checked_uri(str(uri)))

    def search_records(self, experiment_ids: Sequence[str] | None = None, **kwargs: Any) -> pd.DataFrame:
        """Search runs; see `ExpManager.search_records`."""
        uri = self.uri
        if experiment_ids is None:
            wanted = [stored.experiment_id for stored in self._stored(uri)]
        else:
            wanted = [experiment_ids] if isinstance(experiment_ids, str) else [str(item) for item in experiment_ids]
        return frame_of(search_runs(uri, wanted, **kwargs))

    def delete_exp(self, experiment_id: str | None = None, experiment_name: str | None = None) -> None:
        """Delete an experiment; see `ExpManager.delete_exp`.

        It is renamed first, because MLflow keeps the name of what is in its trash.
        """
        if experiment_id is None and experiment_name is None:
            raise TrackingError("delete_exp got neither an id nor a name.", "one of them.")
        found = self._find_or_create(experiment_id, experiment_name, create=False)
        if found.active_recorder is not None:
            raise TrackingError(f"{found!r} has an active recorder.", "an experiment at rest.", "End the recorder.")
        client = client_for(found.uri)
        with mapped(f"delete {found!r}"):
            client.rename_experiment(found.id, f"{found.name[:400]} [deleted {found.id}]")
            client.delete_experiment(found.id)

    def _list(self, uri: str) -> dict[str, MLflowExperiment]:
        return {stored.name: self._wrap(stored, uri) for stored in self._stored(uri)}

    def _stored(self, uri: str) -> list[Stored]:
        client, token = client_for(uri), None
        found: list[Stored] = []
        while True:
            with mapped("list experiments"):
                page = client.search_experiments(ViewType.ACTIVE_ONLY, max_results=_PAGE, page_token=token)
            found += page
            token = page.token
            if not token:
                return found

    def _find(self, uri: str, *, experiment_id: str | None = None, name: str | None = None) -> MLflowExperiment | None:
        stored = self._read(uri, experiment_id, name)
        return None if stored is None or stored.lifecycle_stage == "deleted" else self._wrap(stored, uri)

    def _read(self, uri: str, experiment_id: str | None, name: str | None) -> Stored | None:
        client = client_for(uri)
        with mapped(f"look up experiment {name if experiment_id is None else experiment_id!r}"):
            if experiment_id is None:
                return client.get_experiment_by_name(str(name))
            try:
                return client.get_experiment(str(experiment_id))
            except MlflowException as error:
                if error_code(error) in NOT_FOUND | REFUSED:
                    return None
                raise

    def _find_recorder(self, uri: str, recorder_id: str) -> MLflowRecorder | None:
        return read_recorder(uri, recorder_id)

    def _create(self, experiment_name: str, uri: str) -> MLflowExperiment:
        client = client_for(uri)
        try:
            with mapped(f"create experiment {experiment_name!r}"):
                created = client.create_experiment(
                    experiment_name, artifact_location=self._location(experiment_name, uri)
                )
        except ExpAlreadyExistError as error:
            stored = self._read(uri, None, experiment_name)
            if stored is None or stored.lifecycle_stage != "deleted":
                raise
            raise ExpAlreadyExistError(
                f"Experiment {experiment_name!r} is in MLflow's trash, and its name with it.",
                "a name that is free.",
                f"mlflow experiments restore --experiment-id {stored.experiment_id}, or choose another name.",
            ) from error
        return MLflowExperiment(created, experiment_name, uri, scope=self._scope)

    def _wrap(self, stored: Stored, uri: str) -> MLflowExperiment:
        return MLflowExperiment(stored.experiment_id, stored.name, uri, scope=self._scope)

    def _location(self, name: str, uri: str) -> str | None:
        root = self._artifact_root or current().artifact_root
        if root is None:
            database = database_file(uri)
            if database is None:
                return None
            root = artifact_root(database).as_uri()
        elif not is_database(uri):
            # Behind a server, a folder of this machine would mean one of the server's.
            return None
        elif "://" not in root:
            root = Path(root).absolute().as_uri()
        return f"{root.rstrip('/')}/{_slug(name)}"


def _slug(name: str) -> str:
    """Spell a name as one readable folder; two names may share one, because runs have folders of their own."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9._-]+", "-", plain).strip("-.")[:_SLUG] or "experiment"
