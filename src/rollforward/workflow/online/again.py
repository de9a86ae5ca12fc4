"""What a routine could not do is tried again by those after it: sessions that were held, and training that failed."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from rollforward.data.calendar_in_use import resolve
from rollforward.workflow.online.containing import concerns_all
from rollforward.workflow.online.day import Day, put_off
from rollforward.workflow.online.ledger.entry import REVISES, ROUTINE, TRAIN
from rollforward.workflow.online.marks import to_try_again, without_reasons
from rollforward.workflow.online.revising import Revision
from rollforward.workflow.online.routine import Routine
from rollforward.workflow.online.sessions import session_after
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


def train_again(desk: Desk, chain: Chain, record: RecordOfSignals, head: Entry) -> Entry | None:
    """Train what the routine of the last session that is done could not; it serves from the session after it.

    What is published stays. A session that is not done trains it by itself.

    Returns
    -------
    Entry or None
        ``None`` if nothing is recorded, because no training had failed, or all of it failed again.
    """
    before = Standing.of(head)
    failed = [strategy for strategy in desk.strategies if strategy.name_id in before.untrained]
    if before.done is None or not failed:
        return None
    routine = Routine(replace(desk, strategies=failed), chain, record)
    day = Day(before.done, before.done, before, before)
    routine.train(day, contained=True)
    # The reason of the first time is what the marks hold, and what takes them off again.
    day.standing = replace(day.standing, untrained={name: before.untrained[name] for name in day.standing.untrained})
    well = {name: why for name, why in before.untrained.items() if name not in day.standing.untrained}
    if not well:
        return None
    put_off(day, session_after(day.session, desk.calendar))
    for name in well:
        routine.describe(day, name)
    day.standing = without_reasons(day.standing, day.session, well)
    with chain.begin(TRAIN, day.session) as draft:
        entry = draft.commit(day.entry(TRAIN))
    logger.info("Trained again for %s: %s.", day.session.date(), ", ".join(well))
    return entry


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
