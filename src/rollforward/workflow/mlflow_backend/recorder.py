"""A recorder that is a run of MLflow."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from functools import cached_property
from time import time_ns
from typing import TYPE_CHECKING, Any

from mlflow.entities import RunStatus
from mlflow.exceptions import MlflowException

from rollforward.errors import TrackingError
from rollforward.settings.state import current
from rollforward.workflow.active import full_traceback, headline, was_killed
from rollforward.workflow.mlflow_backend import fluent, provenance
from rollforward.workflow.mlflow_backend.artifacts import Artifacts
from rollforward.workflow.mlflow_backend.client import NOT_FOUND, client_for, error_code, mapped, store_of
from rollforward.workflow.mlflow_backend.values import (
    MAX_PARAM,
    MAX_TAG,
    artifact_of,
    check_keys,
    checked_step,
    numbers,
    short_form,
)
from rollforward.workflow.mlflow_backend.writer import RunWriter, SyncWriter
from rollforward.workflow.recorder import Recorder, checked_status

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mlflow.entities import Run

    from rollforward.workflow.mlflow_backend.writer import Writer

logger = logging.getLogger(__name__)

DEFAULT_NAME = "mlflow_recorder"
KILLED = "KILLED"
_NAME, _PARENT = "mlflow.runName", "mlflow.parentRunId"
_ERROR = "error"
_LOGGING_ERRORS = "logging_errors"


class MLflowRecorder(Recorder):
    """A run of MLflow.

    Equal and hashed by id. A pickled copy knows its run and its store, and can read and log.

    Parameters
    ----------
    experiment_id
        The experiment that a new run is created in; a run from the store has its own.
    uri
        The store.
    name
        Name of a new run.
    mlflow_run
        A run that was read from the store.

    Attributes
    ----------
    tags, params, metrics
        As they were read with the run, without another request; read now if they were not.
    """

    def __init__(self, experiment_id: str, uri: str, name: str | None = None, mlflow_run: Run | None = None) -> None:
        super().__init__(experiment_id, name)
        self.uri = uri
        self._artifact_uri: str | None = None
        self._is_open = False
        self._binding: fluent.Binding | None = None
        self._run: Run | None = None
        self._is_stale = False
        if mlflow_run is not None:
            self._take(mlflow_run)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the life of the run behind: a copy neither ends nor binds it."""
        left_behind = ("_writer", "_artifacts")
        state = {key: value for key, value in self.__dict__.items() if key not in left_behind}
        return state | {"_is_open": False, "_binding": None, "_run": None}

    def _take(self, run: Run) -> None:
        info = run.info
        self._run, self._is_stale = run, False
        self.id = info.run_id
        self.name = info.run_name or run.data.tags.get(_NAME) or self.name
        self.experiment_id = info.experiment_id
        self.status = self.STATUS_FA if info.status == KILLED else info.status
        self.started_at, self.ended_at = _time(info.start_time), _time(info.end_time)
        self._artifact_uri = info.artifact_uri

    # -- life ---------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether this object started the run and has not ended it."""
        return self._is_open

    def start_run(self, *, parent_id: str | None = None) -> None:
        """Open the run in the store; see `Recorder.start_run`."""
        if self._is_open:
            raise TrackingError(
                f"{self!r} is active already.", "a recorder that is not.", "End it first, or start another one."
            )
        if self.id is None:
            self._create(parent_id)
        else:
            self._reopen()
        self._is_open = True
        self.status = self.STATUS_R
        if current().async_log:
            self._writer = RunWriter(self.uri, self.require_id())

    def _create(self, parent_id: str | None) -> None:
        tags = provenance.tags() | ({_PARENT: parent_id} if parent_id else {})
        client = client_for(self.uri)
        with mapped(f"create a run in experiment {self.experiment_id}"):
            self._take(client.create_run(self.experiment_id, tags=tags, run_name=self.name))
        try:
            self.log_params(**provenance.params())
            self._keep_code()
        except BaseException:
            self._discard()
            raise

    def _reopen(self) -> None:
        before = (self._run or self._read()).info
        store = store_of(client_for(self.uri))
        with mapped(f"continue run {self.id}"):
            store.update_run_info(self.id, RunStatus.RUNNING, None, None)
        try:
            self._note_resumption()
        except BaseException:
            store.update_run_info(self.id, RunStatus.from_string(before.status), before.end_time, None)
            raise
        self.ended_at = None

    def _note_resumption(self) -> None:
        """Params stay what they were: another command line becomes a tag. The error of the last time is over."""
        data = self._read().data
        if data.params.get(provenance.ARGV) != provenance.command_line():
            self.set_tags(**{f"resumed.{provenance.ARGV}": provenance.command_line()})
        if _ERROR in data.tags:
            self.delete_tags(_ERROR)

    def _keep_code(self) -> None:
        texts = provenance.code().texts
        if not texts:
            return
        try:
            self._artifacts.put_texts(texts)
        except TrackingError as error:
            logger.warning("The state of the code was not kept: %s", error)

    def _discard(self) -> None:
        run_id, self.id, self.status, self._run = self.require_id(), None, self.STATUS_S, None
        for name in ("_writer", "_artifacts"):
            self.__dict__.pop(name, None)
        try:
            client_for(self.uri).delete_run(run_id)
        except Exception:
            logger.exception("Run %s could not be started, and could not be removed either", run_id)

    def on_active(self) -> None:
        """Make MLflow's own active run the same run."""
        self._binding = fluent.bind(self.uri, self._run or self._read())

    def end_run(self, status: str = Recorder.STATUS_S, *, error: BaseException | None = None) -> None:
        """Write what is pending and close the run; see `Recorder.end_run`."""
        run_id = self.require_id()
        checked_status(status)
        self._is_open = False
        try:
            if self._binding is not None:
                fluent.unbind(self._binding)
                self._binding = None
            if error is not None and status == self.STATUS_FA:
                self._keep_error(error)
            refused = self._close_writer()
        finally:
            self.status = status
            self.ended_at = datetime.now(UTC)
            final = KILLED if status == self.STATUS_FA and was_killed(error) else status
            with mapped(f"end run {run_id}"):
                milliseconds = int(self.ended_at.timestamp() * 1000)
                store = store_of(client_for(self.uri))
                store.update_run_info(run_id, RunStatus.from_string(final), milliseconds, None)
        if refused is not None:
            self._report(refused, is_failing=error is not None or sys.exc_info()[0] is not None)

    def _close_writer(self) -> TrackingError | None:
        """Write what is pending; return what the store refused and nobody was told."""
        # What other threads log from now on is written at once: nobody would come to drain a queue.
        writer, self._writer = self._writer, SyncWriter(self.uri, self.require_id())
        refused = writer.close()
        if refused is None:
            return None
        try:
            self._writer.put_tags({_LOGGING_ERRORS: refused.summary})
            self._artifacts.put_texts({f"{_LOGGING_ERRORS}.txt": refused.text})
        except TrackingError as reason:
            logger.warning("What the store refused is not noted in run %s: %s", self.id, reason)
        return refused.error()

    def _report(self, refused: TrackingError, *, is_failing: bool) -> None:
        """Raise, unless that would hide what is happening already."""
        if not is_failing:
            raise refused
        logger.warning("%s", refused)

    def _keep_error(self, error: BaseException) -> None:
        try:
            self.set_tags(**{_ERROR: headline(error)})
            self._artifacts.put_texts({"traceback.txt": full_traceback(error)})
        except TrackingError as reason:
            logger.warning("The traceback of run %s was not kept: %s", self.id, reason)

    def set_recorder_name(self, rname: str) -> None:
        """Rename the run."""
        if self.id is not None:
            with mapped(f"rename run {self.id}"):
                client_for(self.uri).update_run(self.id, name=rname)
            self._is_stale = True
        self.name = rname

    # -- writing ------------------------------------------------------------

    @cached_property
    def _writer(self) -> Writer:
        """Write at once; `start_run` puts another writer here for as long as somebody will wait for its queue."""
        return SyncWriter(self.uri, self.require_id())

    def log_params(self, **kwargs: Any) -> None:
        """Log parameters; see `Recorder.log_params`.

        A text that is too long for MLflow is kept whole in ``params/<key>.txt``.
        """
        self._writer.put_params(self._texts("param", kwargs, MAX_PARAM))
        self._is_stale = True

    def log_metrics(self, step: Any = None, **kwargs: Any) -> None:
        """Log one value of each metric; see `Recorder.log_metrics`."""
        check_keys(kwargs, "metric")
        # The time of the call, not of the writing.
        self._writer.put_metrics(time_ns() // 1_000_000, checked_step(step), numbers(kwargs))
        self._is_stale = True

    def set_tags(self, **kwargs: Any) -> None:
        """Set tags; a text that is too long for MLflow is kept whole in ``tags/<key>.txt``."""
        self._writer.put_tags(self._texts("tag", kwargs, MAX_TAG))
        self._is_stale = True

    def _texts(self, kind: str, values: Mapping[str, Any], limit: int) -> dict[str, str]:
        check_keys(values, kind)
        texts = {key: str(value) for key, value in values.items()}
        long = {artifact_of(kind, key): text for key, text in texts.items() if len(text) > limit}
        if long:
            self._artifacts.put_texts(long)
        return {key: short_form(text, limit, artifact_of(kind, key)) for key, text in texts.items()}

    def flush(self) -> None:
        """Return when everything logged so far is in the store; see `Recorder.flush`."""
        self._writer.flush()

    def delete_tags(self, *keys: str) -> None:
        """Remove tags; one that is not there is no error."""
        run_id = self.require_id()
        self._writer.drain()
        for key in keys:
            with mapped(f"delete tag {key!r} of run {run_id}"):
                try:
                    client_for(self.uri).delete_tag(run_id, key)
                except MlflowException as error:
                    if error_code(error) not in NOT_FOUND:
                        raise
        self._is_stale = True

    # -- artifacts ----------------------------------------------------------

    @cached_property
    def _artifacts(self) -> Artifacts:
        return Artifacts(self.get_artifact_uri(), self.uri, f"run {self.id}")

    def log_artifact(self, local_path: str | Path, artifact_path: str | None = None) -> None:
        """Store a copy of a file, or of a folder's content."""
        self._artifacts.put_path(local_path, artifact_path)

    def log_text(self, text: str, artifact_file: str) -> None:
        """Store a text as it is, under any name."""
        self._artifacts.put_texts({artifact_file: text})

    def log_dict(self, dictionary: Any, artifact_file: str) -> None:
        """Store a dictionary or list as JSON or, by the suffix, as YAML."""
        self._pass_on("log_dict", dictionary, artifact_file)

    def log_figure(self, figure: Any, artifact_file: str) -> None:
        """Store a figure of matplotlib or plotly; the suffix decides the format."""
        self._pass_on("log_figure", figure, artifact_file)

    def log_table(self, data: Any, artifact_file: str) -> None:
        """Append rows to a table (``.json`` or ``.parquet``) that MLflow's pages can show; an index is dropped."""
        self._pass_on("log_table", data, artifact_file)

    def _pass_on(self, method: str, *arguments: Any) -> None:
        with mapped(f"{method} to run {self.require_id()}"):
            getattr(client_for(self.uri), method)(self.id, *arguments)

    def save_objects(self, local_path: Any = None, artifact_path: Any = None, **kwargs: Any) -> None:
        """Store objects, or what lies at a path; see `Recorder.save_objects`."""
        if (local_path is None) == (not kwargs):
            raise TrackingError(
                f"save_objects got {'both a path and objects' if kwargs else 'nothing to save'}.",
                "either a path, or objects by name.",
                'save_objects(**{"pred.pkl": pred})',
            )
        if local_path is not None:
            self._artifacts.put_path(local_path, artifact_path)
        else:
            self._artifacts.put_objects(kwargs, artifact_path)

    def load_object(self, name: str, unpickler: Any = None) -> Any:
        """Read an artifact back; see `Recorder.load_object`."""
        return self._artifacts.load(name, unpickler)

    def list_artifacts(self, artifact_path: str | None = None) -> list[str]:
        """List one folder of the artifacts; see `Recorder.list_artifacts`."""
        return self._artifacts.list(artifact_path)

    def download_artifact(self, path: str, dst_path: str | None = None) -> str:
        """Bring an artifact to this machine; see `Recorder.download_artifact`."""
        return self._artifacts.download(path, dst_path)

    def get_artifact_uri(self) -> str:
        """Return the address of the run's artifacts."""
        self.require_id()
        if self._artifact_uri is None:
            self._read()
        return str(self._artifact_uri)

    def get_local_dir(self) -> str:
        """Return the folder of the run on this machine; see `Recorder.get_local_dir`."""
        folder = self._artifacts.folder
        if folder is None:
            raise TrackingError(
                f"The artifacts of run {self.id} are at {self.get_artifact_uri()}.",
                "artifacts on this machine.",
                "Use download_artifact(...).",
            )
        return str(folder.parent)

    # -- reading ------------------------------------------------------------

    def _read(self) -> Run:
        run_id = self.require_id()
        self._writer.drain()
        with mapped(f"read run {run_id}"):
            run = client_for(self.uri).get_run(run_id)
        self._run, self._is_stale = run, False
        self._artifact_uri = run.info.artifact_uri
        return run

    def _last_read(self) -> Run:
        return self._read() if self._run is None or self._is_stale else self._run

    @property
    def tags(self) -> dict[str, str]:
        """The tags, as last read."""
        return dict(self._last_read().data.tags)

    @property
    def params(self) -> dict[str, str]:
        """The parameters, as last read."""
        return dict(self._last_read().data.params)

    @property
    def metrics(self) -> dict[str, float]:
        """The last values of the metrics, as last read."""
        return dict(self._last_read().data.metrics)

    def list_metrics(self) -> dict[str, float]:
        """Read the metrics; see `Recorder.list_metrics`."""
        return dict(self._read().data.metrics)

    def list_params(self) -> dict[str, str]:
        """Read the parameters."""
        return dict(self._read().data.params)

    def list_tags(self) -> dict[str, str]:
        """Read the tags."""
        return dict(self._read().data.tags)


def _time(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC)
