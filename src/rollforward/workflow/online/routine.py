"""What is done for one session, after its close; and nothing of it counts before the entry is committed."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rollforward.workflow.online.accepting import Accepting, served_last
from rollforward.workflow.online.announcing import announce
from rollforward.workflow.online.containing import Containing, concerns_all
from rollforward.workflow.online.day import Day
from rollforward.workflow.online.desk import definition_or_nothing
from rollforward.workflow.online.hindsight import train_as_on
from rollforward.workflow.online.ledger.entry import ROUTINE, Entry
from rollforward.workflow.online.ledger.recent import is_first_time
from rollforward.workflow.online.marks import marked
from rollforward.workflow.online.planning import DueFold, folds_due, newest_after
from rollforward.workflow.online.predictions import Predictions
from rollforward.workflow.online.promoting import promoted
from rollforward.workflow.online.publishing import files_of, publications, rows_of
from rollforward.workflow.online.record_of_signals import CHECKPOINT_EVERY, SO_FAR
from rollforward.workflow.online.signals import publish
from rollforward.workflow.online.standing import Standing
from rollforward.workflow.online.switching import switches_of
from rollforward.workflow.online.training import refs_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    import pandas as pd

    from rollforward.workflow.online.desk import Desk
    from rollforward.workflow.online.ledger.chain import Chain
    from rollforward.workflow.online.ledger.parts import ModelRef, Publication
    from rollforward.workflow.online.record_of_signals import RecordOfSignals
    from rollforward.workflow.online.signals import Published
    from rollforward.workflow.online.strategy import OnlineStrategy
    from rollforward.workflow.recorder import Recorder


class Routine:
    """Does sessions, one after the other.

    Parameters
    ----------
    desk
        What it works with.
    chain
        The ledger; its lease is held.
    record
        The signals so far.
    simulated
        Whether nobody is served.
    """

    def __init__(self, desk: Desk, chain: Chain, record: RecordOfSignals, *, simulated: bool = False) -> None:
        self.desk = desk
        self.chain = chain
        self.record = record
        self.simulated = simulated
        self.predictions = Predictions(desk.calendar)
        self.containing = Containing(chain)
        self.accepting = Accepting(desk, self.predictions, self.containing)

    def run(self, head: Entry, session: pd.Timestamp, until: pd.Timestamp) -> Entry:
        """Do one session.

        Parameters
        ----------
        head
            The newest entry.
        session
            The session.
        until
            The last session that will be done in this call; a simulation brings models up to it at once as far as they
            serve.
        """
        standing = Standing.of(head)
        day = Day(session, until, standing, standing)
        with self.chain.begin(ROUTINE, session, simulated=self.simulated) as draft:
            self.train(day, contained=True)
            self._predict(day)
            self.accepting.choose(day)
            found = self.published(day)
            promotions = self._promoted(day, found)
            files = files_of(found)
            extra = self._finish(day, promotions)
            if self._is_time_for_a_checkpoint(head):
                files |= self.record.checkpoint(self.chain.entries(), files)
                extra[SO_FAR] = True
            made = day.entry(ROUTINE, self.publications(day, found), simulated=self.simulated, extra=extra)
            entry = draft.commit(made, files)
        self.record.note(entry, files)
        announce(entry, day)
        return entry

    def _is_time_for_a_checkpoint(self, head: Entry) -> bool:
        """Whether a number that is due has come since the last routine, whatever was recorded under it."""
        last: Entry = head
        while last.previous is not None and not is_first_time(last):
            last = self.chain.entry(last.previous)
        return (head.seq + 1) // CHECKPOINT_EVERY > last.seq // CHECKPOINT_EVERY

    def train(self, day: Day, *, contained: bool = False) -> None:
        """Train what is due, and plan what serves.

        Parameters
        ----------
        day
            Takes what comes of it.
        contained
            Whether a strategy that raises is held and keeps what it has, so that the next routine tries again; else the
            error goes up.
        """
        tried = [strategy.name_id for strategy in self.desk.strategies]
        for strategy in self.desk.strategies:
            with self.containing.strategy(day, strategy.name_id, "training") if contained else nullcontext():
                self._train(day, strategy)
        untrained = {name: why for name, why in day.standing.untrained.items() if name not in tried} | day.held
        day.standing = replace(day.standing.switched(day.switches, day.session), untrained=untrained)

    def _train(self, day: Day, strategy: OnlineStrategy) -> None:
        name, standing = strategy.name_id, day.standing
        known = standing.newest.get(name)
        folds = folds_due(strategy, known, day.session, self.desk.task_kwargs)
        new = self._trained(day, name, folds)
        state, waiting = standing.states[name], standing.waiting.get(name)
        switches = switches_of(strategy, state, new, day.session, self.predictions, self.desk.model_kwargs, waiting)
        newest = {**standing.newest, name: newest_after(known, folds)} if known is not None or folds else {}
        kept = {key: one for key, one in standing.waiting.items() if key != name}
        day.trained += [ref for ref, _ in new.values()]
        day.switches += switches
        day.standing = replace(standing, newest=newest or standing.newest, waiting=kept)

    def _trained(self, day: Day, name: str, folds: list[DueFold]) -> Mapping[str, tuple[ModelRef, Recorder]]:
        if not folds:
            return {}
        recorders = train_as_on(self.desk, name, folds, day.session)
        self.predictions.note(recorders)
        refs = refs_of(name, folds, recorders)
        early = self.desk.training.ahead_of_their_day(name, folds) if self.simulated else ()
        self.predictions.anew_from([refs[at] for at in early], day.session, self._ahead(day, refs))
        return {ref.recorder_id: (ref, recorder) for ref, recorder in zip(refs, recorders, strict=True)}

    def _predict(self, day: Day) -> None:
        sets = day.standing.models(day.session)
        old = [ref for name in day.before.states for ref in served_last(day, name) or ()]
        self.predictions.keep_only([*(ref for models in sets.values() for ref in models), *old])
        try:
            self._upto(day, [ref for models in sets.values() for ref in models])
        except Exception as error:
            if concerns_all(error):
                raise
            for name, models in sets.items():
                with self.containing.strategy(day, name, "predicting"):
                    self._upto(day, models)

    def _upto(self, day: Day, refs: Collection[ModelRef]) -> None:
        self.predictions.upto(refs, day.session, self._ahead(day, refs))

    def _ahead(self, day: Day, refs: Collection[ModelRef]) -> dict[str, pd.Timestamp]:
        """Tell how far models predict at once; one that serves predicts each session as on its own evening."""
        if not self.simulated or self.desk.future:
            return {}
        return {ref.recorder_id: _reach(ref, day) for ref in refs}

    def published(self, day: Day) -> Published:
        """Put together what is published; a strategy whose rows cannot be had is held."""
        rows = {}
        for name, models in list(day.sets.items()):
            with self.containing.strategy(day, name, "publishing"):
                rows[name] = rows_of(
                    day.before,
                    self.predictions,
                    name,
                    models,
                    day.session,
                    future=self.desk.future,
                    calendar=self.desk.calendar,
                )
            if name not in rows:
                del day.sets[name]
        return publish(rows, [name for name in day.before.serving() if name in rows], self.desk.prepare_func)

    def _promoted(self, day: Day, found: Published) -> Mapping[str, Any]:
        if not any(strategy.promotion is not None for strategy in self.desk.strategies):
            return {}
        return promoted(self.desk, self.record, day, found, self.predictions, self.containing)

    def _finish(self, day: Day, promotions: Mapping[str, Any]) -> dict[str, Any]:
        """Note what is done; return what else the entry says."""
        usual = dict(day.standing.usual)
        for name, judgement in day.judged.items():
            if judgement.good:
                usual[name] = (*usual.get(name, ()), judgement.n_instruments)[-self.desk.guard.history :]
        day.standing = replace(day.standing, done=day.session, usual=usual)
        for name in day.standing.states:
            self.describe(day, name)
            state = day.standing.states[name]
            role = promotions.get("roles", {}).get(name, state.role)
            day.standing = day.standing.with_state(replace(state, published_to=day.session, role=role))
        day.standing = marked(day.standing, day)
        return {"promotions": promotions} if promotions else {}

    def describe(self, day: Day, name: str) -> None:
        """Note what a strategy is by now: a template may have been changed since it was last recorded."""
        with self.containing.strategy(day, name, "describing"):
            definition = definition_or_nothing(self.desk.strategy(name))
            if definition:
                day.standing = day.standing.with_state(replace(day.standing.states[name], definition=definition))

    def publications(self, day: Day, found: Published) -> tuple[Publication, ...]:
        """Describe what is published."""
        return publications(found, day.session, day.judged, day.held, day.before.serving())


def _reach(ref: ModelRef, day: Day) -> pd.Timestamp:
    """Up to where a model may be brought at once: as far as it is meant for, and no further than this call goes."""
    end = ref.test[1]
    return day.until if end is None else min(day.until, max(end, day.session))
