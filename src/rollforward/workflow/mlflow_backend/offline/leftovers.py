"""What waits on this machine for a store that was away: journals of dead processes, and the runs of a stand-in."""

from __future__ import annotations

import os
import secrets
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import filelock

from rollforward.errors import SpoolError
from rollforward.workflow.mlflow_backend.alive.dead import dead_runs, mark_dead
from rollforward.workflow.mlflow_backend.offline.source import Source
from rollforward.workflow.mlflow_backend.offline.sync import sync
from rollforward.workflow.mlflow_backend.spool.replay import journals_of, replay_journals
from rollforward.workflow.mlflow_backend.store.address import DATABASE, SCHEME, folder_of
from rollforward.workflow.mlflow_backend.store.client import forget_client
from rollforward.workflow.spool_dir import store_folder

if TYPE_CHECKING:
    from pathlib import Path

    from rollforward.workflow.mlflow_backend.offline.sync import SyncReport
    from rollforward.workflow.mlflow_backend.spool.replay import Replayed

_NAME, _USERS, _GATE = "stand-in", "stand-in.users", "stand-in.lock"


@dataclass(frozen=True)
class Uploaded:
    """What was uploaded to a store.

    Attributes
    ----------
    replayed
        What the journals of dead processes held.
    runs
        What the stand-in held; ``None`` without one.
    """

    replayed: Replayed
    runs: SyncReport | None

    @property
    def is_complete(self) -> bool:
        """Whether nothing of the stand-in is left."""
        return self.runs is None or self.runs.is_complete

    @property
    def is_done(self) -> bool:
        """Whether nothing is left, and nothing goes on."""
        return self.runs is None or (self.runs.is_complete and not self.runs.live)


def stand_in_address(uri: str) -> str:
    """Return the address of the store that stands in for another one on this machine; nothing is created."""
    return f"{SCHEME}{(store_folder(uri) / _NAME).as_posix()}"


def has_leftovers(uri: str) -> bool:
    """Whether anything may wait for a store."""
    return (folder_of(stand_in_address(uri)) / DATABASE).is_file() or bool(journals_of(uri))


def upload_store(source: str | Path, target: str, *, artifact_root: str | None = None, wait: float = 0.0) -> SyncReport:
    """Upload a local store as `sync` does, after what dead processes left there was put in order.

    What waits in their journals is written first, and a run of this machine whose process is gone is KILLED.
    """
    uri = Source(source).uri
    replay_journals(uri)
    mark_dead(uri, runs=[run for run in dead_runs(uri) if run.is_certain])
    return sync(uri, target, artifact_root=artifact_root, wait=wait)


def upload_leftovers(uri: str, *, wait: float = 0.0) -> Uploaded:
    """Upload what waits for a store. A stand-in with nothing left, that no process uses, is removed.

    Parameters
    ----------
    uri
        The store.
    wait
        Seconds to wait while another process does the same.

    Raises
    ------
    StoreUnreachableError
        If the store does not answer.
    TrackingError
        If another process is uploading.
    """
    replayed = replay_journals(uri)
    address = stand_in_address(uri)
    folder = folder_of(address)
    if not (folder / DATABASE).is_file():
        return Uploaded(replayed, None)
    uploaded = Uploaded(replayed, upload_store(address, uri, wait=wait))
    if uploaded.is_done:
        _remove_unused(folder, uri)
    return uploaded


def claim(uri: str) -> Any:
    """Say that this process uses the stand-in of a store, for as long as what is returned is referred to.

    Raises
    ------
    SpoolError
        If the folder cannot be written.
    """
    folder = folder_of(stand_in_address(uri))
    users = folder.with_name(_USERS)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        users.mkdir(exist_ok=True, mode=0o700)
        lock = filelock.FileLock(users / f"{os.getpid()}-{secrets.token_hex(4)}.lock", thread_local=False)
        with filelock.FileLock(folder.with_name(_GATE)):
            lock.acquire(timeout=0)
    except OSError as error:
        raise SpoolError(
            f"The store does not answer, and runs cannot be kept in {folder} either: {error}",
            "a folder that can be written, and room on the disk.",
            "Choose another one with init(spool_dir=...).",
        ) from error
    return lock


def _remove_unused(folder: Path, uri: str) -> None:
    gate = filelock.FileLock(folder.with_name(_GATE))
    try:
        with gate.acquire(timeout=0):
            if _is_used(folder.with_name(_USERS)):
                return
            # A process may have come and gone since.
            last = sync(folder, uri)
            if last.is_complete and not last.live:
                forget_client(f"{SCHEME}{folder.as_posix()}")
                shutil.rmtree(folder)
    except (filelock.Timeout, FileNotFoundError):
        return


def _is_used(users: Path) -> bool:
    for path in users.glob("*.lock"):
        lock = filelock.FileLock(path)
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            return True
        lock.release()
        path.unlink(missing_ok=True)
    return False
