"""The artifacts of one run: on this machine as plain files, elsewhere through MLflow."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from rollforward.errors import LoadObjectError, RollforwardError, TrackingError
from rollforward.serialize import atomic_write, load_object, save_object
from rollforward.settings.masking import mask_credentials
from rollforward.settings.nearest import did_you_mean
from rollforward.workflow.mlflow_backend.client import mapped

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Artifacts:
    """The artifacts of one run.

    Parameters
    ----------
    address
        Where MLflow keeps them.
    uri
        The store that the run is in; artifacts that a server hands out are asked of it.
    run
        How messages call the run.
    """

    def __init__(self, address: str, uri: str, run: str) -> None:
        self._address = address
        self._uri = uri
        self._run = run
        self.folder = local_folder(address)

    def put_objects(self, objects: Mapping[str, Any], folder: str | None = None) -> None:
        """Write objects by the suffixes of their names; see `Recorder.save_objects`."""
        names = {checked_name(name, folder): obj for name, obj in objects.items()}
        with self._target() as root:
            for name, obj in names.items():
                path = root / name
                path.parent.mkdir(parents=True, exist_ok=True)
                save_object(obj, path)

    def put_path(self, path: str | Path, folder: str | None = None) -> None:
        """Store a copy of a file, or of what a folder contains."""
        source = Path(path)
        if not source.exists():
            raise TrackingError(f"There is nothing at {source}.", "a file or a folder.")
        where = None if folder is None else checked_name(folder)
        with mapped(f"store {source} in {self._run}"):
            repository = self._repository()
            if source.is_dir():
                repository.log_artifacts(str(source), where)
            else:
                repository.log_artifact(str(source), where)

    def put_texts(self, texts: Mapping[str, str]) -> None:
        """Write texts as they are, in UTF-8 with the line ends they have."""
        with self._target() as root:
            for name, text in texts.items():
                path = root / checked_name(name)
                path.parent.mkdir(parents=True, exist_ok=True)
                with atomic_write(path) as file:
                    file.write(text.encode("utf-8", errors="replace"))

    def load(self, name: str, unpickler: Any = None) -> Any:
        """Read an object back; see `Recorder.load_object`."""
        name = checked_name(name)
        try:
            with self._local(name) as path:
                return load_object(path, unpickler)
        except LoadObjectError:
            raise
        except RollforwardError as error:
            given = f"Artifact {name!r} of {self._run} cannot be read: {error.given}"
            raise LoadObjectError(given, error.expected, error.remedy) from error

    def list(self, folder: str | None = None) -> list[str]:
        """List one folder; a file and a missing folder contain nothing."""
        where = None if folder is None else checked_name(folder)
        with mapped(f"list the artifacts of {self._run}"):
            return sorted(item.path for item in self._repository().list_artifacts(where))

    def download(self, name: str, target: str | None = None) -> str:
        """Bring an artifact to this machine; see `Recorder.download_artifact`."""
        name = checked_name(name)
        if self.folder is not None:
            source = self.folder / name
            if not source.exists():
                raise self._missing(name)
            return str(source) if target is None else _copy(source, Path(target))
        folder = target or tempfile.mkdtemp(prefix="rollforward-")
        try:
            return self._fetch(name, folder)
        except BaseException:
            if target is None:
                shutil.rmtree(folder, ignore_errors=True)
            raise

    @contextmanager
    def _target(self) -> Iterator[Path]:
        """Give the folder to write into: the artifacts' own, or one that is uploaded and removed."""
        if self.folder is not None:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                yield self.folder
            except OSError as error:
                raise TrackingError(
                    f"The artifacts of {self._run} cannot be written to {self.folder}: {error}",
                    "a folder that can be written, and room on the disk.",
                ) from error
            return
        with tempfile.TemporaryDirectory(prefix="rollforward-") as folder:
            yield Path(folder)
            with mapped(f"upload artifacts of {self._run}"):
                self._repository().log_artifacts(folder)

    @contextmanager
    def _local(self, name: str) -> Iterator[Path]:
        """Give a file to read: the artifact itself, or a copy that is removed."""
        if self.folder is not None:
            path = self.folder / name
            if not path.is_file():
                raise self._missing(name)
            yield path
            return
        with tempfile.TemporaryDirectory(prefix="rollforward-") as folder:
            yield Path(self._fetch(name, folder))

    def _fetch(self, name: str, folder: str) -> str:
        try:
            return str(self._repository().download_artifacts(name, folder))
        except Exception as error:
            if not self._exists(name):
                raise self._missing(name) from error
            raise LoadObjectError(
                f"Artifact {name!r} of {self._run} cannot be fetched: {mask_credentials(str(error))}",
                remedy="It is listed, so try again; the server's log has the cause.",
            ) from error

    def _exists(self, name: str) -> bool:
        parent = str(PurePosixPath(name).parent)
        try:
            return name in self.list(None if parent == "." else parent)
        except TrackingError:
            # Unknown: then it is not called missing.
            return True

    def _missing(self, name: str) -> LoadObjectError:
        parent = str(PurePosixPath(name).parent)
        try:
            there = self.list(None if parent == "." else parent)
        except (TrackingError, MlflowException):
            there = []
        listed = f"one of {', '.join(there)}." if there else "an artifact; there is none in that folder."
        return LoadObjectError(f"Artifact {name!r} is missing from {self._run}.", listed, did_you_mean(name, there))

    def _repository(self) -> Any:
        return get_artifact_repository(self._address, tracking_uri=self._uri)


def local_folder(address: str) -> Path | None:
    """Return the folder that an address of artifacts means, or ``None`` if it is not on this machine."""
    parts = urlsplit(address)
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        return Path(url2pathname(parts.path))
    is_plain = not parts.scheme or len(parts.scheme) == 1  # one letter: a drive
    return Path(address) if is_plain else None


def checked_name(name: str, folder: str | None = None) -> str:
    """Return an artifact's path from the root of its run.

    Raises
    ------
    TrackingError
        If it is empty or leads out of the run's folder.
    """
    path = PurePosixPath(folder or "", name)
    if not name or path.is_absolute() or ".." in path.parts or "\\" in name or not path.parts:
        raise TrackingError(
            f"{str(path)!r} is no name of an artifact.", "a relative path with / between folders, inside the run."
        )
    return str(path)


def _copy(source: Path, folder: Path) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / source.name
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        shutil.copy2(source, target)
    return str(target)
