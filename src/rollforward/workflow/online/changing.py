"""The two changes that an operator makes: back to the models before, and a challenger that comes to serve."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rollforward.errors import OnlineError
from rollforward.workflow.online.ledger.entry import PROMOTE, ROLLBACK
from rollforward.workflow.online.ledger.parts import SERVING, SHADOW, Switch
from rollforward.workflow.online.training import refs_of_recorders

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from rollforward.workflow.online.ledger.entry import Entry
    from rollforward.workflow.online.standing import Standing
    from rollforward.workflow.online.work import Work
    from rollforward.workflow.recorder import Recorder


def roll_back(work: Work, strategy: str | None, reason: str) -> Entry:
    """See `OnlineManager.rollback`."""
    book = work.chain.book()

    def make(standing: Standing, session: pd.Timestamp, effective: pd.Timestamp) -> tuple[Standing, list[Switch]]:
        names = list(standing.states) if strategy is None else [work.desk.strategy(strategy).name_id]
        switches = []
        for name in names:
            now = standing.states[name].at(session)
            before = [one.models for one in book.switches(name) if one.effective <= session and one.models != now]
            if before:
                switches.append(Switch(name, before[-1], effective, reason or "rolled back"))
        if not switches:
            raise OnlineError(
                f"{'No strategy' if strategy is None else f'Strategy {strategy!r}'} has served anything else before.",
                "a strategy whose models were switched.",
            )
        kept = {name: one for name, one in standing.waiting.items() if name not in names}
        return replace(standing, waiting=kept).switched(switches, session), switches

    return work.change(ROLLBACK, make)


def promote(work: Work, strategy: str, against: str | None, models: Sequence[Recorder] | None, reason: str) -> Entry:
    """See `OnlineManager.promote`."""
    chosen = work.desk.strategy(strategy)
    refs = () if models is None else tuple(refs_of_recorders(chosen, models))

    def make(standing: Standing, session: pd.Timestamp, effective: pd.Timestamp) -> tuple[Standing, list[Switch]]:
        roles = {strategy: SERVING} | ({} if against is None else {work.desk.strategy(against).name_id: SHADOW})
        after = standing
        for name, role in roles.items():
            after = after.with_state(replace(after.states[name], role=role))
        switches = [Switch(strategy, refs, effective, reason or "promoted")] if refs else []
        return after.switched(switches, session), switches

    return work.change(PROMOTE, make, {"reason": reason} if reason else None)
