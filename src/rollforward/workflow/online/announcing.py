"""Say what became of a session: in the log, and to whoever wants to know that something is held."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from rollforward.workflow.online.guard import tell

if TYPE_CHECKING:
    from rollforward.workflow.online.day import Day
    from rollforward.workflow.online.desk import Desk
    from rollforward.workflow.online.ledger.entry import Entry

logger = logging.getLogger(__name__)


def announce(desk: Desk, ledger: str, entry: Entry, day: Day) -> None:
    """Log what was done for a session, and call the hook if something is held.

    Parameters
    ----------
    desk
        Has the hook; nobody is called for a simulation.
    ledger
        Its name.
    entry
        As it is recorded.
    day
        How it came about.
    """
    what = "Simulated session" if entry.simulated else "Session"
    merged = entry.publications[-1]
    logger.log(
        logging.DEBUG if entry.simulated else logging.INFO,
        "%s %s is done: %d folds trained, %d switches, %d signals.",
        what,
        day.session.date(),
        len(day.trained),
        len(day.switches),
        merged.n_rows,
    )
    for name, reason in day.held.items():
        logger.warning("%s %s of strategy %r is held: %s", what, day.session.date(), name, reason)
    if day.held and not entry.simulated:
        tell(
            desk.on_hold,
            {
                "manager": ledger,
                "session": day.session.isoformat(),
                "held": dict(day.held),
                "published": merged.n_rows,
                "entry": entry.run_id,
            },
        )
