"""The runs of a ledger, each the ``next`` of another."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from rollforward.errors import LedgerError, RecorderNotFoundError
from rollforward.workflow.task.recorders import known_of

if TYPE_CHECKING:
    from rollforward.workflow.exp import Experiment
    from rollforward.workflow.recorder import Recorder

logger = logging.getLogger(__name__)

ROOT, HEAD = "online.root", "online.head"
NEXT = "next"
# Links that are followed one by one; more are listed.
_HOPS = 6
# Clocks of machines that write to one ledger may differ by so much.
_CLOCKS = timedelta(days=2)


class Links:
    """How to get from one run of a ledger to the next.

    Parameters
    ----------
    experiment
        Where the runs are.
    root
        Id of the run that the first entry follows.
    """

    def __init__(self, experiment: Experiment, root: str) -> None:
        self.experiment = experiment
        self.root = root

    def run(self, run_id: str) -> Recorder:
        """Read a run.

        Raises
        ------
        LedgerError
            If it is gone.
        """
        try:
            return self.experiment.get_recorder(recorder_id=run_id)
        except RecorderNotFoundError as error:
            raise LedgerError(
                f"Run {run_id} of the ledger {self.experiment.name!r} is gone.",
                "all runs of the ledger.",
                f"R.get_exp(experiment_name={self.experiment.name!r}).restore_recorder({run_id!r}) brings it back.",
            ) from error

    def tip(self, known: str | None = None) -> Recorder:
        """Read the last run of the chain.

        Parameters
        ----------
        known
            A run of it; ``None`` asks the experiment, which notes one.
        """
        if known is not None:
            run = self.run(known)
            if next_of(run) is None:
                return run
        run = self.run(self.experiment.tags.get(HEAD, self.root))
        while (following := next_of(run)) is not None:
            run = self.run(following)
        return run

    def onwards(self, known: str | None = None) -> list[Recorder]:
        """Read all runs after one, in their order.

        Parameters
        ----------
        known
            A run of the chain; ``None`` is its root.
        """
        last = self.run(known or self.root)
        listed: dict[str, Recorder] = {}
        found: list[Recorder] = []
        while (following := next_of(last)) is not None:
            if len(found) == _HOPS:
                listed = self._list(last)
            last = listed[following] if following in listed else self.run(following)
            found.append(last)
        return found

    def _list(self, first: Recorder) -> dict[str, Recorder]:
        if first.started_at is None:
            return {}
        since = int((first.started_at - _CLOCKS).timestamp() * 1000)
        # What a slow clock hides is read one by one.
        found: dict[str, Recorder] = self.experiment.list_recorders(filter_string=f"attributes.start_time >= {since}")
        return found


def next_of(run: Recorder) -> str | None:
    """Return the id of the run that follows one that was just read; ``None`` at the end of the chain."""
    following: str | None = known_of(run, "params").get(NEXT)
    return following
