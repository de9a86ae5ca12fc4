"""A session that was held, or is partial, is published again: as it stood then, and only what was not in order."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pandas as pd

from rollforward.data.selection import DATETIME
from rollforward.workflow.online.announcing import announce
from rollforward.workflow.online.containing import Containing, concerns_all
from rollforward.workflow.online.day import Day
from rollforward.workflow.online.judging import Judgement, Known, judge
from rollforward.workflow.online.ledger.entry import REVISES, ROUTINE, Entry
from rollforward.workflow.online.marks import remarked
from rollforward.workflow.online.predictions import Predictions
from rollforward.workflow.online.publishing import MERGED, STRATEGY_SIGNALS, files_of, publications
from rollforward.workflow.online.signals import SCORE, Published, publish, serving_rows, strategy_score
from rollforward.workflow.online.standing import Standing

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from rollforward.workflow.online.desk import Desk
    from rollforward.workflow.online.ledger.chain import Chain
    from rollforward.workflow.online.ledger.parts import Publication
    from rollforward.workflow.online.record_of_signals import RecordOfSignals
    from rollforward.workflow.online.signals import Lines

logger = logging.getLogger(__name__)


class Revision:
    """Publishes one session again.

    The roles, the models and what was usual are those that the session was done with, whatever has been switched since,
    and whatever strategies the manager has by now. What was in order stays, to the bit.

    Parameters
    ----------
    desk
        Has guard, calendar and the way to merge.
    chain
        The ledger; its lease is held.
    record
        The signals so far.
    entries
        Those of the session, routines all of them, in their order.
    """

    def __init__(self, desk: Desk, chain: Chain, record: RecordOfSignals, entries: Sequence[Entry]) -> None:
        self._desk, self._chain, self._record = desk, chain, record
        self._entries = list(entries)
        first = self._entries[0]
        self.session = first.session
        self._before = Standing.of(None if first.previous is None else chain.entry(first.previous))
        self._sets = {state.name_id: state.at(self.session) for state in first.states if state.at(self.session)}
        self._predictions = Predictions(desk.calendar)
        self._containing = Containing(chain)

    @property
    def wanted(self) -> list[str]:
        """The strategies that are held or partial, as they were published last."""
        wrong = [name for name, one in self._latest.items() if one.held or one.partial]
        return [name for name in wrong if name != MERGED and name in self._sets]

    @property
    def _latest(self) -> dict[str, Publication]:
        return {one.strategy: one for entry in self._entries for one in entry.publications}

    def run(self, head: Entry, names: Collection[str] | None = None, *, only_if_better: bool = False) -> Entry | None:
        """Record the session anew.

        Parameters
        ----------
        head
            The newest entry.
        names
            Strategies; ``None``: all that are wanted.
        only_if_better
            Whether nothing is recorded if none of them is good now.

        Returns
        -------
        Entry or None
            ``None`` if nothing is recorded, because what would be published is what is published.
        """
        day = Day(self.session, self.session, self._before, Standing.of(head))
        self._judge(day, [name for name in self.wanted if names is None or name in names])
        if only_if_better and not day.sets:
            logger.info("Session %s is still held: %s", self.session.date(), "; ".join(day.held.values()))
            return None
        found = self._published(day)
        publications = self._publications(day, found)
        if all(one == self._latest.get(one.strategy) for one in publications if one.strategy != MERGED):
            logger.info("Session %s is as it was: nothing is recorded.", self.session.date())
            return None
        files = files_of(found)
        with self._chain.begin(ROUTINE, self.session, simulated=head.simulated) as draft:
            entry = draft.commit(self._entry(head, day, publications), files)
        self._entries.append(entry)
        self._record.note(entry, files)
        announce(entry, day)
        return entry

    def _judge(self, day: Day, names: Sequence[str]) -> None:
        """Predict anew and judge; what one strategy raises is its own trouble."""
        try:
            self._predictions.renew([ref for name in names for ref in self._sets[name]], self.session)
        except Exception as error:
            if concerns_all(error):
                raise
            for name in names:
                with self._containing.strategy(day, name, "predicting"):
                    self._predictions.renew(self._sets[name], self.session)
        for name in names:
            day.judged[name] = found = self._judged(name)
            if found.good:
                day.sets[name] = self._sets[name]
            else:
                day.hold(name, found.reason)

    def _judged(self, name: str) -> Judgement:
        known = Known.of(self._before, name, self._sets[name])
        try:
            return judge(
                self._desk.guard, self._predictions, self._sets[name], self.session, known, self._desk.calendar
            )
        except Exception as error:  # noqa: BLE001  # of any kind: it is the strategy's, and noted as such
            return Judgement(False, False, (self._containing.reason(name, "judging", error),))

    def _published(self, day: Day) -> Published:
        """Put the new rows beside those that stay."""
        old = self._record.read(STRATEGY_SIGNALS, entries=self._entries)
        old = old[old.index.get_level_values(DATETIME) == self.session]
        kept = {name: old[name].dropna() for name in self._sets if name in old and name not in day.sets}
        kept = {name: score for name, score in kept.items() if len(score)}
        rows: dict[str, Lines] = {}
        for name in self._sets:
            if name in day.sets:
                models = day.sets[name]
                rows[name] = serving_rows(self._predictions.frames(models), {self.session: models})
            elif name in kept:
                rows[name] = self._lines(name, kept[name].rename(SCORE))
        found = publish(rows, [name for name in self._before.serving() if name in rows], self._desk.prepare_func)
        if not kept:
            return found
        # What is published of a strategy is one number for each instrument: that very number stays.
        columns = {name: kept.get(name, found.strategies[name].dropna()) for name in rows}
        return Published(found.signals, pd.concat(columns, axis=1).sort_index().rename_axis(columns=None))

    def _lines(self, name: str, score: pd.Series) -> Lines:
        """Find the lines that a published score was made of; the score itself if they are not what they were."""
        models = self._sets[name]
        if len(models) == 1:
            return {(models[0].model,): score}
        self._predictions.upto(models, self.session, {})
        lines = serving_rows(self._predictions.frames(models), {self.session: models})
        if strategy_score(lines).equals(score):
            return lines
        logger.warning(
            "The predictions of %r for %s are not those that were published: its score counts as one line.",
            name,
            self.session.date(),
        )
        return {(name,): score}

    def _publications(self, day: Day, found: Published) -> tuple[Publication, ...]:
        return publications(found, self.session, day.judged, day.held, self._before.serving())

    def _entry(self, head: Entry, day: Day, published: tuple[Publication, ...]) -> Entry:
        there = [name for name in day.judged if name in day.standing.states]
        standing = remarked(day.standing, self.session, day.held, there)
        return Entry(
            ROUTINE,
            self.session,
            states=tuple(standing.states.values()),
            publications=published,
            simulated=head.simulated,
            extra={**standing.extra(), REVISES: self.session.isoformat()},
        )
