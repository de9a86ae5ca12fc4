"""The newest entries of a ledger, read backwards: what that takes does not depend on how long the ledger is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollforward.workflow.online.ledger.entry import REVISES, ROUTINE, Entry

if TYPE_CHECKING:
    from rollforward.workflow.online.ledger.chain import Chain
    from rollforward.workflow.online.ledger.parts import Session

# More entries than sessions: somebody promotes, or a session is done again.
_MORE = 10


def entries_since(chain: Chain, session: Session, about: int = 0) -> list[Entry]:
    """Read the entries for a session and those after it, whenever they were recorded, in their order.

    Parameters
    ----------
    chain
        The ledger.
    session
        The first session.
    about
        How many entries to expect: so many are read at once.
    """
    found: list[Entry] = []
    entry = chain.head()
    if entry is not None and entry.previous is not None and about and not chain.knows(entry.previous):
        chain.read_newest(about + _MORE)
    while entry is not None and not (is_first_time(entry) and entry.session < session):
        found.append(entry)
        entry = None if entry.previous is None else chain.entry(entry.previous)
    return found[::-1]


def is_first_time(entry: Entry) -> bool:
    """Whether an entry has done its session, and not done it again."""
    return entry.kind == ROUTINE and REVISES not in entry.extra
