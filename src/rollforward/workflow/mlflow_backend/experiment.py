"""An experiment that is an experiment of MLflow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow.exceptions import MlflowException

from rollforward.errors import RecorderNotFoundError, TrackingError
from rollforward.workflow.exp import Experiment
from rollforward.workflow.mlflow_backend.lookup.exclusive import checked_tags, set_experiment_tags
from rollforward.workflow.mlflow_backend.lookup.search import both, frame_of, name_filter, search_runs, status_filter
from rollforward.workflow.mlflow_backend.lookup.stored import find_uploaded
from rollforward.workflow.mlflow_backend.run.afterwards import afterwards
from rollforward.workflow.mlflow_backend.run.recorder import DEFAULT_NAME, MLflowRecorder
from rollforward.workflow.mlflow_backend.store.client import (
    NOT_FOUND,
    REFUSED,
    client_for,
    error_code,
    mapped,
    store_of,
)
from rollforward.workflow.mlflow_backend.values import MAX_TAG
from rollforward.workflow.mlflow_backend.write.new_run import create_run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from rollforward.workflow.active import Scope


class MLflowExperiment(Experiment):
    """An experiment of MLflow.

    Parameters
    ----------
    id, name
        As in MLflow.
    uri
        The store.
    scope
        As in `Experiment`.
    """

    DEFAULT_RECORDER_NAME = DEFAULT_NAME

    def __init__(self, id: str, name: str, uri: str, *, scope: Scope | None = None) -> None:  # noqa: A002  # Qlib's
        super().__init__(id, name, scope=scope)
        self._uri = uri

    @property
    def uri(self) -> str:
        """The store that the experiment is in."""
        return self._uri

    @property
    def tags(self) -> dict[str, str]:
        """The tags of the experiment; asks the store."""
        with mapped(f"read the tags of {self!r}"):
            return dict(client_for(self.uri).get_experiment(self.id).tags)

    def set_tags(self, **kwargs: Any) -> None:
        """Set tags of the experiment; see `Experiment.set_tags`."""
        set_experiment_tags(self.uri, self.id, kwargs)

    def add_run(self, name: str, tags: Mapping[str, str] | None = None) -> MLflowRecorder:
        """Create a run that nobody accompanies; see `Experiment.add_run`."""
        texts = checked_tags(tags or {}, MAX_TAG)
        with mapped(f"create a run in {self!r}"):
            client = client_for(self.uri)
            run = create_run(store_of(client), str(self.id), name, texts)
            if run is None:
                run = client.create_run(self.id, tags=texts, run_name=name)
        return MLflowRecorder(self.id, self.uri, mlflow_run=run)

    def create_recorder(self, recorder_name: str | None = None) -> MLflowRecorder:
        """Make a recorder that is not started."""
        return MLflowRecorder(self.id, self.uri, recorder_name or self.DEFAULT_RECORDER_NAME)

    def search_records(self, **kwargs: Any) -> pd.DataFrame:
        """Search the runs of this experiment."""
        afterwards.settle(self.uri)
        return frame_of(search_runs(self.uri, [self.id], **kwargs))

    def delete_recorder(self, recorder_id: str | None = None, recorder_name: str | None = None) -> None:
        """Delete a run; see `Experiment.delete_recorder`."""
        if recorder_id is None and recorder_name is None:
            raise TrackingError("delete_recorder got neither an id nor a name.", "one of them.")
        recorder = self.get_recorder(recorder_id, recorder_name, create=False)
        if recorder.is_open:
            raise TrackingError(f"{recorder!r} is active.", "a recorder that has ended.", "End it first.")
        afterwards.settle(self.uri, recorder.require_id())
        with mapped(f"delete {recorder!r}"):
            client_for(self.uri).delete_run(recorder.require_id())

    def restore_recorder(self, recorder_id: str) -> MLflowRecorder:
        """Bring a deleted run back.

        Raises
        ------
        RecorderNotFoundError
            If there is no such run.
        """
        with mapped(f"restore run {recorder_id!r}"):
            try:
                client_for(self.uri).restore_run(str(recorder_id))
            except MlflowException as error:
                if error_code(error) not in NOT_FOUND | REFUSED:
                    raise
        found = read_recorder(self.uri, recorder_id)
        if found is None:
            raise RecorderNotFoundError(
                f"There is no recorder with id {recorder_id!r} in {self!r}, nor in its trash.", "the id of a run."
            )
        return found

    def list_recorders(
        self,
        rtype: str = Experiment.RT_D,
        max_results: int | None = None,
        status: str | None = None,
        filter_string: str = "",
    ) -> Any:
        """List the recorders, newest first; see `Experiment.list_recorders`."""
        if rtype not in (self.RT_D, self.RT_L):
            raise TrackingError(f"rtype is {rtype!r}.", f"{self.RT_D!r} or {self.RT_L!r}.")
        wanted = both(status_filter(status) if status else "", filter_string)
        found = self._search(wanted, max_results)
        return found if rtype == self.RT_L else {recorder.id: recorder for recorder in found}

    def _search(self, filter_string: str, max_results: int | None = None) -> list[MLflowRecorder]:
        afterwards.settle(self.uri)
        runs = search_runs(self.uri, [self.id], filter_string=filter_string, max_results=max_results)
        return [MLflowRecorder(self.id, self.uri, mlflow_run=run) for run in runs]

    def _find_by_id(self, recorder_id: str) -> MLflowRecorder | None:
        return find_recorder(self.uri, recorder_id)

    def _find_by_name(self, recorder_name: str, limit: int) -> Sequence[MLflowRecorder]:
        wanted = name_filter(recorder_name)
        is_exact = " = " in wanted
        found = self._search(wanted, limit if is_exact else None)
        return [recorder for recorder in found if recorder.name == recorder_name][:limit]


def read_recorder(uri: str, recorder_id: str) -> MLflowRecorder | None:
    """Read a run by id; ``None`` if there is none, or it is deleted."""
    afterwards.settle(uri, str(recorder_id))
    with mapped(f"read run {recorder_id!r}"):
        try:
            run = client_for(uri).get_run(str(recorder_id))
        except MlflowException as error:
            if error_code(error) in NOT_FOUND | REFUSED:
                return None
            raise
    if run.info.lifecycle_stage == "deleted":
        return None
    return MLflowRecorder(run.info.experiment_id, uri, mlflow_run=run)


def find_recorder(uri: str, recorder_id: str) -> MLflowRecorder | None:
    """Read a run by id, also by the id that it had in the store it was uploaded from; ``None`` if there is none."""
    found = read_recorder(uri, recorder_id)
    if found is not None:
        return found
    run = find_uploaded(uri, str(recorder_id))
    return None if run is None else MLflowRecorder(run.info.experiment_id, uri, mlflow_run=run)
