"""What waits on this machine for a store, looked at without asking the store."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rollforward.settings.words import counted
from rollforward.workflow.mlflow_backend.offline.leftovers import stand_in_address
from rollforward.workflow.mlflow_backend.spool.replay import journals_of
from rollforward.workflow.mlflow_backend.store.address import DATABASE, folder_of
from rollforward.workflow.spool_dir import store_folder

if TYPE_CHECKING:
    from pathlib import Path

_RUNS = "SELECT run_uuid FROM runs WHERE lifecycle_stage = 'active'"


@dataclass(frozen=True)
class Waiting:
    """What waits for a store.

    Attributes
    ----------
    folder
        Where the journals are.
    journals
        Their number, those of living processes included.
    journal_runs
        Ids of the runs of the store that have a journal.
    stand_in
        Folder of the stand-in.
    stand_in_runs
        Ids of the runs in it, uploaded ones included; ``None`` without a stand-in.
    """

    folder: Path
    journals: int
    journal_runs: frozenset[str]
    stand_in: Path
    stand_in_runs: frozenset[str] | None

    @property
    def is_nothing(self) -> bool:
        """Whether nothing waits."""
        return not self.journals and self.stand_in_runs is None

    def as_dict(self) -> dict[str, object]:
        """Return the numbers and the places as plain values."""
        return {
            "journals": self.journals,
            "journal_runs": sorted(self.journal_runs),
            "folder": str(self.folder),
            "stand_in_runs": len(self.stand_in_runs or ()),
            "stand_in": None if self.stand_in_runs is None else str(self.stand_in),
        }

    def __str__(self) -> str:
        """Say it as the end of "there is"; empty if nothing waits."""
        parts = []
        if self.journals:
            parts.append(
                f"{counted(self.journals, 'journal')} of {counted(len(self.journal_runs), 'run')} in {self.folder}"
            )
        if self.stand_in_runs is not None:
            parts.append(f"a stand-in with {counted(len(self.stand_in_runs), 'run')} in {self.stand_in}")
        return ", and ".join(parts)


def waiting_for(uri: str) -> Waiting:
    """Look at what waits for a store; nothing is changed, and the store is not asked.

    Parameters
    ----------
    uri
        The store.
    """
    journals = journals_of(uri)
    folder = folder_of(stand_in_address(uri))
    runs = frozenset(path.name.partition(".")[0] for path in journals)
    return Waiting(store_folder(uri), len(journals), runs, folder, _runs_in(folder / DATABASE))


def _runs_in(database: Path) -> frozenset[str] | None:
    if not database.is_file():
        return None
    try:
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, timeout=5)) as connection:
            return frozenset(row[0] for row in connection.execute(_RUNS))
    except sqlite3.Error:
        # Being made at this moment, or damaged: the upload says what is wrong.
        return frozenset()
