"""A recorder that is a run of MLflow: how it begins and how it ends."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from mlflow.entities import RunStatus

from rollforward.errors import StoreUnreachableError, TrackingError
from rollforward.settings.state import current
from rollforward.workflow.active import full_traceback, headline, was_killed
from rollforward.workflow.mlflow_backend.artifacts.access import Artifacts
from rollforward.workflow.mlflow_backend.run import fluent, life
from rollforward.workflow.mlflow_backend.run.afterwards import afterwards
from rollforward.workflow.mlflow_backend.run.logged import KILLED, LoggedRun
from rollforward.workflow.mlflow_backend.run.once import put_param_once
from rollforward.workflow.mlflow_backend.spool.replay import replay_in_background, replay_journals
from rollforward.workflow.mlflow_backend.spool.spooled import SpoolWriter, is_spooled
from rollforward.workflow.mlflow_backend.spool.staging import SpooledArtifacts
from rollforward.workflow.mlflow_backend.store.client import client_for, mapped, store_of
from rollforward.workflow.mlflow_backend.store.http_store import brief
from rollforward.workflow.mlflow_backend.values import MAX_PARAM, MAX_TAG
from rollforward.workflow.mlflow_backend.write import sqlite
from rollforward.workflow.mlflow_backend.write.writer import RunWriter, SyncWriter
from rollforward.workflow.recorder import Recorder, checked_status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow.entities import RunInfo

    from rollforward.workflow.mlflow_backend.write.writer import Writer

logger = logging.getLogger(__name__)

DEFAULT_NAME = "mlflow_recorder"
_PARENT = "mlflow.parentRunId"
_ERROR = "error"


class MLflowRecorder(LoggedRun):
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
        afterwards.touch()
        before = None
        if self.id is None:
            self._create(parent_id)
        else:
            before = self._reopen()
        try:
            self._open_writer()
        except BaseException:
            if before is None:
                self._discard()
            else:
                self._close_again(before)
            raise
        self._is_open = True
        self.status, self.ended_at = self.STATUS_R, None
        life.opened(self)

    def _open_writer(self) -> None:
        if not current().async_log:
            return
        if not is_spooled(self.uri):
            self._writer = RunWriter(self.uri, self.require_id(), self._get_artifacts)
            return
        artifacts = Artifacts(self.get_artifact_uri(), self.uri, f"run {self.id}")
        replay_in_background(self.uri)
        self._writer = self._spool = SpoolWriter(self.uri, self.require_id(), lambda: artifacts, self._header())
        # What waits for the upload is readable here.
        self.__dict__.pop("_artifacts", None)

    def _header(self) -> dict[str, Any]:
        return {"experiment": self.experiment_id}

    def _create(self, parent_id: str | None) -> None:
        tags = life.new_tags() | ({_PARENT: parent_id} if parent_id else {})
        client = client_for(self.uri)
        with mapped(f"create a run in experiment {self.experiment_id}"):
            self._take(client.create_run(self.experiment_id, tags=tags, run_name=self.name))

    def _reopen(self) -> RunInfo:
        """Call the run RUNNING; return what it was."""
        life.settle(self)
        if replay_journals(self.uri, run_id=self.require_id()).runs:
            self._run = None
        run = self._run or self._read()
        before: RunInfo = run.info
        life.resuming(self, run)
        with mapped(f"continue run {self.id}"):
            store_of(client_for(self.uri)).update_run_info(self.id, RunStatus.RUNNING, None, None)
        try:
            self._note_resumption()
        except BaseException:
            self._close_again(before)
            raise
        return before

    def _close_again(self, before: RunInfo) -> None:
        """Have a run that could not be continued as it was."""
        store = store_of(client_for(self.uri))
        store.update_run_info(self.id, RunStatus.from_string(before.status), before.end_time, None)

    def _note_resumption(self) -> None:
        """Params stay what they were: another command line becomes a tag. The error of the last time is over."""
        data = self._read().data
        self.set_tags(**life.resumed_command(data.params))
        if _ERROR in data.tags:
            self.delete_tags(_ERROR)

    def _discard(self) -> None:
        run_id, self.id, self.status, self._run = self.require_id(), None, self.STATUS_S, None
        if self._spool is not None:
            self._spool.discard()
            self._spool = None
        for name in ("_writer", "_artifacts", "_contents"):
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
        self.require_id()
        checked_status(status)
        afterwards.touch()
        self._is_open = False
        try:
            if self._binding is not None:
                fluent.unbind(self._binding)
                self._binding = None
            if error is not None and status == self.STATUS_FA:
                self._keep_error(error)
            life.closing(self, status, error)
        finally:
            self.status = status
            self.ended_at = datetime.now(UTC)
            final = KILLED if status == self.STATUS_FA and was_killed(error) else status
            refused = self._finish(final, int(self.ended_at.timestamp() * 1000))
        if refused is not None:
            self._report(refused, is_failing=error is not None or sys.exc_info()[0] is not None)

    def _finish(self, status: str, milliseconds: int) -> TrackingError | None:
        """Write what is pending, and the end; return what the store refused and nobody was told."""
        # What other threads log from now on is written at once: nobody would come to drain a queue.
        writer = self._writer
        self._writer = SyncWriter(self.uri, self.require_id(), self._get_artifacts, writer.drain)
        refused = writer.finish(status, milliseconds)
        return None if refused is None else refused.error()

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

    def keep(self, objects: Mapping[str, Any]) -> dict[str, str]:
        """Save the last objects; the tags of their contents are left to `conclude`."""
        if self._is_open or self._spool is not None:
            return super().keep(objects)
        return self._store(objects, put=False)

    def conclude(self, status: str, tags: Mapping[str, str]) -> None:
        """Set the last tags and close the run; see `Recorder.conclude`."""
        if self._is_open or self._spool is not None:
            super().conclude(status, tags)
            return
        texts, now = self._texts("tag", tags, MAX_TAG), datetime.now(UTC)
        with mapped(f"end run {self.require_id()}"):
            store = store_of(client_for(self.uri))
            end = checked_status(status), int(now.timestamp() * 1000)
            if sqlite.insert(store, self.require_id(), tags=texts, end=end):
                self.status, self.ended_at, self._is_stale = status, now, True
                return
        super().conclude(status, tags)

    def put_param_once(self, key: str, value: str) -> str:
        """Log one parameter now, unless it is there; see `Recorder.put_param_once`."""
        self._is_stale = True
        return put_param_once(self.uri, self.require_id(), key, value)

    def add(
        self,
        *,
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        texts: Mapping[str, str] | None = None,
    ) -> None:
        """Write what accompanies the run, whether it goes on or has ended.

        After the end of a run that had a journal this goes through a journal of its own: it is not lost when the store
        is away.
        """
        put = partial(self._add, params=params or {}, tags=tags or {}, texts=texts or {})
        if self._is_open or self._spool is None:
            try:
                put(self._writer, self._artifacts)
            except StoreUnreachableError:
                # Perhaps the run has ended meanwhile: then the journal took nothing more.
                if self._is_open or self._spool is None:
                    raise
            else:
                return
        address, run = self.get_artifact_uri(), f"run {self.id}"
        plain = Artifacts(address, self.uri, run)
        spool = SpoolWriter(self.uri, self.require_id(), lambda: plain, self._header(), is_owner=False)
        artifacts = plain if plain.folder is not None else SpooledArtifacts(address, self.uri, run, lambda: spool)
        try:
            # What cannot be uploaded waits in the journal.
            with brief():
                put(spool, artifacts)
        finally:
            spool.leave()

    def _add(
        self,
        writer: Writer,
        artifacts: Artifacts,
        *,
        params: Mapping[str, str],
        tags: Mapping[str, str],
        texts: Mapping[str, str],
    ) -> None:
        if params:
            writer.put_params(self._texts("param", params, MAX_PARAM))
        if tags:
            writer.put_tags(self._texts("tag", tags, MAX_TAG))
        if texts:
            artifacts.put_texts(texts)
        self._is_stale = True

    def set_recorder_name(self, rname: str) -> None:
        """Rename the run."""
        if self.id is not None:
            self._writer.rename(rname)
            self._is_stale = True
        self.name = rname
