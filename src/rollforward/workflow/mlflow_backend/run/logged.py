"""A run of MLflow: what is written to it and read from it."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cached_property
from time import time_ns
from typing import TYPE_CHECKING, Any

from rollforward.errors import StoreUnreachableError, TrackingError
from rollforward.workflow.as_read import is_as_read
from rollforward.workflow.file_cache import file_cache
from rollforward.workflow.mlflow_backend.artifacts.access import Artifacts
from rollforward.workflow.mlflow_backend.artifacts.content import ContentTags
from rollforward.workflow.mlflow_backend.artifacts.places import files_of, local_folder
from rollforward.workflow.mlflow_backend.run import life
from rollforward.workflow.mlflow_backend.run.formats import Formats
from rollforward.workflow.mlflow_backend.run.inputs import data_input
from rollforward.workflow.mlflow_backend.spool.staging import SpooledArtifacts
from rollforward.workflow.mlflow_backend.store.client import client_for, mapped
from rollforward.workflow.mlflow_backend.values import (
    MAX_PARAM,
    MAX_TAG,
    artifact_of,
    check_keys,
    checked_step,
    numbers,
    short_form,
)
from rollforward.workflow.mlflow_backend.write.writer import RunWriter, SyncWriter
from rollforward.workflow.recorder import Recorder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mlflow.entities import Run

    from rollforward.workflow.mlflow_backend.run import fluent
    from rollforward.workflow.mlflow_backend.spool.spooled import SpoolWriter
    from rollforward.workflow.mlflow_backend.write.writer import Writer

KILLED = "KILLED"
_NAME = "mlflow.runName"


class LoggedRun(Recorder):
    """A recorder without its life: see `MLflowRecorder`."""

    def __init__(self, experiment_id: str, uri: str, name: str | None = None, mlflow_run: Run | None = None) -> None:
        super().__init__(experiment_id, name)
        self.uri = uri
        self._artifact_uri: str | None = None
        self._is_open = False
        self._binding: fluent.Binding | None = None
        self._run: Run | None = None
        self._spool: SpoolWriter | None = None
        self._is_stale = False
        if mlflow_run is not None:
            self._take(mlflow_run)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the life of the run behind: a copy neither ends nor binds it."""
        left_behind = ("_writer", "_artifacts", "_contents")
        state = {key: value for key, value in self.__dict__.items() if key not in left_behind}
        return state | {"_is_open": False, "_binding": None, "_run": None, "_spool": None}

    def _take(self, run: Run) -> None:
        info = run.info
        self._run, self._is_stale = run, False
        self.id = info.run_id
        self.name = info.run_name or run.data.tags.get(_NAME) or self.name
        self.experiment_id = info.experiment_id
        self.status = self.STATUS_FA if info.status == KILLED else info.status
        self.started_at, self.ended_at = _time(info.start_time), _time(info.end_time)
        self._artifact_uri = info.artifact_uri

    @property
    def has_news(self) -> bool:
        """Whether something was logged since the run was read."""
        return self._is_stale

    @property
    def has_local_artifacts(self) -> bool:
        """Whether the artifacts are files of this machine."""
        return self._artifacts.folder is not None

    # -- writing ------------------------------------------------------------

    @cached_property
    def _writer(self) -> Writer:
        """Write at once; `start_run` puts another writer here for as long as somebody will wait for its queue."""
        return SyncWriter(self.uri, self.require_id(), self._get_artifacts)

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
        life.settle(self)
        self._writer.flush()

    def delete_tags(self, *keys: str) -> None:
        """Remove tags; one that is not there is no error."""
        self._writer.delete_tags(list(keys))
        self._is_stale = True

    # -- artifacts ----------------------------------------------------------

    def _get_artifacts(self) -> Artifacts:
        return self._artifacts

    @cached_property
    def _artifacts(self) -> Artifacts:
        address = self.get_artifact_uri()
        if self._spool is None or local_folder(address) is not None:
            return Artifacts(address, self.uri, f"run {self.id}")
        return SpooledArtifacts(address, self.uri, f"run {self.id}", lambda: self._spool)

    @cached_property
    def _contents(self) -> ContentTags:
        return ContentTags(self._put_contents, lambda: self._run, self._read)

    def _put_contents(self, tags: dict[str, str], *, wait: bool) -> None:
        self._writer.put_tags(tags)
        if wait and isinstance(self._writer, RunWriter):
            # What is only in memory would die with the process.
            self._writer.drain()

    def log_artifact(self, local_path: str | Path, artifact_path: str | None = None) -> None:
        """Store a copy of a file, or of a folder's content."""
        self._contents.withdraw(files_of(local_path, artifact_path))
        self._artifacts.put_path(local_path, artifact_path)

    def log_text(self, text: str, artifact_file: str) -> None:
        """Store a text as it is, under any name."""
        self._contents.withdraw([artifact_file])
        self._artifacts.put_texts({artifact_file: text})

    def log_dict(self, dictionary: Any, artifact_file: str) -> None:
        """Store a dictionary or list as JSON or, by the suffix, as YAML."""
        self._put_as("log_dict", dictionary, artifact_file)

    def log_figure(self, figure: Any, artifact_file: str) -> None:
        """Store a figure of matplotlib or plotly; the suffix decides the format."""
        self._put_as("log_figure", figure, artifact_file)

    def log_image(self, image: Any, artifact_file: str | None = None, **kwargs: Any) -> None:
        """Store a picture; see `Recorder.log_image`."""
        self._put_as("log_image", image, artifact_file, **kwargs | {"synchronous": True})

    def _put_as(self, method: str, thing: Any, artifact_file: str | None, **kwargs: Any) -> None:
        with mapped(f"{method} to run {self.require_id()}"):
            if artifact_file is not None:
                self._contents.withdraw([artifact_file])
            formats = Formats(self._artifacts.put_files, self._writer.put_tags)
            getattr(formats, method)(self.id, thing, artifact_file, **kwargs)

    def log_table(self, data: Any, artifact_file: str) -> None:
        """Append rows to a table (``.json`` or ``.parquet``) that MLflow's pages can show; an index is dropped."""
        with mapped(f"log_table to run {self.require_id()}"):
            self._contents.withdraw([artifact_file])
            if self._spool is not None and not self._spool.is_answered():
                raise StoreUnreachableError(
                    f"Could not append to {artifact_file!r} of run {self.id}: the store does not answer.",
                    remedy="Try again later. Everything else that logs does not need it now, save_objects for one.",
                )
            client_for(self.uri).log_table(self.require_id(), data, artifact_file)

    def log_input(
        self, dataset: Any, context: str | None = None, tags: Mapping[str, str] | None = None, name: str | None = None
    ) -> None:
        """Note what data the run works on; see `Recorder.log_input`."""
        self._writer.put_input(data_input(dataset, context, tags, name))

    def save_objects(self, local_path: Any = None, artifact_path: Any = None, **kwargs: Any) -> None:
        """Store objects, or what lies at a path; see `Recorder.save_objects`."""
        if (local_path is None) == (not kwargs):
            raise TrackingError(
                f"save_objects got {'both a path and objects' if kwargs else 'nothing to save'}.",
                "either a path, or objects by name.",
                'save_objects(**{"pred.pkl": pred})',
            )
        if local_path is not None:
            self.log_artifact(local_path, artifact_path)
            return
        self._store(kwargs, artifact_path)

    def _store(self, objects: Mapping[str, Any], folder: str | None = None, *, put: bool = True) -> dict[str, str]:
        """Make objects artifacts; return the tags of their contents, which are set here only if ``put``."""
        with self._artifacts.staged(objects, folder) as files, self._contents.replacing(files, put=put) as tags:
            self._artifacts.put_files(files, take=True)
        return tags

    def load_object(self, name: str, unpickler: Any = None) -> Any:
        """Read an artifact back; see `Recorder.load_object`."""
        life.settle(self)
        # What a stale listing promised would be an old content.
        cache = file_cache if self._as_read() is not None else None
        return self._artifacts.load(name, unpickler, self._contents, cache=cache)

    def list_artifacts(self, artifact_path: str | None = None) -> list[str]:
        """List one folder of the artifacts; see `Recorder.list_artifacts`."""
        life.settle(self)
        return self._artifacts.list(artifact_path)

    def download_artifact(self, path: str, dst_path: str | None = None) -> str:
        """Bring an artifact to this machine; see `Recorder.download_artifact`."""
        life.settle(self)
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
        life.settle(self, files=False)
        self._writer.drain()
        with mapped(f"read run {run_id}"):
            run = client_for(self.uri).get_run(run_id)
        self._run, self._is_stale = run, False
        self._artifact_uri = run.info.artifact_uri
        return run

    def _as_read(self) -> Run | None:
        """Return the run as it was listed, where that is what the store has: see `as_read`."""
        is_final = self._run is not None and not self._is_stale and self.status in (self.STATUS_FI, self.STATUS_FA)
        return self._run if is_final and is_as_read(self) else None

    def _last_read(self) -> Run:
        life.settle(self, files=False)
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
        return dict((self._as_read() or self._read()).data.metrics)

    def list_params(self) -> dict[str, str]:
        """Read the parameters."""
        return dict((self._as_read() or self._read()).data.params)

    def list_tags(self) -> dict[str, str]:
        """Read the tags."""
        return dict((self._as_read() or self._read()).data.tags)


def _time(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC)
