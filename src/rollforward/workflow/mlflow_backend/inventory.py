"""What is in a store, as plain values: experiments and runs, those in the trash too, and all that a run holds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mlflow.entities import ViewType
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from rollforward.errors import TrackingError
from rollforward.workflow.mlflow_backend.artifacts.content import TAG
from rollforward.workflow.mlflow_backend.artifacts.places import local_folder
from rollforward.workflow.mlflow_backend.experiment import MLflowExperiment
from rollforward.workflow.mlflow_backend.lookup.search import name_filter, search_runs
from rollforward.workflow.mlflow_backend.lookup.stored import list_stored, name_before
from rollforward.workflow.mlflow_backend.run.afterwards import afterwards
from rollforward.workflow.mlflow_backend.store.address import OFFLINE_ID, opened_uri
from rollforward.workflow.mlflow_backend.store.client import client_for, database_file, mapped
from rollforward.workflow.mlflow_backend.store.database import holds_store

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from mlflow.entities import Run

__all__ = [
    "OFFLINE_ID",
    "FoundExperiment",
    "FoundRun",
    "Point",
    "artifacts_of",
    "check_is_there",
    "find_runs",
    "history_of",
    "is_there",
    "list_all",
    "name_filter",
    "restore_run",
]

_PARENT = "mlflow.parentRunId"


@dataclass(frozen=True)
class FoundExperiment:
    """An experiment. The name of one in the trash is the name that it had."""

    id: str
    name: str
    artifact_uri: str
    created_at: datetime | None
    tags: Mapping[str, str]
    is_deleted: bool


@dataclass(frozen=True)
class FoundRun:
    """A run, with what was logged last. The status is MLflow's, which tells KILLED from FAILED."""

    id: str
    name: str
    experiment_id: str
    status: str
    started_at: datetime | None
    ended_at: datetime | None
    artifact_uri: str
    parent_id: str | None
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    is_deleted: bool

    @property
    def seconds(self) -> float | None:
        """How long it took; ``None`` while it goes on."""
        if self.started_at is None or self.ended_at is None:
            return None
        return max(0.0, (self.ended_at - self.started_at).total_seconds())


@dataclass(frozen=True)
class Point:
    """One value of a metric."""

    metric: str
    step: int
    at: datetime
    value: float


def is_there(uri: str) -> bool:
    """Whether a store is there: opening a database file that is not there, or holds something else, would make one."""
    path = database_file(uri)
    return path is None or holds_store(path)


def check_is_there(uri: str) -> None:
    """Refuse a database file that is not there, or holds something else: a look into it would make it a store.

    Raises
    ------
    TrackingError
        If there is none.
    """
    path = database_file(uri)
    if path is not None and not is_there(uri):
        raise TrackingError(
            f"{path} is a database, and no tracking store." if path.exists() else f"There is no tracking store {path}.",
            "a store that holds runs.",
            "Go to the folder that you worked in, or name the store: --uri sqlite:////data/mlflow.db.",
        )


def list_all(uri: str, *, deleted: bool = False) -> list[FoundExperiment]:
    """List the experiments of a store, or those in its trash; newest first."""
    view = ViewType.DELETED_ONLY if deleted else ViewType.ACTIVE_ONLY
    return [
        FoundExperiment(
            id=str(stored.experiment_id),
            name=name_before(stored.name) if deleted else stored.name,
            artifact_uri=stored.artifact_location,
            created_at=_time(stored.creation_time),
            tags=dict(stored.tags),
            is_deleted=deleted,
        )
        for stored in list_stored(uri, view)
    ]


def find_runs(
    uri: str,
    experiment_ids: Sequence[str],
    *,
    filter_string: str = "",
    deleted: bool = False,
    limit: int | None = None,
    order_by: Sequence[str] | None = None,
) -> Iterator[FoundRun]:
    """Find runs; page after page, as they are asked for.

    Parameters
    ----------
    uri
        The store.
    experiment_ids
        Where to look; none gives none.
    filter_string, order_by
        As in MLflow; the default order is newest first.
    deleted
        Those in the trash instead.
    limit
        At most so many; ``None`` is all.
    """
    if not experiment_ids:
        # MLflow answers a search in no experiment with an error.
        return
    afterwards.settle(uri)
    view = ViewType.DELETED_ONLY if deleted else ViewType.ACTIVE_ONLY
    found = search_runs(
        uri, experiment_ids, filter_string=filter_string, run_view_type=view, max_results=limit, order_by=order_by
    )
    for run in found:
        yield _found(run)


def history_of(uri: str, run: FoundRun) -> Iterator[Point]:
    """Read all values of all metrics of a run, metric by metric."""
    client = client_for(uri)
    for metric in sorted(run.metrics):
        with mapped(f"read metric {metric!r} of run {run.id}"):
            values = client.get_metric_history(run.id, metric)
        for value in values:
            yield Point(metric, value.step, datetime.fromtimestamp(value.timestamp / 1000, UTC), value.value)


def artifacts_of(uri: str, run: FoundRun) -> dict[str, int | None]:
    """List the artifacts of a run, in all folders, with their sizes in bytes; ``None`` where the store knows none."""
    folder = local_folder(run.artifact_uri)
    if folder is not None:
        return dict(sorted(_files_in(folder)))
    with mapped(f"list the artifacts of run {run.id}"):
        return dict(sorted(_listed(get_artifact_repository(run.artifact_uri, tracking_uri=opened_uri(uri)), None)))


def restore_run(uri: str, run: FoundRun) -> None:
    """Bring a run back from the trash."""
    MLflowExperiment(run.experiment_id, run.experiment_id, uri).restore_recorder(run.id)


def _files_in(folder: Path) -> Iterator[tuple[str, int | None]]:
    for path in folder.rglob("*"):
        if path.is_file():
            yield path.relative_to(folder).as_posix(), path.stat().st_size


def _listed(repository: Any, folder: str | None) -> Iterator[tuple[str, int | None]]:
    for item in repository.list_artifacts(folder):
        if item.is_dir:
            yield from _listed(repository, item.path)
        else:
            yield item.path, item.file_size


def _found(run: Run) -> FoundRun:
    info, data = run.info, run.data
    return FoundRun(
        id=info.run_id,
        name=info.run_name or "",
        experiment_id=str(info.experiment_id),
        status=info.status,
        started_at=_time(info.start_time),
        ended_at=_time(info.end_time),
        artifact_uri=info.artifact_uri,
        parent_id=data.tags.get(_PARENT),
        params=dict(data.params),
        metrics=dict(data.metrics),
        tags={key: value for key, value in data.tags.items() if not key.startswith(TAG)},
        is_deleted=info.lifecycle_stage == "deleted",
    )


def _time(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC)
