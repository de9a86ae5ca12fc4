"""Uploads the journals that dead processes left."""

from __future__ import annotations

import logging
import os
import threading
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlflow.exceptions import MlflowException

from rollforward.errors import SpoolError, StoreUnreachableError, TrackingError
from rollforward.settings.words import counted
from rollforward.workflow.journal import Journal
from rollforward.workflow.mlflow_backend.alive.heartbeat import OWNER
from rollforward.workflow.mlflow_backend.alive.superseded import SUCCESSOR, keep_superseded
from rollforward.workflow.mlflow_backend.artifacts.access import Artifacts
from rollforward.workflow.mlflow_backend.spool.courier import Away, Courier
from rollforward.workflow.mlflow_backend.store.client import client_for
from rollforward.workflow.mlflow_backend.store.http_store import brief
from rollforward.workflow.mlflow_backend.store.reach import is_reachable
from rollforward.workflow.mlflow_backend.store.store_errors import NOT_FOUND, error_code, mapped
from rollforward.workflow.spool_dir import SUFFIX, store_folder

if TYPE_CHECKING:
    from pathlib import Path

    from mlflow.entities import Run

logger = logging.getLogger(__name__)

KILLED, _RUNNING = "KILLED", "RUNNING"
_PROBE = 2.0


@dataclass
class Replayed:
    """What became of the journals of a store.

    Parameters
    ----------
    runs
        Ids of the runs whose journals were uploaded.
    live
        Number of journals whose processes live, and upload them themselves.
    points, params, tags, files
        What was uploaded.
    refused
        Id of a run to what the store did not take of it; the run keeps it too.
    left
        Journal to why it is still there.
    """

    runs: list[str] = field(default_factory=list)
    live: int = 0
    points: int = 0
    params: int = 0
    tags: int = 0
    files: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)


def journals_of(uri: str) -> list[Path]:
    """Return the journals that wait for a store, those of living processes included, the oldest first."""
    folder = store_folder(uri)
    found = []
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            # One may be removed at this moment.
            with suppress(FileNotFoundError):
                if entry.name.endswith(SUFFIX):
                    found.append((entry.stat().st_mtime, entry.name))
    return [folder / name for _, name in sorted(found)]


def replay_journals(uri: str, *, run_id: str | None = None) -> Replayed:
    """Upload what dead processes left for a store, each thing exactly once.

    A run whose journal says how it ended gets that status; one whose process died gets KILLED and the time of its last
    call as its end. One with the tag ``successor``, in whose place another run counts, is KILLED whatever its journal
    says. What cannot be uploaded stays, and is reported.

    Parameters
    ----------
    uri
        The store.
    run_id
        Only the journals of this run; ``None`` is all.
    """
    done = Replayed()
    for path in journals_of(uri):
        if run_id is not None and not path.name.startswith(f"{run_id}."):
            continue
        try:
            journal = Journal.take_over(path)
            if journal is None:
                done.live += path.exists()
                continue
            try:
                _replay(uri, journal, done)
            finally:
                journal.close()
        except (Away, StoreUnreachableError) as error:
            # The rest would not come further.
            done.left[str(path)] = str(error)
            if not is_reachable(uri, _PROBE):
                _leave_all(uri, done)
                break
        except (SpoolError, TrackingError, OSError) as error:
            done.left[str(path)] = str(error)
    return done


def replay_in_background(uri: str) -> None:
    """Upload in a thread of its own what was left before, once per process and store; says so, and never fails."""
    key = (os.getpid(), str(store_folder(uri)))
    if key in _begun or not journals_of(uri):
        return
    _begun.add(key)
    # The settings of this context hold in the thread too.
    run = copy_context().run
    thread = threading.Thread(target=run, args=(_replay_quietly, uri), name="rollforward-replay", daemon=True)
    with suppress(RuntimeError):  # the interpreter is shutting down
        thread.start()


_begun: set[tuple[int, str]] = set()


def _replay_quietly(uri: str) -> None:
    try:
        done = replay_journals(uri)
    except Exception:
        logger.exception("What earlier processes left could not be uploaded")
        return
    if done.runs:
        shown = counted(len(done.runs), "run")
        logger.info("Uploaded what earlier processes left of %s: %s", shown, ", ".join(done.runs))
    for path, reason in done.left.items():
        logger.warning("%s is still there: %s", path, reason)


def _leave_all(uri: str, done: Replayed) -> None:
    for path in journals_of(uri):
        done.left.setdefault(str(path), "the store does not answer")


def _replay(uri: str, journal: Journal, done: Replayed) -> None:
    run_id = str(journal.header["run"])
    run = _run(uri, run_id)
    if run is None:
        raise TrackingError(
            f"Run {run_id} is not in the store.", "the run that the journal belongs to.", f"Delete {journal.path}."
        )
    address = run.info.artifact_uri
    courier = Courier(uri, run_id, journal, lambda: Artifacts(address, uri, f"run {run_id}"))
    courier.may_end = SUCCESSOR not in run.data.tags and _is_ours_to_end(uri, run, journal)
    changed_at = int(journal.changed_at * 1000)
    while courier.carry():
        pass
    if courier.ending is None and courier.may_end and run.info.status == _RUNNING:
        courier.end(KILLED, changed_at)
    # It may have been superseded meanwhile.
    with brief():
        keep_superseded(uri, run_id)
    journal.remove()
    done.runs.append(run_id)
    for kind, count in courier.counts.items():
        setattr(done, kind, getattr(done, kind) + count)
    if not courier.refused.is_empty:
        done.refused[run_id] = courier.refused.summary


def _run(uri: str, run_id: str) -> Run | None:
    try:
        with mapped(f"read run {run_id}"), brief():
            return client_for(uri).get_run(run_id)
    except TrackingError as error:
        cause: Any = error.__cause__
        if isinstance(cause, MlflowException) and error_code(cause) in NOT_FOUND:
            return None
        raise


def _is_ours_to_end(uri: str, run: Run, journal: Journal) -> bool:
    """Whether nobody has continued the run since: no other process of this machine, and none that left its mark."""
    if not journal.header.get("is_owner"):
        return False
    others = [path for path in journals_of(uri) if path.name.startswith(f"{run.info.run_id}.") and path != journal.path]
    for path in others:
        other = Journal.take_over(path)
        if other is None:
            if path.exists():
                return False
        else:
            is_later = other.header.get("is_owner") and other.header.get("start", 0) > journal.header.get("start", 0)
            other.close()
            if is_later:
                return False
    return run.data.tags.get(OWNER) in (None, journal.header.get("owner"))
