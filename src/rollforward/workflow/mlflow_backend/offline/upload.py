"""One run into another store: what is not there yet, in an order in which a reader never sees too much."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlflow.entities import RunStatus
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from rollforward.errors import TrackingError
from rollforward.settings.masking import mask_credentials
from rollforward.workflow.mlflow_backend.artifacts.access import Artifacts
from rollforward.workflow.mlflow_backend.offline.models import send_model
from rollforward.workflow.mlflow_backend.offline.progress import Progress
from rollforward.workflow.mlflow_backend.offline.source import Mark
from rollforward.workflow.mlflow_backend.store.address import OFFLINE_ID, opened_uri
from rollforward.workflow.mlflow_backend.store.client import client_for, mapped, store_of
from rollforward.workflow.mlflow_backend.write.sending import Sender, brief, requests_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from mlflow.entities import LoggedModel, Run

    from rollforward.workflow.mlflow_backend.offline.source import Source
    from rollforward.workflow.mlflow_backend.write.sqlite import Point

HASH = "mlflow.rollforward.sha256."
# Seconds to go on trying while the other store cannot take a request.
PATIENCE = 10.0
_THREADS = 4
_SAVE_EVERY = 0.5
_NOT_COPIED = frozenset({OFFLINE_ID, "mlflow.artifactRoot"})


@dataclass
class Amounts:
    """How much was uploaded."""

    points: int = 0
    params: int = 0
    tags: int = 0
    artifacts: int = 0
    artifact_bytes: int = 0
    models: int = 0
    refused: list[str] = field(default_factory=list)


class RunUpload:
    """Brings one run of the source up to date in the target.

    Parameters
    ----------
    source
        Where it is.
    run
        The run, as it was just read from there.
    target
        The other store.
    there
        The same run as it is there.
    ids
        From the ids of the runs here to those there.
    models
        The models that the run made.
    progress
        File that remembers what was uploaded.
    """

    def __init__(
        self,
        source: Source,
        run: Run,
        target: str,
        there: Run,
        ids: Mapping[str, str],
        models: Sequence[LoggedModel],
        progress: Path,
    ) -> None:
        self._source, self._run, self._target, self._there, self._ids = source, run, target, there, ids
        self._models = models
        self._path = progress
        self._progress = Progress.read(progress, there.info.run_id)
        self._saved = time.monotonic()
        self._sender = Sender(target, there.info.run_id, patience=PATIENCE)
        self.amounts = Amounts()
        self._is_changed = False

    @property
    def is_changed(self) -> bool:
        """Whether anything had to be sent."""
        return self._is_changed

    def upload(self) -> None:
        """Send what is missing; the status comes last.

        Raises
        ------
        TrackingError
            If it cannot be finished; what was sent is not sent again the next time.
        """
        try:
            self._send_params()
            self._send_points()
            self._send_artifacts()
            self._send_models()
            self._send_tags()
            self._send_inputs()
            self._send_info()
        finally:
            self._save(force=self._is_changed)

    def _send_params(self) -> None:
        there = self._there.data.params
        missing = {key: value for key, value in self._run.data.params.items() if there.get(key) != value}
        known = [
            f"param {key!r} is {brief(there[key])} there, and {brief(missing[key])} here"
            for key in missing
            if key in there
        ]
        self.amounts.refused += known
        missing = {key: value for key, value in missing.items() if key not in there}
        self._send([], missing, {})
        self.amounts.params += len(missing)

    def _send_points(self) -> None:
        for mark, points in self._source.points(self._run.info.run_id, Mark(*self._progress.mark)):
            self._send(points, {}, {})
            self.amounts.points += len(points)
            self._progress.mark = mark
            self._save()

    def _send_tags(self) -> None:
        """Send what changed here, so that what was changed there only stays."""
        here = translated(self._run.data.tags, self._ids)
        sent, there = self._progress.tags, self._there.data.tags
        changed = {key: value for key, value in here.items() if sent.get(key, there.get(key)) != value}
        self._send([], {}, changed)
        self.amounts.tags += len(changed)
        for key in [key for key in sent if key not in here]:
            self._is_changed = True
            if key in there:
                with mapped(f"delete tag {key!r}"):
                    client_for(self._target).delete_tag(self._there.info.run_id, key)
        if sent != here:
            self._progress.tags, self._is_changed = here, True

    def _send_models(self) -> None:
        for model in self._models:
            if model.model_id not in self._progress.models:
                self._is_changed = True
                send_model(self._source.uri, model, self._target, self._run, self._there)
                self._progress.models.append(model.model_id)
                self.amounts.models += 1

    def _send_inputs(self) -> None:
        inputs = getattr(self._run.inputs, "dataset_inputs", None) or []
        # The same data may have several names.
        named = {f"{item.dataset.digest} {item.dataset.name}": item for item in inputs}
        new = {key: item for key, item in named.items() if key not in self._progress.inputs}
        if new:
            self._is_changed = True
            with mapped("note the data sets of a run"):
                client_for(self._target).log_inputs(self._there.info.run_id, list(new.values()))
            self._progress.inputs += new

    def _send_info(self) -> None:
        here, there = self._run.info, self._there.info
        if (here.status, here.end_time, here.run_name) == (there.status, there.end_time, there.run_name):
            return
        self._is_changed = True
        with mapped(f"end run {there.run_id}"):
            store = store_of(client_for(self._target))
            store.update_run_info(there.run_id, RunStatus.from_string(here.status), here.end_time, here.run_name)

    def _send(self, points: list[Point], params: dict[str, str], tags: dict[str, str]) -> None:
        if not (points or params or tags):
            return
        self._is_changed = True
        with mapped(f"upload run {self._run.info.run_id}"):
            rest = [] if self._sender.insert(points) else points
            for request in requests_of(rest, params, tags):
                self.amounts.refused += self._sender.send(request)

    # -- artifacts ----------------------------------------------------------

    def _send_artifacts(self) -> None:
        folder = self._source.artifacts(self._run)
        if folder is None:
            raise TrackingError(
                f"The artifacts of run {self._run.info.run_id} are at {self._run.info.artifact_uri}.",
                "artifacts on this machine.",
            )
        changed = {name: stamp for name, stamp in files_of(folder) if self._progress.files.get(name) != stamp}
        if not changed:
            return
        self._is_changed = True
        info = self._there.info
        candidates = {name for name in changed if self._has_same_hash(name)}
        sizes = sizes_of(info.artifact_uri, self._target, candidates) if candidates else {}
        same = {name for name in candidates if sizes.get(name) == changed[name][0]}
        self._progress.files |= {name: changed[name] for name in same}
        there = Artifacts(info.artifact_uri, self._target, f"run {info.run_id}")
        self._put(there, folder, {name: stamp for name, stamp in changed.items() if name not in same})

    def _has_same_hash(self, name: str) -> bool:
        mine = self._run.data.tags.get(HASH + name)
        return mine is not None and mine == self._there.data.tags.get(HASH + name)

    def _put(self, there: Artifacts, folder: Path, files: Mapping[str, tuple[int, int]]) -> None:
        def put(name: str) -> bool:
            parent, _, _ = name.rpartition("/")
            try:
                there.put_path(folder / name, parent or None)
            except (TrackingError, OSError):
                if not (folder / name).exists():
                    # Replaced or removed while the run goes on.
                    return False
                raise
            return True

        for name, is_sent in in_threads(put, list(files)):
            if is_sent:
                self._progress.files[name] = files[name]
                self.amounts.artifacts += 1
                self.amounts.artifact_bytes += files[name][0]
                self._save()

    def _save(self, *, force: bool = False) -> None:
        if force or time.monotonic() - self._saved > _SAVE_EVERY:
            self._progress.write(self._path)
            self._saved = time.monotonic()


def translated(tags: Mapping[str, str], ids: Mapping[str, str]) -> dict[str, str]:
    """Return tags as they are to be in the other store: the id of a run becomes the one that it has there."""
    return {key: ids.get(value, value) for key, value in tags.items() if key not in _NOT_COPIED}


def files_of(folder: Path) -> Iterator[tuple[str, tuple[int, int]]]:
    """List the files below a folder: path with ``/``, and size in bytes with the time of the last change in ns."""
    for path in sorted(folder.rglob("*")):
        if path.name.startswith(".") and path.name.endswith(".tmp"):
            continue
        try:
            if path.is_file():
                state = path.stat()
                yield path.relative_to(folder).as_posix(), (state.st_size, state.st_mtime_ns)
        except FileNotFoundError:
            continue


def sizes_of(address: str, uri: str, names: set[str]) -> dict[str, int]:
    """Ask for the sizes of some artifacts, one request for each of their folders."""
    sizes: dict[str, int] = {}
    with mapped(f"list artifacts at {mask_credentials(address)}"):
        repository = get_artifact_repository(address, tracking_uri=opened_uri(uri))
        for parent in {name.rpartition("/")[0] for name in names}:
            sizes |= {item.path: item.file_size or 0 for item in repository.list_artifacts(parent or None)}
    return sizes


def in_threads(function: Any, items: list[str]) -> Iterator[tuple[str, Any]]:
    """Call a function for each item, some at a time, and yield what each returned; the first error is raised."""
    if len(items) <= 1:
        yield from ((item, function(item)) for item in items)
        return
    with ThreadPoolExecutor(min(_THREADS, len(items)), thread_name_prefix="rollforward-upload") as pool:
        try:
            calls = [(item, pool.submit(function, item)) for item in items]
        except RuntimeError:
            # The interpreter is on its way out and starts no thread any more.
            yield from ((item, function(item)) for item in items)
            return
        try:
            yield from ((item, call.result()) for item, call in calls)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
