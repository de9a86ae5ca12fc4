"""The segments of runs as a table of folds, from their tags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from rollforward.workflow import R
from rollforward.workflow.reporting.addresses import is_server, run_url

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rollforward.workflow.recorder import Recorder

_SEGMENTS = ("train", "valid", "test")


def fold_rows_of(recorders: Sequence[Recorder], lost: Mapping[str, str]) -> pd.DataFrame | None:
    """Lay out the segments of runs.

    Parameters
    ----------
    recorders
        The runs; those without a test segment are left out.
    lost
        Runs whose prediction could not be read, by id.

    Returns
    -------
    pd.DataFrame or None
        As `signal_report` takes it, in the order of the test windows; ``None`` if there is no test segment.
    """
    uri = R.get_uri()
    rows = [_row(recorder, uri) for recorder in recorders]
    table = pd.DataFrame([row for row in rows if "test_start" in row])
    if table.empty:
        return None
    if "test_end" not in table:
        table["test_end"] = None
    unread = table["recorder_id"].isin(list(lost))
    table["status"] = table["status"].where(~unread, "not readable")
    return table.sort_values("test_start", kind="stable", ignore_index=True)


def _row(recorder: Recorder, uri: str) -> dict[str, Any]:
    tags = recorder.list_tags()
    bounds = [f"{segment}_{end}" for segment in _SEGMENTS for end in ("start", "end")]
    row: dict[str, Any] = {key: tags[key] for key in bounds if key in tags}
    row |= {"recorder_id": recorder.id, "experiment_id": recorder.experiment_id, "status": recorder.status}
    if recorder.started_at is not None and recorder.ended_at is not None:
        row["seconds"] = (recorder.ended_at - recorder.started_at).total_seconds()
    return row | ({"url": run_url(recorder, uri)} if is_server(uri) else {})
