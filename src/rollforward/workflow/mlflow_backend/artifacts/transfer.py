"""Artifacts that are elsewhere: several requests at a time, and no longer than somebody wants to wait.

MLflow repeats a request for artifacts for four minutes; here it is given up as `http_store` says.
"""

from __future__ import annotations

import posixpath
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from mlflow.store.artifact.http_artifact_repo import HttpArtifactRepository
from mlflow.utils import credentials, mime_type_utils, rest_utils

from rollforward.workflow.mlflow_backend.artifacts.places import folder_of
from rollforward.workflow.mlflow_backend.store.http_store import patience

if TYPE_CHECKING:
    from collections.abc import Mapping

# Requests at a time: more were not faster with a server on the same machine.
_AT_ONCE = 4
_PIECE = 2**20
_ENDPOINT = "/mlflow-artifacts/artifacts"

# Private or untyped in MLflow; tests/dependency pins them.
_rest: Any = rest_utils
_creds: Any = credentials.get_default_host_creds
_mime_type: Any = mime_type_utils._guess_mime_type  # noqa: SLF001  # what MLflow's pages show a file by


def upload(repository: Any, files: Mapping[str, Path]) -> None:
    """Store files; the first failure ends it.

    Parameters
    ----------
    repository
        MLflow's way to the artifacts of the run.
    files
        Artifact to file. Both have the same last part: MLflow names an artifact as its file.
    """
    if len(files) == 1:
        ((name, file),) = files.items()
        _put(repository, name, file)
        return
    pool = ThreadPoolExecutor(min(_AT_ONCE, max(len(files), 1)), thread_name_prefix="rollforward-upload")
    try:
        started = []
        for name, file in files.items():
            try:
                # A context each: how long to wait is known by the context.
                started.append(pool.submit(copy_context().run, _put, repository, name, file))
            except RuntimeError:
                # The interpreter is shutting down, or there are too many threads.
                _put(repository, name, file)
        for future in started:
            future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _put(repository: Any, name: str, file: Path) -> None:
    # Files of several 100 MB may go to the server's own store in parts, which MLflow knows how to do.
    if not isinstance(repository, HttpArtifactRepository) or file.stat().st_size > _PIECE * 100:
        repository.log_artifact(str(file), folder_of(name))
        return
    headers = {"Content-Type": _mime_type(file.name)}
    with file.open("rb") as content:
        _request(repository, "PUT", name, data=content, extra_headers=headers)


def download_file(repository: Any, name: str, folder: str | Path) -> Path:
    """Bring one file into a folder, under its own name, in one request."""
    target = Path(folder) / PurePosixPath(name).name
    if not _is_http(repository):
        # What every kind of store implements; download_artifacts would list the folder first.
        repository._download_file(name, str(target))  # noqa: SLF001  # pinned in tests/dependency
        return target
    answer = _request(repository, "GET", name, stream=True)
    with answer, target.open("wb") as file:
        for piece in answer.iter_content(_PIECE):
            file.write(piece)
    return target


def list_folder(repository: Any, folder: str | None) -> list[str]:
    """List the files and folders of a folder; none for a file, or if there is no such folder."""
    if not _is_http(repository):
        return [item.path for item in repository.list_artifacts(folder)]
    server, _, root = repository.artifact_uri.partition(_ENDPOINT)
    place = posixpath.join(root.lstrip("/"), folder or "").rstrip("/")
    answer = _rest.http_request(_creds(server), _ENDPOINT, "GET", params={"path": place}, **patience())
    _rest.augmented_raise_for_status(answer)
    names = [PurePosixPath(item["path"]).name for item in answer.json().get("files", [])]
    # Some servers list a file as a folder with itself in it.
    if folder is not None and names == [PurePosixPath(folder).name] and not answer.json()["files"][0].get("is_dir"):
        return []
    return [posixpath.join(folder or "", name) for name in names]


def _is_http(repository: Any) -> bool:
    """Whether a repository is a server's."""
    return isinstance(repository, HttpArtifactRepository)


def _request(repository: Any, method: str, name: str, **how: Any) -> Any:
    path = posixpath.join("/", name)
    answer = _rest.http_request(repository._host_creds, path, method, **how, **patience())  # noqa: SLF001  # as above
    _rest.augmented_raise_for_status(answer)
    return answer
