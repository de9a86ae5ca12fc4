"""What others see of the ledger: the online set of each strategy's experiment, and Qlib's tags on the recorders."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from rollforward.workflow.online.predictions import Predictions
from rollforward.workflow.online.utils import OnlineToolR

if TYPE_CHECKING:
    import pandas as pd

    from rollforward.workflow.online.desk import Desk
    from rollforward.workflow.online.ledger.entry import Entry
    from rollforward.workflow.online.ledger.parts import StrategyState

logger = logging.getLogger(__name__)


class Mirrors:
    """Keeps the tags behind the ledger; each can be done again at any time.

    Parameters
    ----------
    desk
        Knows the strategies.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def follow(self, entry: Entry, session: pd.Timestamp, predictions: Predictions | None = None) -> None:
        """Let tags say what serves in a session, for all strategies.

        Parameters
        ----------
        entry
            The head.
        session
            The session.
        predictions
            Knows recorders already.
        """
        known = predictions or Predictions(self._desk.calendar)
        for state in entry.states:
            self._follow(state, session, known)

    def _follow(self, state: StrategyState, session: pd.Timestamp, known: Predictions) -> None:
        models = state.at(session)
        tool = self._desk.strategy(state.name_id).tool
        if not models:
            return
        recorders = known.recorders(models)
        if isinstance(tool, OnlineToolR):
            tool.point(recorders)
            tool.mirror()
        else:
            tool.reset_online_tag(recorders)


def has_switched(entry: Entry, session: pd.Timestamp, before: pd.Timestamp | None) -> bool:
    """Whether something else serves in a session than in the one before."""
    for state in entry.states:
        standing = state.standing(session)
        if standing is not None and (before is None or standing.effective > before or standing.entry == entry.run_id):
            return True
    return False
