"""Say what became of a session: in the log, and to whoever wants to know that something is held."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from rollforward.errors import TrackingError
from rollforward.settings.words import counted
from rollforward.workflow.online.guard import tell
from rollforward.workflow.online.ledger.entry import REVISES, ROUTINE
from rollforward.workflow.online.marks import held_in
from rollforward.workflow.task.recorders import tags_of

if TYPE_CHECKING:
    from rollforward.workflow.online.day import Day
    from rollforward.workflow.online.desk import Desk
    from rollforward.workflow.online.ledger.chain import Chain
    from rollforward.workflow.online.ledger.entry import Entry

logger = logging.getLogger(__name__)

# Tag of an entry's run: the hook was told.
TOLD = "online.told"
# So many of the newest entries are looked at.
_LOOKED_AT = 5


def announce(entry: Entry, day: Day) -> None:
    """Log what was done for a session.

    Parameters
    ----------
    entry
        As it is recorded.
    day
        How it came about.
    """
    what = "Simulated session" if entry.simulated else "Session"
    merged = entry.publications[-1]
    logger.log(
        logging.DEBUG if entry.simulated else logging.INFO,
        "%s %s is done%s: %s trained, %s, %s.",
        what,
        day.session.date(),
        " again" if REVISES in entry.extra else "",
        counted(len(day.trained), "fold"),
        counted(len(day.switches), "switch", "switches"),
        counted(merged.n_rows, "signal"),
    )
    for name, reason in day.held.items():
        logger.warning("%s %s of strategy %r is held: %s", what, day.session.date(), name, reason)


def tell_hold(desk: Desk, chain: Chain, entry: Entry) -> None:
    """Tell the hook what an entry holds, unless that was done; the entry's run remembers it.

    Parameters
    ----------
    desk
        Has the hook.
    chain
        The ledger.
    entry
        Only a routine that serves is told of. After a kill, or a hook that failed, it is told again.
    """
    if desk.on_hold is None or not _is_to_be_told(entry):
        return
    run, held = chain.recorder(entry), held_in(entry)
    if TOLD in tags_of(run):
        return
    info = {
        "manager": chain.name,
        "session": entry.session.isoformat(),
        "held": held,
        "published": entry.publications[-1].n_rows,
        "entry": entry.run_id,
    }
    if tell(desk.on_hold, info):
        try:
            run.set_tags(**{TOLD: "yes"})
        except TrackingError as error:
            logger.warning("That the hook was told is not noted, so that it may be told again: %s", error)


def untold_of(desk: Desk, chain: Chain, head: Entry | None) -> list[Entry]:
    """Find, among the newest, the entries that were not told of, in their order.

    One call may have done several sessions while the hook failed.
    """
    found: list[Entry] = []
    entry, left = head, _LOOKED_AT
    while desk.on_hold is not None and entry is not None and left:
        if _is_to_be_told(entry) and TOLD not in tags_of(chain.recorder(entry)):
            found.insert(0, entry)
        if entry.previous is not None and not chain.knows(entry.previous):
            chain.read_newest(2 * left)
        entry, left = None if entry.previous is None else chain.entry(entry.previous), left - 1
    return found


def _is_to_be_told(entry: Entry) -> bool:
    return entry.kind == ROUTINE and not entry.simulated and bool(held_in(entry))
