"""A simulation is the routine, session by session, in a ledger that says that nobody was served."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from rollforward.errors import OnlineError
from rollforward.workflow.online.ledger.entry import ADOPT
from rollforward.workflow.online.planning import folds_due, plans_itself
from rollforward.workflow.online.standing import Standing

if TYPE_CHECKING:
    import pandas as pd

    from rollforward.workflow.online.ledger.entry import Entry
    from rollforward.workflow.online.work import Work

logger = logging.getLogger(__name__)


def simulate(work: Work, begin: pd.Timestamp, end: pd.Timestamp, *, all_at_once: bool = False) -> Entry:
    """Do the first training and the sessions from one to another; goes on where it was killed.

    Raises
    ------
    OnlineError
        If the ledger serves already.
    """
    head = work.chain.head()
    if head is not None and not head.simulated:
        raise OnlineError(
            f"The ledger {work.chain.name!r} serves already.",
            "a ledger of its own for a simulation.",
            'Give it another name: OnlineManager(..., name="simulation").',
        )
    train_ahead(work, Standing.of(head), end)
    given = dict(work.desk.model_kwargs)
    work.desk.model_kwargs = {"all_at_once": all_at_once, **given}
    work.begin(work.desk.strategies, begin)
    work.desk.model_kwargs = given
    return work.sessions(end)


def train_ahead(work: Work, standing: Standing, end: pd.Timestamp) -> None:
    """Train all folds up to a session together, if the trainer is one that gains by it.

    Which folds there are follows from segments alone; strategies with rules of their own wait for each session.
    """
    trainer, training = work.desk.training.trainer, work.desk.training
    if not (trainer.is_delay() or trainer.has_worker()):
        return
    for strategy in work.desk.strategies:
        if plans_itself(strategy):
            due = folds_due(strategy, standing.newest.get(strategy.name_id), end, work.desk.task_kwargs)
            training.begin(strategy.name_id, due)
    n_trained = training.end()
    if n_trained:
        logger.info("%d folds were trained ahead of the simulation.", n_trained)


def adopt(work: Work) -> Entry:
    """Make the state of a simulation the one that serves; does nothing if it serves already."""
    head = work.chain.head()
    if head is None:
        raise OnlineError(f"The ledger {work.chain.name!r} is empty.", "a simulation.", "Run simulate() first.")
    if not head.simulated:
        return head
    work.simulated = True  # to be allowed to change it
    try:
        return work.change(ADOPT, lambda standing, _session, _next: (standing, []), live=True)
    finally:
        work.simulated = False
