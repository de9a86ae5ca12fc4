"""How many attempts the tracker knows of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from rollforward.settings.words import counted
from rollforward.workflow import R
from rollforward.workflow.reporting.gathering import BATCH, KIND, ROLLING

if TYPE_CHECKING:
    from collections.abc import Sequence

_PARENT = "tags.mlflow.parentRunId"
_ALL, _DELETED = 3, 2


@dataclass(frozen=True)
class Trials:
    """Attempts in some experiments, deleted ones included.

    Attributes
    ----------
    n
        Runs that are attempts of their own: a rolling job with all its folds is one.
    n_deleted, n_unfinished
        How many of these are in the trash, and how many have not ended well.
    n_parts
        Runs that are parts of an attempt, the folds of jobs; they are not in ``n``.
    is_given
        The number was given by hand; the others are those of the tracker all the same.
    """

    n: int
    n_deleted: int = 0
    n_unfinished: int = 0
    n_parts: int = 0
    is_given: bool = False

    def __str__(self) -> str:
        """Say the number, and how it comes about."""
        if self.is_given:
            return f"{counted(self.n, 'trial')}, given by hand"
        extra = [f"{self.n_deleted} deleted"] if self.n_deleted else []
        extra += [f"{self.n_unfinished} not finished"] if self.n_unfinished else []
        among = f", {' and '.join(extra)} among them" if extra else ""
        parts = f"; {counted(self.n_parts, 'fold')} of rolling jobs counted with their job" if self.n_parts else ""
        return f"{counted(self.n, 'trial')} known to the tracker{among}{parts}"


def count_trials(experiment_ids: Sequence[str]) -> Trials:
    """Count the attempts in experiments.

    Every run counts that is not the fold of a rolling job or the frame of a batch of models, whatever became of it,
    and deleted or not: what was thrown away was tried. What has been purged from the store, or was tried elsewhere, is
    not known here.

    Parameters
    ----------
    experiment_ids
        Ids.
    """
    ids = sorted(set(experiment_ids))
    runs = R.search_records(ids, run_view_type=_ALL)
    deleted = set(R.search_records(ids, run_view_type=_DELETED)["run_id"])
    kind = runs.get(f"tags.{KIND}", pd.Series(dtype=object)).reindex(runs.index)
    jobs = set(runs["run_id"][kind == ROLLING])
    parts = runs.get(_PARENT, pd.Series(dtype=object)).reindex(runs.index).isin(jobs)
    own = runs[~parts & (kind != BATCH)]
    return Trials(
        n=len(own),
        n_deleted=int(own["run_id"].isin(deleted).sum()),
        n_unfinished=int((own["status"] != "FINISHED").sum()),
        n_parts=int(parts.sum()),
    )
