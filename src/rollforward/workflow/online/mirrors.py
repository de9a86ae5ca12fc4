"""What others see of the ledger: the online set of each strategy's experiment, and Qlib's tags on the recorders."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from rollforward.errors import OnlineError
from rollforward.workflow.online.champion import Champions
from rollforward.workflow.online.containing import concerns_all
from rollforward.workflow.online.predictions import Predictions
from rollforward.workflow.online.standing import Standing
from rollforward.workflow.online.utils import OnlineToolR

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

    from rollforward.workflow.online.desk import Desk
    from rollforward.workflow.online.ledger.entry import Entry
    from rollforward.workflow.online.ledger.parts import ModelRef, StrategyState

logger = logging.getLogger(__name__)


class Mirrors:
    """Keeps the tags behind the ledger; each can be done again at any time.

    Parameters
    ----------
    desk
        Knows the strategies.
    ledger
        Name of the ledger.

    Attributes
    ----------
    lag
        Whether tags could not be written the last time.
    """

    def __init__(self, desk: Desk, ledger: str) -> None:
        self.lag = False
        self._desk = desk
        self._ledger = ledger
        self._champions = Champions(desk.registry, ledger)

    def require_free(self, strategies: Iterable[str]) -> None:
        """Refuse strategies whose models serve by another ledger; for a ledger that is to serve.

        Raises
        ------
        OnlineError
            If there is one; names both.
        """
        for name in strategies:
            holder = self._other_holder(name)
            if holder is not None:
                raise OnlineError(
                    f"The models of strategy {name!r} serve by the ledger {holder!r}.",
                    f"a strategy that only {self._ledger!r} decides on.",
                    f"Give the strategy another name_id, work with the ledger {holder!r}, or delete that.",
                )

    def _other_holder(self, strategy: str) -> str | None:
        tool = self._desk.strategy(strategy).tool
        holder = tool.holder() if isinstance(tool, OnlineToolR) else None
        return None if holder == self._ledger else holder

    def follow(self, entry: Entry, session: pd.Timestamp, predictions: Predictions | None = None) -> None:
        """Let tags say what serves in a session, for all strategies; a simulation leaves alone what serves by a ledger.

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
        self.lag = False
        for state in entry.states:
            if entry.simulated and self._other_holder(state.name_id) is not None:
                logger.info("The models of %r that serve are not those of this simulation.", state.name_id)
                continue
            try:
                self._follow(state, session, self._models(entry, state, session), known, is_live=not entry.simulated)
            except Exception as error:
                if concerns_all(error):
                    raise
                self.lag = True
                logger.exception("The tags of strategy %r do not say what serves", state.name_id)

    def is_behind(self, entry: Entry, session: pd.Timestamp, done: pd.Timestamp | None) -> bool:
        """Whether something else is to be shown of a session than of the one that is done."""
        if self.lag or has_switched(entry, session, done):
            return True
        new = (state.standing(session) for state in entry.states)
        return self._desk.require_proof and any(one is not None and one.effective == done for one in new)

    def _models(self, entry: Entry, state: StrategyState, session: pd.Timestamp) -> tuple[ModelRef, ...]:
        """Find what is shown: a set that has yet to be proved is not."""
        switch, done = state.standing(session), Standing.of(entry).done
        if switch is None or switch.proved or not self._desk.require_proof or done is None or switch.effective <= done:
            return state.at(session)
        return state.at(done)

    def _follow(
        self,
        state: StrategyState,
        session: pd.Timestamp,
        models: tuple[ModelRef, ...],
        known: Predictions,
        *,
        is_live: bool,
    ) -> None:
        tool = self._desk.strategy(state.name_id).tool
        if not models:
            return
        recorders = known.recorders(models)
        if isinstance(tool, OnlineToolR):
            if is_live:
                tool.hold(self._ledger)
            tool.show(recorders)
        else:
            tool.reset_online_tag(recorders)
        if is_live:
            self._champions.follow(state, models, recorders, session)

    def follow_registry(self, entry: Entry, session: pd.Timestamp) -> None:
        """Let only the registered models say what serves, as a registry may have been away; see `follow`."""
        known = Predictions(self._desk.calendar)
        for state in [] if entry.simulated else entry.states:
            models = self._models(entry, state, session)
            if models and self._champions.name_of(state.name_id) is not None:
                self._champions.follow(state, models, known.recorders(models), session)


def has_switched(entry: Entry, session: pd.Timestamp, before: pd.Timestamp | None) -> bool:
    """Whether something else serves in a session than in the one before."""
    for state in entry.states:
        standing = state.standing(session)
        if standing is not None and (before is None or standing.effective > before or standing.entry == entry.run_id):
            return True
    return False
