"""A simulation is the routine, session by session, in a ledger that says that nobody was served."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rollforward.errors import OnlineError
from rollforward.workflow.online.containing import concerns_all
from rollforward.workflow.online.hindsight import learns_later_labels
from rollforward.workflow.online.ledger.entry import ADOPT
from rollforward.workflow.online.planning import AHEAD, folds_due, plans_itself
from rollforward.workflow.online.standing import Standing

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from rollforward.workflow.online.ledger.entry import Entry
    from rollforward.workflow.online.work import Work

logger = logging.getLogger(__name__)


def simulate(work: Work, begin: pd.Timestamp, end: pd.Timestamp, *, all_at_once: bool = False) -> Entry:
    """Do the first training and the sessions from one to another; goes on where it was killed.

    Raises
    ------
    OnlineError
        If the ledger serves already, or the end is before the beginning.
    """
    if end < begin:
        raise OnlineError(
            f"The simulation ends on {end:%Y-%m-%d} and begins on {begin:%Y-%m-%d}.",
            "an end on or after the beginning.",
            "Give a later end, or an earlier begin_time.",
        )
    head = work.chain.head()
    if head is not None and not head.simulated:
        raise OnlineError(
            f"The ledger {work.chain.name!r} serves already.",
            "a ledger of its own for a simulation.",
            'Give it another name: OnlineManager(..., name="simulation"), or --name.',
        )
    train_ahead(work, Standing.of(head), end)
    given = dict(work.desk.model_kwargs)
    work.desk.model_kwargs = {"all_at_once": all_at_once, **given}
    work.begin(work.desk.strategies, begin)
    work.desk.model_kwargs = given
    return work.sessions(end)


def train_ahead(work: Work, standing: Standing, end: pd.Timestamp) -> None:
    """Train all folds up to a session together, if the trainer is one that gains by it.

    Which folds there are follows from segments alone; strategies with rules of their own wait for each session, and so
    do folds that would learn labels which are not known yet on their day.
    """
    trainer, training = work.desk.training.trainer, work.desk.training
    # Predictions of sessions to come are published as they are: those of a model that is trained ahead are too many.
    if work.desk.future or not (trainer.is_delay() or trainer.has_worker()):
        return
    rolling = [strategy for strategy in work.desk.strategies if plans_itself(strategy)]
    n_trained = 0
    for strategy in rolling:
        with _on_its_day(strategy.name_id):
            due = folds_due(strategy, standing.newest.get(strategy.name_id), end, work.desk.task_kwargs)
            ahead = work.desk.task_kwargs.get(AHEAD) or strategy.ahead
            known = [fold for fold in due if not learns_later_labels(fold, ahead, work.desk.calendar)]
            training.begin(strategy.name_id, known)
    for strategy in rolling:
        with _on_its_day(strategy.name_id):
            n_trained += training.end(strategy.name_id)
    if n_trained:
        logger.info("%d folds were trained ahead of the simulation.", n_trained)


@contextmanager
def _on_its_day(name: str) -> Iterator[None]:
    """Leave to the day of a fold what a strategy raises ahead of it: then it is held."""
    try:
        yield
    except Exception as error:
        if concerns_all(error):
            raise
        logger.exception("Strategy %r is not trained ahead", name)


def adopt(work: Work) -> Entry:
    """Make the state of a simulation the one that serves; does nothing if it serves already."""
    head = work.chain.head()
    if head is None:
        raise OnlineError(f"The ledger {work.chain.name!r} is empty.", "a simulation.", "Run simulate() first.")
    if not head.simulated:
        work.repair()
        return head
    work.simulated = True  # to be allowed to change it
    try:
        return work.change(ADOPT, lambda standing, _session, _next: (standing, []), live=True)
    finally:
        work.simulated = False
