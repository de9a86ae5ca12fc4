"""What an operator changes: back to the models before, a challenger that serves, a held session that stays as it is."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from rollforward.errors import OnlineError
from rollforward.workflow.online.ledger.entry import ACCEPT, ACCEPTS, PROMOTE, ROLLBACK
from rollforward.workflow.online.ledger.parts import SERVING, SHADOW, Switch
from rollforward.workflow.online.marks import remarked
from rollforward.workflow.online.promoting import require_serving
from rollforward.workflow.online.rolling_back import set_before, with_later
from rollforward.workflow.online.training import refs_of_recorders

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd

    from rollforward.workflow.online.ledger.entry import Entry
    from rollforward.workflow.online.standing import Standing
    from rollforward.workflow.online.work import Work
    from rollforward.workflow.recorder import Recorder

logger = logging.getLogger(__name__)


def roll_back(work: Work, strategy: str | None, reason: str) -> Entry:
    """See `OnlineManager.rollback`."""

    def make(standing: Standing, session: pd.Timestamp, effective: pd.Timestamp) -> tuple[Standing, list[Switch]]:
        names = list(standing.states) if strategy is None else [work.desk.strategy(strategy).name_id]
        book, switches = work.chain.book(), []
        require_begun(standing, names)
        for name in names:
            now = {standing.states[name].at(session), standing.states[name].at(effective)}
            before = set_before(book, name, now, effective)
            if before is not None:
                switches.append(Switch(name, before, effective, reason or "rolled back"))
        if not switches:
            who = "No strategy has ever" if strategy is None else f"Strategy {strategy!r} has never"
            raise OnlineError(
                f"{who} served anything else.",
                "a strategy whose models were switched; a set that was rolled back is not taken again.",
                "promote(strategy, models=[...]) puts any models online.",
            )
        return _switched(standing, switches, session)

    return work.change(ROLLBACK, make)


def promote(work: Work, strategy: str, against: str | None, models: Sequence[Recorder] | None, reason: str) -> Entry:
    """See `OnlineManager.promote`."""
    chosen = work.desk.strategy(strategy)
    rival = None if against is None else work.desk.strategy(against).name_id
    refs = () if models is None else tuple(refs_of_recorders(chosen, models))

    def make(standing: Standing, session: pd.Timestamp, effective: pd.Timestamp) -> tuple[Standing, list[Switch]]:
        if rival is not None:
            require_serving(standing.states, strategy, rival)
        roles = {strategy: SERVING} | ({} if rival is None else {rival: SHADOW})
        require_begun(standing, roles)
        after = standing
        for name, role in roles.items():
            after = after.with_state(replace(after.states[name], role=role))
        switches = [Switch(strategy, refs, effective, reason or "promoted")] if refs else []
        if refs:
            after = replace(after, waiting={name: one for name, one in after.waiting.items() if name != strategy})
        return _switched(after, switches, session)

    return work.change(PROMOTE, make, {"reason": reason} if reason else None)


def accept(work: Work, session: pd.Timestamp, strategy: str | None, reason: str) -> Entry:
    """See `OnlineManager.accept`."""
    mark = session.isoformat()
    chosen = None if strategy is None else work.desk.strategy(strategy).name_id

    def make(standing: Standing, _session: pd.Timestamp, _next: pd.Timestamp) -> tuple[Standing, list[Switch]]:
        held = [name for name, state in standing.states.items() if mark in state.held and chosen in (None, name)]
        if not held:
            who = "No strategy is" if chosen is None else f"Strategy {chosen!r} is not"
            raise OnlineError(
                f"{who} held on {session.date()}.", "a session that is marked as held.", "`online status` lists them."
            )
        dropped = held if session == standing.done else []
        untrained = {name: why for name, why in standing.untrained.items() if name not in dropped}
        return remarked(replace(standing, untrained=untrained), session, {}, held), []

    return work.change(ACCEPT, make, {ACCEPTS: mark, "reason": reason or "accepted as it is"})


def require_begun(standing: Standing, names: Iterable[str]) -> None:
    """Refuse what concerns a strategy that the ledger does not have yet.

    Raises
    ------
    OnlineError
        If one of them is such a strategy.
    """
    for name in names:
        if name not in standing.states:
            raise OnlineError(
                f"Strategy {name!r} has not begun.",
                f"one that has: {', '.join(map(repr, standing.states)) or 'there is none'}.",
                "add_strategy() lets it begin.",
            )


def _switched(standing: Standing, switches: Sequence[Switch], session: pd.Timestamp) -> tuple[Standing, list[Switch]]:
    """Enter an operator's switches; what is scheduled for later sessions stays, what they cancel is said."""
    whole: list[Switch] = []
    for switch in switches:
        mine, said = with_later(standing.states[switch.strategy], switch, standing.waiting.get(switch.strategy))
        if said:
            logger.warning("Strategy %r: %s.", switch.strategy, said)
        whole += mine
    names = {switch.strategy for switch in switches}
    kept = {name: one for name, one in standing.waiting.items() if name not in names}
    return replace(standing, waiting=kept).switched(whole, session), whole
