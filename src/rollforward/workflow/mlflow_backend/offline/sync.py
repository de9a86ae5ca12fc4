"""Uploading: the runs of a local store into another one, each of them once, however often it is done."""

from __future__ import annotations

import hashlib
import logging
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import filelock
from mlflow.entities import ViewType

from rollforward.errors import StoreRefusedError, StoreUnreachableError, TrackingError
from rollforward.settings.masking import mask_credentials
from rollforward.settings.words import counted
from rollforward.workflow.mlflow_backend.alive.heartbeat import HEARTBEAT, OWNER
from rollforward.workflow.mlflow_backend.lookup.search import search_runs
from rollforward.workflow.mlflow_backend.lookup.stored import ensure_stored, list_stored
from rollforward.workflow.mlflow_backend.offline.models import models_of
from rollforward.workflow.mlflow_backend.offline.source import PARENT, Source
from rollforward.workflow.mlflow_backend.offline.upload import Amounts, RunUpload, translated
from rollforward.workflow.mlflow_backend.store.address import OFFLINE_ID, opened_uri
from rollforward.workflow.mlflow_backend.store.client import checked_uri, client_for, is_reachable, mapped

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mlflow.entities import Experiment as Stored
    from mlflow.entities import LoggedModel, Run

logger = logging.getLogger(__name__)

LOCK, PROGRESS = "upload.lock", "uploads"
# What a new run is created with; the other tags follow.
_AT_ONCE = ("mlflow.user", "mlflow.runName", "mlflow.source.name", "mlflow.source.type", OWNER, HEARTBEAT, PARENT)
_DEFAULT = "Default"


@dataclass
class SyncReport(Amounts):
    """What an upload did.

    Attributes
    ----------
    source, target
        The two stores, without credentials.
    experiments
        Names of the experiments that were created.
    created, updated, unchanged
        Numbers of runs.
    live
        Numbers of runs among them that have not ended here: what they log from now on needs another upload.
    points, params, tags, artifacts, artifact_bytes, models
        How much was sent.
    refused
        What the target does not take, a line each; everything else is there.
    left
        What is not uploaded, by run or experiment, and why.
    """

    source: str = ""
    target: str = ""
    experiments: list[str] = field(default_factory=list)
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    live: int = 0
    left: dict[str, str] = field(default_factory=dict)

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left."""
        return not self.left

    def as_dict(self) -> dict[str, Any]:
        """Return all of it as plain values."""
        return asdict(self)

    def add(self, amounts: Amounts) -> None:
        """Add what one run took."""
        for name in ("points", "params", "tags", "artifacts", "artifact_bytes", "models"):
            setattr(self, name, getattr(self, name) + getattr(amounts, name))
        self.refused += amounts.refused

    def __str__(self) -> str:
        """Say it in a few lines."""
        size = f"{self.artifact_bytes / 1e6:.1f} MB"
        amounts = ((self.points, "point"), (self.params, "param"), (self.tags, "tag"), (self.artifacts, "artifact"))
        sent = f"{', '.join(counted(number, thing) for number, thing in amounts)} ({size})"
        sent += f", {counted(self.models, 'model')}" if self.models else ""
        runs = f"{self.created} new, {self.updated} brought up to date, {self.unchanged} unchanged"
        lines = [
            f"{self.source} -> {self.target}",
            f"  runs: {runs}" + (f", {self.live} of them not ended" if self.live else ""),
            f"  sent: {sent}",
            *(f"  refused: {line}" for line in self.refused),
            *(f"  left: {what}: {why}" for what, why in self.left.items()),
        ]
        return "\n".join(lines)


def sync(source: str | Path, target: str, *, artifact_root: str | None = None, wait: float = 0.0) -> SyncReport:
    """Upload the runs of a local store.

    Experiments are matched by name and created if they are missing; a run that was uploaded carries its id here in the
    tag ``offline_id`` there, by which it is found again. What is there already is not sent again: an upload that was
    interrupted goes on where it was, and a run that went on afterwards gets what is new. Params, tags, all points,
    data sets, artifacts, status and times are those of the source. What is deleted there stays deleted.

    Parameters
    ----------
    source
        A folder with ``mlflow.db`` in it, ``offline:DIR``, or the address of a SQLite store.
    target
        The store to upload to.
    artifact_root
        Where experiments that are created there put their artifacts, as in the settings.
    wait
        Seconds to wait while another process uploads the same source.

    Raises
    ------
    StoreUnreachableError
        If the target does not answer. If it goes away later, the report says what is left.
    StoreRefusedError
        If the source is no local store, or is the target.
    TrackingError
        If another process is uploading the same source.
    """
    here, target = Source(source), checked_uri(target)
    if opened_uri(here.uri) == opened_uri(target):
        raise StoreRefusedError(f"{mask_credentials(target)} cannot be uploaded to itself.", "another store.")
    if not is_reachable(target):
        raise StoreUnreachableError(
            f"The store {mask_credentials(target)} does not answer.", remedy="Start it, or check the address."
        )
    with _alone(here.database.parent / LOCK, wait):
        return _Upload(here, target, artifact_root).run()


class _Upload:
    """One pass over a source."""

    def __init__(self, source: Source, target: str, artifact_root: str | None) -> None:
        self._source, self._target, self._root = source, target, artifact_root
        self._report = SyncReport(source=mask_credentials(source.uri), target=mask_credentials(target))
        digest = hashlib.sha256(mask_credentials(target).encode()).hexdigest()[:16]
        self._progress = source.database.parent / PROGRESS / digest
        self._ids: dict[str, str] = {}
        self._there: dict[str, Run] = {}
        self._homes: dict[str, str] = {}
        self._models: dict[str, list[LoggedModel]] = {}
        self._done: set[str] = set()

    def run(self) -> SyncReport:
        experiments = self._source.experiments()
        runs = self._source.runs(experiments)
        self._models = models_of(self._source.uri, experiments)
        used = {run.info.experiment_id for run in runs}
        wanted = [item for item in experiments if item.experiment_id in used or item.name != _DEFAULT]
        try:
            before = {stored.name for stored in list_stored(self._target)} if wanted else set()
            for stored in wanted:
                self._prepare(stored, is_new=stored.name not in before)
            for run in runs:
                if run.info.experiment_id in self._homes:
                    self._upload(run, self._homes[run.info.experiment_id])
        except StoreUnreachableError as error:
            waiting = [run.info.run_id for run in runs if run.info.run_id not in self._done]
            self._report.left |= dict.fromkeys(waiting or ["experiments"], _brief(error))
        return self._report

    def _prepare(self, stored: Stored, *, is_new: bool) -> None:
        """Find or create the experiment there, and look up which of its runs are there."""
        try:
            home = ensure_stored(self._target, stored.name, self._root)
            if is_new:
                self._report.experiments.append(stored.name)
            self._copy_tags(stored, home)
            wanted = f"tags.{OFFLINE_ID} LIKE '%'"
            found = search_runs(self._target, [home], filter_string=wanted, run_view_type=ViewType.ALL)
            there = {run.data.tags[OFFLINE_ID]: run for run in found}
        except StoreUnreachableError:
            raise
        except TrackingError as error:
            self._report.left[f"experiment {stored.name!r}"] = _brief(error)
            return
        self._homes[stored.experiment_id] = home
        self._there |= there
        self._ids |= {offline: run.info.run_id for offline, run in there.items()}

    def _copy_tags(self, stored: Stored, home: str) -> None:
        client = client_for(self._target)
        tags = {key: value for key, value in stored.tags.items() if not key.startswith("mlflow.experiment")}
        if not tags:
            return
        with mapped(f"copy the tags of experiment {stored.name!r}"):
            there = client.get_experiment(home).tags
            for key, value in tags.items():
                if key not in there:
                    client.set_experiment_tag(home, key, value)

    def _upload(self, run: Run, home: str) -> None:
        run_id = run.info.run_id
        there = self._there.get(run_id)
        if there is not None and there.info.lifecycle_stage == "deleted":
            self._report.unchanged += 1
            self._done.add(run_id)
            return
        is_new = there is None
        try:
            there = there or self._create(run, home)
            is_changed = self._bring_up_to_date(run, there)
        except StoreUnreachableError:
            raise
        except (TrackingError, OSError) as error:
            self._report.left[run_id] = _brief(error)
        else:
            self._report.live += run.info.status == "RUNNING"
            self._report.created += is_new
            self._report.updated += not is_new and is_changed
            self._report.unchanged += not is_new and not is_changed
        self._done.add(run_id)

    def _bring_up_to_date(self, run: Run, there: Run) -> bool:
        """Send what is missing; return whether anything was."""
        notes = self._progress / f"{run.info.run_id}.json"
        models = self._models.get(run.info.run_id, ())
        one = RunUpload(self._source, run, self._target, there, self._ids, models, notes)
        try:
            one.upload()
        finally:
            self._report.add(one.amounts)
        return one.is_changed

    def _create(self, run: Run, home: str) -> Run:
        """Create the run there, with the tag by which it is found again in the same request."""
        info = run.info
        tags = translated({key: run.data.tags[key] for key in _AT_ONCE if key in run.data.tags}, self._ids)
        with mapped(f"create run {info.run_name!r}"):
            there = client_for(self._target).create_run(
                home, start_time=info.start_time, tags=tags | {OFFLINE_ID: info.run_id}, run_name=info.run_name
            )
        self._ids[info.run_id] = there.info.run_id
        return there


@contextmanager
def _alone(path: Path, wait: float) -> Iterator[None]:
    """Let one process at a time upload a source."""
    lock = filelock.FileLock(path)
    try:
        lock.acquire(timeout=wait)
    except filelock.Timeout as error:
        raise TrackingError(
            f"Another process is uploading {path.parent}.", "one at a time.", "Wait until it is done."
        ) from error
    except OSError as error:
        raise TrackingError(f"{path} cannot be locked: {error}", "a folder that can be written.") from error
    try:
        yield
    finally:
        lock.release()


def _brief(error: TrackingError | OSError) -> str:
    return mask_credentials(f"{error.given} {error.remedy}".strip() if isinstance(error, TrackingError) else str(error))
