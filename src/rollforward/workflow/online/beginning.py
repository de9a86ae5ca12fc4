"""What strategies begin with is trained; one that cannot begin keeps none of the others from it."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

from rollforward.errors import OnlineError
from rollforward.workflow.online.day import Day, put_off
from rollforward.workflow.online.desk import definition_or_nothing
from rollforward.workflow.online.ledger.parts import StrategyState
from rollforward.workflow.online.routine import Routine
from rollforward.workflow.online.sessions import session_after

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from rollforward.workflow.online.desk import Desk
    from rollforward.workflow.online.ledger.chain import Chain
    from rollforward.workflow.online.record_of_signals import RecordOfSignals
    from rollforward.workflow.online.standing import Standing
    from rollforward.workflow.online.strategy import OnlineStrategy


def begun(
    desk: Desk,
    chain: Chain,
    record: RecordOfSignals,
    new: Sequence[OnlineStrategy],
    standing: Standing,
    session: pd.Timestamp,
    *,
    simulated: bool = False,
) -> tuple[Day, dict[str, str]]:
    """Train what strategies begin with, each for itself.

    Parameters
    ----------
    desk, chain, record
        What it works with; the lease is held.
    new
        The strategies.
    standing
        The state without them.
    session
        At whose close they begin. If it is done, they serve from the session after it.
    simulated
        Whether nobody is served. Then none may fail: a simulation of fewer strategies is another one.

    Returns
    -------
    tuple
        What came of it, with nothing of those that could not begin; and these, with the reasons.

    Raises
    ------
    OnlineError
        If none could begin. Of a single one the error itself is raised.
    """
    whole = Day(session, session, standing, standing)
    failed: dict[str, str] = {}
    for strategy in new:
        name, before = strategy.name_id, whole.standing
        day = Day(session, session, before, before)
        routine = Routine(replace(desk, strategies=[strategy]), chain, record, simulated=simulated)
        contained = len(new) > 1 and not simulated
        with routine.containing.strategy(day, name, "first training") if contained else nullcontext():
            state = StrategyState(name, strategy.role, definition_or_nothing(strategy), published_to=before.done)
            day.before = day.standing = before.with_state(state)
            routine.train(day)
            if before.done is not None:  # what is published was published without it
                put_off(day, session_after(session, desk.calendar))
            routine.accepting.require_proof(day)
            whole.standing = day.standing
            whole.trained += day.trained
            whole.switches += day.switches
        failed |= day.held
    if failed and len(failed) == len(new):
        raise OnlineError(
            f"None of the strategies could begin: {'; '.join(f'{name}: {why}' for name, why in failed.items())}.",
            "a first training that ends well.",
            "The log has the tracebacks. Mend what they name, and do the same again.",
        )
    return whole, failed
