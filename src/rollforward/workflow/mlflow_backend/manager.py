"""A manager whose experiments are those of MLflow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rollforward.errors import ExpAlreadyExistError, ExperimentNotFoundError, StoreUnreachableError, TrackingError
from rollforward.settings.masking import mask_credentials
from rollforward.settings.nearest import did_you_mean
from rollforward.settings.state import current
from rollforward.workflow.expm import ExpManager
from rollforward.workflow.mlflow_backend.experiment import MLflowExperiment, find_recorder, read_recorder
from rollforward.workflow.mlflow_backend.lookup.exclusive import call_it, create_interim, drop_interim
from rollforward.workflow.mlflow_backend.lookup.search import frame_of, search_runs
from rollforward.workflow.mlflow_backend.lookup.stored import (
    create_stored,
    delete_stored,
    list_stored,
    read_stored,
    restore_stored,
)
from rollforward.workflow.mlflow_backend.offline.source import PARENT
from rollforward.workflow.mlflow_backend.offline.standin import read_from, stand_in_for
from rollforward.workflow.mlflow_backend.run.afterwards import afterwards
from rollforward.workflow.mlflow_backend.store.client import checked_uri, client_for

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd
    from mlflow import MlflowClient
    from mlflow.entities import Experiment as Stored

    from rollforward.workflow.active import ActiveRun
    from rollforward.workflow.exp import Experiment
    from rollforward.workflow.mlflow_backend.offline.standin import StandIn
    from rollforward.workflow.mlflow_backend.run.recorder import MLflowRecorder


class MLflowExpManager(ExpManager):
    """The experiments of an MLflow store.

    While a server does not answer, runs start in a stand-in on this machine; what is read then is read from there.

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

    @property
    def uri(self) -> str:
        """The store, as `ExpManager.uri`; its stand-in while the store is away."""
        return read_from(super().uri)

    def checked_uri(self, uri: str) -> str:
        """Return a store's address as it is kept; see `ExpManager.checked_uri`."""
        return super().checked_uri(checked_uri(str(uri)))

    def search_records(self, experiment_ids: Sequence[str] | None = None, **kwargs: Any) -> pd.DataFrame:
        """Search runs; see `ExpManager.search_records`.

        Parameters
        ----------
        experiment_ids
            Ids, or names that are not numbers, or experiments; one of them or several. ``None`` is all.
        **kwargs
            As there.

        Raises
        ------
        ExperimentNotFoundError
            For a name that no experiment has.
        """
        uri = self.uri
        afterwards.settle(uri)
        if experiment_ids is None:
            wanted = [stored.experiment_id for stored in list_stored(uri)]
        else:
            is_one = isinstance(experiment_ids, str | int | MLflowExperiment)
            wanted = self._ids_of(uri, [experiment_ids] if is_one else list(experiment_ids))
        return frame_of(search_runs(uri, wanted, **kwargs))

    def _ids_of(self, uri: str, items: Sequence[Any]) -> list[str]:
        ids = []
        for item in items:
            text = str(getattr(item, "id", item))
            if not text.isdigit():
                stored = read_stored(uri, None, text)
                if stored is None or stored.lifecycle_stage == "deleted":
                    names = [other.name for other in list_stored(uri)]
                    raise ExperimentNotFoundError(
                        f"There is no experiment named {text!r} in {mask_credentials(uri)}.",
                        "ids or names of experiments.",
                        did_you_mean(
                            text,
                            names,
                            otherwise="List them with R.list_experiments(), or `rollforward experiments list`.",
                        ),
                    )
                text = str(stored.experiment_id)
            ids.append(text)
        return ids

    def delete_exp(self, experiment_id: str | None = None, experiment_name: str | None = None) -> None:
        """Delete an experiment; see `ExpManager.delete_exp`. `restore_exp` brings it back."""
        if experiment_id is None and experiment_name is None:
            raise TrackingError("delete_exp got neither an id nor a name.", "one of them.")
        store = self.reachable_uri("delete an experiment")
        found = self._find_or_create(experiment_id, experiment_name, create=False, uri=store)
        if found.active_recorder is not None:
            raise TrackingError(f"{found!r} has an active recorder.", "an experiment at rest.", "End the recorder.")
        self._recent.forget()
        afterwards.settle(found.uri)
        delete_stored(found.uri, found.id, found.name)

    def restore_exp(self, experiment_id: str | None = None, experiment_name: str | None = None) -> MLflowExperiment:
        """Bring a deleted experiment back; see `ExpManager.restore_exp`."""
        if experiment_id is None and experiment_name is None:
            raise TrackingError("restore_exp got neither an id nor a name.", "one of them.")
        store = self.reachable_uri("restore an experiment")
        self._recent.forget()
        return self._wrap(restore_stored(store, experiment_id, experiment_name), store)

    def reachable_uri(self, action: str) -> str:
        """Return the store itself, never a stand-in; see `Catalog.reachable_uri`."""
        store = super().uri
        if read_from(store) != store:
            raise StoreUnreachableError(
                f"Could not {action}: the store {mask_credentials(store)} does not answer.",
                remedy="Try again when it is back.",
            )
        return store

    def create_exclusive(
        self, experiment_name: str, prepare: Callable[[Experiment], None], tags: Mapping[str, str] | None = None
    ) -> tuple[MLflowExperiment, bool]:
        """Create an experiment that nobody sees before it is prepared; see `Catalog.create_exclusive`."""
        name, store = self._checked_name(experiment_name), self.reachable_uri("create an experiment")
        self._recent.forget()
        root = self._artifact_root or current().artifact_root
        interim = create_interim(store, name, root, tags or {})
        try:
            prepare(self._wrap(interim, store))
            is_mine = call_it(store, interim, name)
        except BaseException:
            drop_interim(store, interim)
            raise
        if not is_mine:
            drop_interim(store, interim)
        stored = read_stored(store, interim.experiment_id if is_mine else None, name)
        if stored is None or stored.lifecycle_stage == "deleted":
            raise ExpAlreadyExistError(f"Experiment {name!r} was deleted at the same time.", remedy="Try again.")
        return self._wrap(stored, store), is_mine

    def _list(self, uri: str) -> dict[str, MLflowExperiment]:
        return {stored.name: self._wrap(stored, uri) for stored in list_stored(uri)}

    def _find(self, uri: str, *, experiment_id: str | None = None, name: str | None = None) -> MLflowExperiment | None:
        stored = read_stored(uri, experiment_id, name)
        return None if stored is None or stored.lifecycle_stage == "deleted" else self._wrap(stored, uri)

    def _find_recorder(self, uri: str, recorder_id: str) -> MLflowRecorder | None:
        found = find_recorder(uri, recorder_id)
        if found is None:
            stand_in = stand_in_for(uri)
            if stand_in is not None and stand_in.is_used:
                # Not uploaded yet.
                return read_recorder(stand_in.address, recorder_id)
        return found

    def _create(self, experiment_name: str, uri: str) -> MLflowExperiment:
        created = create_stored(uri, experiment_name, self._artifact_root or current().artifact_root)
        return MLflowExperiment(created, experiment_name, uri, scope=self._scope)

    def _wrap(self, stored: Stored, uri: str) -> MLflowExperiment:
        return MLflowExperiment(stored.experiment_id, stored.name, uri, scope=self._scope)

    # -- starting, also while the store is away -----------------------------

    def _begin(
        self,
        *,
        experiment_id: str | None = None,
        experiment_name: str | None = None,
        uri: str | None = None,
        **which: Any,
    ) -> ActiveRun:
        around = self._scope.runs()
        parent = around[-1] if around else None
        store = super().uri if uri is None else self.checked_uri(uri)
        stand_in = stand_in_for(store)
        if stand_in is not None and parent is not None and parent.experiment.uri == stand_in.address:
            # A child stays where its parent is.
            return self._begin_in(stand_in, parent, experiment_id, experiment_name, which)
        if stand_in is not None and stand_in.must_start_here():
            return self._begin_in(stand_in, parent, experiment_id, experiment_name, which)
        if uri is None and parent is not None and parent.uri_given:
            if experiment_id is None and experiment_name is None:
                experiment: MLflowExperiment = parent.experiment
                return experiment.begin(**which, uri_given=True)
            uri = store
        try:
            return super()._begin(experiment_id=experiment_id, experiment_name=experiment_name, uri=uri, **which)
        except StoreUnreachableError:
            if stand_in is None:
                raise
            stand_in.need()
            return self._begin_in(stand_in, parent, experiment_id, experiment_name, which)

    def _begin_in(
        self,
        stand_in: StandIn,
        parent: ActiveRun | None,
        experiment_id: str | None,
        experiment_name: str | None,
        which: dict[str, Any],
    ) -> ActiveRun:
        """Start a run in the stand-in of a store."""
        home = None if parent is None else parent.experiment
        if experiment_id is not None and (home is None or home.uri != stand_in.address):
            raise self._unknown(stand_in, "an experiment is named by its id", "Name it: experiment_name=...")
        recorder_id = which.get("recorder_id") if which.get("resume") else None
        if recorder_id is not None and read_recorder(stand_in.address, recorder_id) is None:
            raise self._unknown(stand_in, f"run {recorder_id!r} is to go on", "Try again when the store is back.")
        if experiment_id is None and experiment_name is None and home is not None:
            experiment_name = home.name
        run = super()._begin(
            experiment_id=experiment_id, experiment_name=experiment_name, uri=stand_in.address, **which
        )
        if parent is not None and parent.experiment.uri == stand_in.uri:
            # The parent began before the store went away: its id is the right one when this run is uploaded.
            run.recorder.set_tags(**{PARENT: parent.recorder.id})
        return run

    def _unknown(self, stand_in: StandIn, what: str, remedy: str) -> StoreUnreachableError:
        return StoreUnreachableError(
            f"The store {mask_credentials(stand_in.uri)} does not answer, and {what}.",
            "a store that answers: only it knows the id.",
            remedy,
        )

    def _open_default(self) -> Any:
        stand_in = stand_in_for(super().uri)
        if stand_in is None or stand_in.must_start_here():
            return super()._open_default()
        try:
            return super()._open_default()
        except StoreUnreachableError:
            stand_in.need()
            return super()._open_default()
