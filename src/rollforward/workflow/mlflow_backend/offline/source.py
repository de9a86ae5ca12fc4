"""What an upload reads: the runs of a local SQLite store, and their points in the order in which they were written."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rollforward.errors import StoreRefusedError
from rollforward.settings.masking import mask_credentials
from rollforward.workflow.mlflow_backend.artifacts.access import local_folder
from rollforward.workflow.mlflow_backend.lookup.search import search_runs
from rollforward.workflow.mlflow_backend.lookup.stored import list_stored
from rollforward.workflow.mlflow_backend.store.address import DATABASE, SCHEME
from rollforward.workflow.mlflow_backend.store.client import artifact_root, client_for, database_file, store_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mlflow.entities import Experiment as Stored
    from mlflow.entities import Run

    from rollforward.workflow.mlflow_backend.write.sqlite import Point

PARENT = "mlflow.parentRunId"
_CHUNK = 20_000
_COUNT = "SELECT count(*), max(rowid) FROM metrics WHERE run_uuid = ? AND rowid <= ?"
_POINTS = (
    "SELECT rowid, key, value, timestamp, step, is_nan FROM metrics"
    " WHERE run_uuid = ? AND rowid > ? ORDER BY rowid LIMIT ?"
)
_LAST_ROW = 2**62
# Experiment, run and "artifacts".
_DEPTH = 3


class Mark(NamedTuple):
    """How far the points of a run have been read.

    A point is a row of a table that only grows, so that the number of its last row says which points are new. Should
    something renumber the rows (``VACUUM`` may, a migration of MLflow does), the number of rows up to it is another.
    """

    row: int = 0
    rows: int = 0


class Source:
    """A local store whose runs are uploaded.

    Parameters
    ----------
    address
        A folder with ``mlflow.db`` in it, ``offline:DIR``, or the address or the file of a SQLite store.

    Raises
    ------
    StoreRefusedError
        If there is no such store.
    """

    def __init__(self, address: str | Path) -> None:
        self.uri = source_uri(address)
        database = database_file(self.uri)
        if database is None:
            raise StoreRefusedError(
                f"{mask_credentials(self.uri)} cannot be uploaded from.",
                "a store on this machine: a folder, offline:DIR or sqlite:///...",
            )
        if not database.is_file():
            raise StoreRefusedError(f"There are no runs at {database.parent}: it has no {database.name}.", "a store.")
        self.database = database

    def experiments(self) -> list[Stored]:
        """List the experiments that are not deleted."""
        return list_stored(self.uri)

    def runs(self, experiments: Sequence[Stored]) -> list[Run]:
        """List the runs that are not deleted, parents before their children, else the oldest first."""
        if not experiments:
            return []
        ids = [stored.experiment_id for stored in experiments]
        found = list(search_runs(self.uri, ids, order_by=["attributes.start_time ASC", "attributes.run_id ASC"]))
        return parents_first(found)

    def artifacts(self, run: Run) -> Path | None:
        """Return the folder of a run's artifacts, ``None`` if they are not on this machine.

        A store that was moved, to another machine perhaps, still has them beside it.
        """
        folder = local_folder(run.info.artifact_uri)
        if folder is None:
            return None
        beside = artifact_root(self.database).joinpath(*folder.parts[-_DEPTH:])
        return beside if beside.is_dir() else folder

    def mark(self, run_id: str, last_row: int = _LAST_ROW) -> Mark:
        """Return the mark of the points up to a row, or of all."""
        with self._rows() as connection:
            count, row = connection.exec_driver_sql(_COUNT, (run_id, last_row)).one()
        return Mark(row or 0, count)

    def points(self, run_id: str, after: Mark) -> Iterator[tuple[Mark, list[Point]]]:
        """Read the points behind a mark, or all of them if the mark is not valid any more; with the mark after each."""
        row, count = after if self.mark(run_id, after.row) == after else Mark()
        while True:
            with self._rows() as connection:
                rows = connection.exec_driver_sql(_POINTS, (run_id, row, _CHUNK)).all()
            if not rows:
                return
            row, count = rows[-1][0], count + len(rows)
            yield Mark(row, count), [(item[1], math.nan if item[5] else item[2], item[3], item[4]) for item in rows]

    def _rows(self) -> Any:
        return store_of(client_for(self.uri)).engine.connect()


def source_uri(address: str | Path) -> str:
    """Return the address of a store that may be given as a folder or as a file."""
    text = str(address)
    if "://" in text or text.startswith((SCHEME, "sqlite:")):
        return text
    path = Path(text).expanduser().absolute()
    return f"{SCHEME}{path.as_posix()}" if path.is_dir() or path.name != DATABASE else f"sqlite:///{path.as_posix()}"


def parents_first(runs: Sequence[Run]) -> list[Run]:
    """Sort so that no run comes before the one it is a child of; else the order stays."""
    waiting = {run.info.run_id: run for run in runs}
    ordered: list[Run] = []
    for run in runs:
        chain: list[Run] = []
        item: Run | None = run
        while item is not None and waiting.pop(item.info.run_id, None) is not None:
            chain.append(item)
            item = waiting.get(item.data.tags.get(PARENT, ""))
        ordered += reversed(chain)
    return ordered
