"""A session that was held is tried again by the routines after it, for the strategies that were held."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from rollforward.data.calendar_in_use import resolve
from rollforward.workflow.online.containing import concerns_all
from rollforward.workflow.online.ledger.entry import REVISES, ROUTINE
from rollforward.workflow.online.marks import to_try_again
from rollforward.workflow.online.revising import Revision
from rollforward.workflow.online.standing import Standing

if TYPE_CHECKING:
    import pandas as pd

    from rollforward.workflow.online.desk import Desk
    from rollforward.workflow.online.ledger.chain import Chain
    from rollforward.workflow.online.ledger.entry import Entry
    from rollforward.workflow.online.record_of_signals import RecordOfSignals

logger = logging.getLogger(__name__)


def try_again(desk: Desk, chain: Chain, record: RecordOfSignals, head: Entry) -> Entry:
    """Publish the last sessions that were held, as far as they are good with the data of now; return the head then.

    Where nothing is better, nothing is recorded: to try again any number of times ends as once.
    """
    for session, names in to_try_again(Standing.of(head), resolve(desk.calendar)).items():
        revision = Revision(desk, chain, record, _entries_of(chain, head, session))
        try:
            head = revision.run(head, names, only_if_better=True) or head
        except Exception as error:
            if concerns_all(error):
                raise
            logger.exception("Session %s stays held for %s", session.date(), ", ".join(names))
    return head


def _entries_of(chain: Chain, head: Entry, session: pd.Timestamp) -> list[Entry]:
    """Read the entries of a session that is not long ago, from the head back to the one that has done it."""
    found: list[Entry] = []
    entry = head
    while True:
        if entry.kind == ROUTINE and entry.session == session:
            found.insert(0, entry)
            if REVISES not in entry.extra:
                return found
        if entry.previous is None:
            return found
        entry = chain.entry(entry.previous)
