"""What ``--json`` prints and exports contain: plain values, times in UTC as ISO texts, no credentials."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from rollforward.cli.pool.documents import stamp
from rollforward.settings.masking import mask_credentials, masked

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rollforward.cli.stored.opened import Store
    from rollforward.workflow.mlflow_backend.inventory import FoundExperiment, FoundRun

# The tag of a run that was trained from a task; of others, params that are called so.
_MODEL = ("model", "task.model.class", "model.class", "model_name", "estimator_name")
# Of the tags, those that say where a run comes from, by the names that people use for them.
PROVENANCE = {
    "source": "mlflow.source.name",
    "source_type": "mlflow.source.type",
    "commit": "mlflow.source.git.commit",
    "branch": "mlflow.source.git.branch",
    "repository": "mlflow.source.git.repoURL",
    "user": "mlflow.user",
    "hostname": "hostname",
    "python": "mlflow.rollforward.python",
    "platform": "mlflow.rollforward.platform",
    "task_hash": "task_hash",
    "data_hash": "data_hash",
    "code_hash": "code_hash",
}


def model_of(run: FoundRun) -> str | None:
    """Name the model of a run, if it says so."""
    for key in _MODEL:
        found = run.tags.get(key) or run.params.get(key)
        if found:
            return found
    return None


def brief_experiment(experiment: FoundExperiment, runs: Sequence[FoundRun]) -> dict[str, Any]:
    """Give an experiment and its runs in numbers."""
    started = [run.started_at for run in runs if run.started_at is not None]
    counts: dict[str, int] = {}
    for run in runs:
        counts[run.status] = counts.get(run.status, 0) + 1
    return {
        "id": experiment.id,
        "name": experiment.name,
        "created_at": stamp(experiment.created_at),
        "newest_at": stamp(max(started, default=None)),
        "runs": len(runs),
        "statuses": dict(sorted(counts.items())),
        "artifact_uri": mask_credentials(experiment.artifact_uri or ""),
        "tags": masked(dict(experiment.tags)),
        "deleted": experiment.is_deleted,
    }


def brief_run(store: Store, run: FoundRun) -> dict[str, Any]:
    """Give a run with what was logged last."""
    return {
        "id": run.id,
        "name": run.name,
        "experiment": store.name_of(run.experiment_id),
        "experiment_id": run.experiment_id,
        "status": run.status,
        "started_at": stamp(run.started_at),
        "ended_at": stamp(run.ended_at),
        "seconds": run.seconds,
        "model": model_of(run),
        "parent": run.parent_id,
        "metrics": {key: finite(value) for key, value in sorted(run.metrics.items())},
        "params": dict(sorted(run.params.items())),
        "deleted": run.is_deleted,
    }


def whole_run(
    store: Store, run: FoundRun, artifacts: Mapping[str, int | None], children: Sequence[FoundRun]
) -> dict[str, Any]:
    """Give all that is known about a run."""
    return {
        **brief_run(store, run),
        "tags": dict(sorted(run.tags.items())),
        "provenance": {
            **{name: run.tags[key] for name, key in PROVENANCE.items() if key in run.tags},
            **({"command": run.params["cmd-sys.argv"]} if "cmd-sys.argv" in run.params else {}),
        },
        "children": [
            {"id": child.id, "name": child.name, "status": child.status, "experiment_id": child.experiment_id}
            for child in children
        ],
        "artifact_uri": mask_credentials(run.artifact_uri),
        "artifacts": [{"path": path, "bytes": size} for path, size in artifacts.items()],
    }


def finite(value: float) -> float | None:
    """Give a number as JSON knows it: those that are not finite are null."""
    return value if math.isfinite(value) else None
