"""Finding runs: MLflow's filters, page after page, and one frame of what was found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
from mlflow.entities import ViewType

from rollforward.workflow.mlflow_backend.store.client import client_for, mapped
from rollforward.workflow.recorder import Recorder, checked_status

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mlflow.entities import Run

_PAGE = 1000
_NEWEST_FIRST = ("attributes.start_time DESC",)


def search_runs(
    uri: str,
    experiment_ids: Sequence[str],
    *,
    filter_string: str = "",
    run_view_type: int = ViewType.ACTIVE_ONLY,
    max_results: int | None = None,
    order_by: Sequence[str] | None = None,
) -> Iterator[Run]:
    """Find runs, all pages of them.

    Parameters
    ----------
    uri
        The store.
    experiment_ids
        Where to look.
    filter_string, run_view_type, order_by
        As in MLflow; the default order is newest first.
    max_results
        ``None`` is all.
    """
    client = client_for(uri)
    left = max_results
    token = None
    while left is None or left > 0:
        with mapped(f"search runs with filter {filter_string!r}"):
            page = client.search_runs(
                list(experiment_ids),
                filter_string=filter_string,
                run_view_type=run_view_type,
                max_results=_PAGE if left is None else min(left, _PAGE),
                order_by=[order_by] if isinstance(order_by, str) else list(order_by or _NEWEST_FIRST),
                page_token=token,
            )
        yield from page
        left = None if left is None else left - len(page)
        token = page.token
        if not token:
            return


def status_filter(status: str) -> str:
    """Spell one of the four statuses for MLflow, where a run that was stopped from outside is KILLED."""
    if checked_status(status) == Recorder.STATUS_FA:
        # MLflow has neither OR nor, for a status, IN; of its statuses this pattern fits FAILED and KILLED.
        return "attributes.status LIKE '___LED'"
    return f"attributes.status = '{status}'"


def name_filter(name: str) -> str:
    """Spell a run's name for MLflow.

    Its grammar knows no escapes, so that quotes and backslashes become wildcards: compare what is found.
    """
    if not any(character in name for character in "'\"\\`"):
        return f"attributes.run_name = '{name}'"
    pattern = "".join("_" if character in "'\"\\`" else character for character in name)
    return f"attributes.run_name LIKE '{pattern}'"


def both(*filters: str) -> str:
    """Join filters; empty ones leave no trace."""
    return " AND ".join(item for item in filters if item)


# Tags that are kept for us and no reader, such as the content hashes of artifacts.
_OURS = "mlflow.rollforward."


def frame_of(runs: Iterator[Run]) -> pd.DataFrame:
    """Lay runs out as a table; see `ExpManager.search_records`."""
    rows = [_row(run) for run in runs]
    first = ["run_id", "experiment_id", "run_name", "status", "start_time", "end_time", "artifact_uri"]
    found = {key: None for row in rows for key in row}
    groups = {"metrics": 0, "params": 1, "tags": 2}
    others = sorted((key for key in found if key not in first), key=lambda key: (groups[key.split(".", 1)[0]], key))
    frame = pd.DataFrame(rows, columns=[*first, *others])
    for column in ("start_time", "end_time"):
        frame[column] = pd.to_datetime(frame[column], unit="ms", utc=True)
    return frame


def _row(run: Run) -> dict[str, Any]:
    info, data = run.info, run.data
    row: dict[str, Any] = {
        "run_id": info.run_id,
        "experiment_id": info.experiment_id,
        "run_name": info.run_name,
        "status": info.status,
        "start_time": info.start_time,
        "end_time": info.end_time,
        "artifact_uri": info.artifact_uri,
    }
    for group, values in (("metrics", data.metrics), ("params", data.params), ("tags", data.tags)):
        row |= {f"{group}.{key}": value for key, value in values.items() if not key.startswith(_OURS)}
    return row
