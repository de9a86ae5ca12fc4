"""The artifacts of one run: on this machine as plain files, elsewhere through MLflow."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import IO, TYPE_CHECKING, Any

from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from rollforward.errors import (
    LoadObjectError,
    MissingArtifactError,
    RollforwardError,
    StoreUnreachableError,
    TrackingError,
    UntrustedClassError,
)
from rollforward.serialize import read_object, write_object
from rollforward.serialize.trust import trusted
from rollforward.settings.masking import mask_credentials
from rollforward.settings.nearest import did_you_mean
from rollforward.workflow.mlflow_backend.artifacts.content import TAG, Digest, is_one_of
from rollforward.workflow.mlflow_backend.artifacts.copies import keep_copy, load_copy
from rollforward.workflow.mlflow_backend.artifacts.places import (
    checked_name,
    copies_in,
    copy_to,
    files_of,
    folder_of,
    local_folder,
    move_file,
    place,
)
from rollforward.workflow.mlflow_backend.artifacts.transfer import download_file, list_folder, upload
from rollforward.workflow.mlflow_backend.store.address import opened_uri
from rollforward.workflow.mlflow_backend.store.http_store import brief
from rollforward.workflow.mlflow_backend.store.reach import is_reachable
from rollforward.workflow.mlflow_backend.store.store_errors import mapped

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rollforward.workflow.file_cache import FileCache
    from rollforward.workflow.mlflow_backend.artifacts.content import ContentTags

__all__ = ["Artifacts", "checked_name", "local_folder"]

# Seconds that a reader waits for the tag of an artifact which a run that goes on has just replaced.
PATIENCE = 2.0
_NAP = 0.05
# Seconds until the first byte of a file: a server may have to fetch it from somewhere else.
_ANSWER = 120.0


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

    def put_texts(self, texts: Mapping[str, str]) -> None:
        """Write texts as they are, in UTF-8 with the line ends they have."""
        names = {checked_name(name): text for name, text in texts.items()}
        with self._staging() as stage:
            files = {}
            for name, text in names.items():
                files[name] = place(stage, name)
                files[name].write_bytes(text.encode("utf-8", errors="replace"))
            self.put_files(files, take=True)

    def put_path(self, path: str | Path, folder: str | None = None) -> None:
        """Store a copy of a file, or of what a folder contains."""
        self.put_files(files_of(path, folder))

    @contextmanager
    def staged(self, objects: Mapping[str, Any], folder: str | None = None) -> Iterator[dict[str, Path]]:
        """Write objects to files that are not artifacts yet, and remove what is left of them at the end.

        Yields
        ------
        dict
            Artifact to file, for `put_files`.
        """
        names = {checked_name(name, folder): obj for name, obj in objects.items()}
        with self._staging() as stage:
            files = {}
            for name, obj in names.items():
                files[name] = place(stage, name)
                with files[name].open("xb") as file:
                    write_object(obj, file, name)
            yield files

    def put_files(self, files: Mapping[str, Path], *, take: bool = False) -> None:
        """Make files artifacts; each appears whole.

        Parameters
        ----------
        files
            Artifact to file, with the same last part.
        take
            Nobody needs the files any more: they may be moved instead of copied.

        Raises
        ------
        StoreUnreachableError, TrackingError
            If they cannot be uploaded; some may be.
        """
        if self.folder is None:
            with mapped(f"upload artifacts of {self._run}"):
                upload(self._repository(), files)
            return
        with ExitStack() as stack:
            stack.enter_context(self._writing())
            if not take:
                files = copies_in(stack.enter_context(self._staging()), files)
            for name, file in files.items():
                target = self.folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                move_file(file, target)

    def load(
        self, name: str, unpickler: Any = None, contents: ContentTags | None = None, cache: FileCache | None = None
    ) -> Any:
        """Read an object back; see `Recorder.load_object`.

        Parameters
        ----------
        name, unpickler
            As there.
        contents
            What the artifact should contain; ``None`` checks nothing.
        cache
            Copies of artifacts that are elsewhere, for a run whose contents were read just now.
        """
        name = checked_name(name)
        try:
            if contents is not None:
                return self._load_checked(name, unpickler, contents, None if self.folder is not None else cache)
            with self._opened(name) as file:
                return read_object(file, name, unpickler)
        except UntrustedClassError as error:
            raise UntrustedClassError(
                f"Artifact of {self._run}: {error.given}", error.expected, error.remedy
            ) from error
        except (LoadObjectError, StoreUnreachableError):
            raise
        except RollforwardError as error:
            given = f"Artifact {name!r} of {self._run} cannot be read: {error.given}"
            raise LoadObjectError(given, error.expected, error.remedy) from error

    def _load_checked(self, name: str, unpickler: Any, contents: ContentTags, cache: FileCache | None) -> Any:
        is_thorough = self.folder is None or trusted() is not None
        expected = contents.expected(name)
        if (copy := load_copy(cache, expected, name, unpickler)) is not None:
            return copy[0]
        end = None
        while True:
            with self._opened(name) as file:
                if is_one_of(file, expected, thorough=is_thorough):
                    found = read_object(file, name, unpickler)
                    keep_copy(cache, expected, file)
                    return found
                expected, is_live = contents.refreshed(name)
                if is_one_of(file, expected, thorough=is_thorough):
                    return read_object(file, name, unpickler)
                actual = Digest.of(file)
            # Somebody may be replacing it: then the file as it is now counts.
            if end is None:
                end = monotonic() + PATIENCE
            elif is_live and monotonic() < end:
                sleep(_NAP)
            else:
                break
        raise LoadObjectError(
            f"Artifact {name!r} of {self._run} has {actual}; what was saved has {expected[0]}.",
            "the content that was saved.",
            f"It was damaged, or changed by other means. To take it as it is: delete_tags({TAG + name!r}).",
        )

    def list(self, folder: str | None = None) -> list[str]:
        """List one folder; a file and a missing folder contain nothing."""
        where = None if folder is None else checked_name(folder)
        with mapped(f"list the artifacts of {self._run}"):
            return sorted(list_folder(self._repository(), where))

    def download(self, name: str, target: str | None = None) -> str:
        """Bring an artifact to this machine; see `Recorder.download_artifact`."""
        name = checked_name(name)
        if self.folder is not None:
            source = self.folder / name
            if not source.exists():
                raise self._missing(name)
            return str(source) if target is None else copy_to(source, Path(target))
        if target is not None:
            with tempfile.TemporaryDirectory(prefix="rollforward-") as folder:
                return copy_to(self._fetch(name, folder), Path(target))
        folder = tempfile.mkdtemp(prefix="rollforward-")
        try:
            return str(self._fetch(name, folder))
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    @contextmanager
    def _staging(self) -> Iterator[Path]:
        """Give a folder whose files `put_files` can take, and remove it."""
        if self.folder is None:
            with tempfile.TemporaryDirectory(prefix="rollforward-") as folder:
                yield Path(folder)
            return
        # Beside the artifacts and not among them: on the same disk, and never listed.
        stage = self.folder.with_name(f".{self.folder.name}.{uuid.uuid4().hex}")
        with self._writing():
            stage.mkdir(parents=True)
            try:
                yield stage
            finally:
                shutil.rmtree(stage, ignore_errors=True)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if isinstance(error, RollforwardError):
                raise
            raise TrackingError(
                f"The artifacts of {self._run} cannot be written to {self.folder}: {error}",
                "a folder that can be written, and room on the disk.",
            ) from error

    @contextmanager
    def _opened(self, name: str) -> Iterator[IO[bytes]]:
        """Open an artifact, or a copy that is removed: one content, whatever happens to the artifact meanwhile."""
        if self.folder is not None:
            try:
                file = (self.folder / name).open("rb")
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
                raise self._missing(name) from error
            except OSError as error:
                given = f"Artifact {name!r} of {self._run} cannot be opened: {error.strerror or error}."
                raise LoadObjectError(given, "a file that may be read.", f"Look at {self.folder / name}.") from error
            with file:
                yield file
            return
        with ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="rollforward-"))
            yield stack.enter_context(self._fetch_file(name, folder).open("rb"))

    def _fetch_file(self, name: str, folder: str) -> Path:
        try:
            with brief(_ANSWER), self._fetching(name):
                return download_file(self._repository(), name, folder)
        except StoreUnreachableError as error:
            # An old server calls a missing file an error of its own, and would be asked for it again and again.
            if is_reachable(self._uri) and not self._exists(name):
                raise self._missing(name) from error
        with self._fetching(name):
            return download_file(self._repository(), name, folder)

    def _fetch(self, name: str, folder: str) -> Path:
        with self._fetching(name):
            return Path(self._repository().download_artifacts(name, folder))

    @contextmanager
    def _fetching(self, name: str) -> Iterator[None]:
        try:
            with mapped(f"fetch artifact {name!r} of {self._run}"):
                yield
        except StoreUnreachableError:
            raise
        except Exception as error:
            if not self._exists(name):
                raise self._missing(name) from error
            raise LoadObjectError(
                f"Artifact {name!r} of {self._run} cannot be fetched: {mask_credentials(str(error))}",
                remedy="It is listed, so try again; the server's log has the cause.",
            ) from error

    def _exists(self, name: str) -> bool:
        try:
            return name in self.list(folder_of(name))
        except TrackingError:
            # Unknown: then it is not called missing.
            return True

    def _missing(self, name: str) -> MissingArtifactError:
        try:
            there = self.list(folder_of(name))
        except TrackingError:
            there = []
        listed = f"one of {', '.join(there)}." if there else "an artifact; there is none in that folder."
        return MissingArtifactError(
            f"Artifact {name!r} is missing from {self._run}.", listed, did_you_mean(name, there)
        )

    def _repository(self) -> Any:
        return get_artifact_repository(self._address, tracking_uri=opened_uri(self._uri))
