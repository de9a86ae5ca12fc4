"""What is done for one session, after its close; and nothing of it counts before the entry is committed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rollforward.errors import ProofError
from rollforward.workflow.online.announcing import announce
from rollforward.workflow.online.day import Day
from rollforward.workflow.online.desk import definition_or_nothing
from rollforward.workflow.online.judging import Judgement, judge
from rollforward.workflow.online.ledger.entry import ROUTINE, Entry
from rollforward.workflow.online.planning import DueFold, folds_due, newest_after
from rollforward.workflow.online.predictions import Predictions
from rollforward.workflow.online.promoting import promoted
from rollforward.workflow.online.proof_gate import unproved
from rollforward.workflow.online.publishing import files_of, publications, published
from rollforward.workflow.online.record_of_signals import CHECKPOINT_EVERY, SO_FAR
from rollforward.workflow.online.standing import Standing
from rollforward.workflow.online.switching import switches_of
from rollforward.workflow.online.training import refs_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from rollforward.workflow.online.desk import Desk
    from rollforward.workflow.online.ledger.chain import Chain
    from rollforward.workflow.online.ledger.parts import ModelRef, Publication
    from rollforward.workflow.online.record_of_signals import RecordOfSignals
    from rollforward.workflow.online.signals import Published
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

    def run(self, head: Entry, session: pd.Timestamp, until: pd.Timestamp) -> Entry:
        """Do one session.

        Parameters
        ----------
        head
            The newest entry.
        session
            The session.
        until
            The last session that will be done in this call; models are brought up to it at once as far as they serve.
        """
        standing = Standing.of(head)
        day = Day(session, until, standing, standing)
        with self.chain.begin(ROUTINE, session, simulated=self.simulated) as draft:
            self.train(day)
            self._predict(day)
            self._judge(day)
            found = self._published(day)
            promotions = promoted(self.desk, self.record, day, found, self.predictions) if self._has_shadows() else {}
            files = files_of(found)
            extra = self._finish(day, promotions)
            if head.seq % CHECKPOINT_EVERY == CHECKPOINT_EVERY - 1:
                files |= self.record.checkpoint(self.chain.entries(), files)
                extra[SO_FAR] = True
            if files:
                draft.recorder.save_objects(**files)
            entry = draft.commit(self._entry(day, extra, self._publications(day, found)))
        self.record.note(entry, files)
        announce(self.desk, self.chain.name, entry, day)
        return entry

    def revise(self, head: Entry, session: pd.Timestamp, sets: Mapping[str, tuple[ModelRef, ...]]) -> Entry:
        """Predict a session that is done anew, and publish it again; who serves stays.

        Parameters
        ----------
        head
            The newest entry.
        session
            The session.
        sets
            By strategy: the models that served in it.
        """
        standing = Standing.of(head)
        day = Day(session, session, standing, standing)
        with self.chain.begin(ROUTINE, session, simulated=self.simulated) as draft:
            self.predictions.renew([ref for models in sets.values() for ref in models], session)
            for name, models in sets.items():
                day.judged[name] = self._judgement(day, name, models)
                if day.judged[name].good:
                    day.sets[name] = models
                else:
                    day.held[name] = day.judged[name].reason
            found = self._published(day)
            files = files_of(found)
            if files:
                draft.recorder.save_objects(**files)
            mark = session.isoformat()
            for name, state in day.standing.states.items():
                held = {key: why for key, why in state.held.items() if key != mark}
                held |= {mark: day.held[name]} if name in day.held else {}
                day.standing = day.standing.with_state(replace(state, held=held))
            extra = {**day.standing.extra(), "revises": mark}
            entry = draft.commit(self._entry(day, extra, self._publications(day, found)))
        self.record.note(entry, files)
        announce(self.desk, self.chain.name, entry, day)
        return entry

    def train(self, day: Day) -> None:
        """Train what is due, and plan what serves."""
        for strategy in self.desk.strategies:
            name = strategy.name_id
            known = day.standing.newest.get(name)
            folds = folds_due(strategy, known, day.session, self.desk.task_kwargs)
            new = self._trained(name, folds)
            day.trained += [ref for ref, _ in new.values()]
            state, waiting = day.standing.states[name], day.standing.waiting.get(name)
            switches = switches_of(strategy, state, new, day.session, self.predictions, self.desk.model_kwargs, waiting)
            day.switches += switches
            newest = {**day.standing.newest, name: newest_after(known, folds)} if known is not None or folds else {}
            kept = {key: one for key, one in day.standing.waiting.items() if key != name}
            day.standing = replace(day.standing, newest=newest or day.standing.newest, waiting=kept)
        day.standing = day.standing.switched(day.switches, day.session)

    def _trained(self, name: str, folds: list[DueFold]) -> Mapping[str, tuple[ModelRef, Recorder]]:
        if not folds:
            return {}
        recorders = self.desk.training.train(name, folds)
        self.predictions.note(recorders)
        return {
            ref.recorder_id: (ref, recorder)
            for ref, recorder in zip(refs_of(name, folds, recorders), recorders, strict=True)
        }

    def _predict(self, day: Day) -> None:
        sets = day.standing.models(day.session)
        refs = [ref for models in sets.values() for ref in models]
        old = [ref for models in day.before.models(day.session).values() for ref in models]
        self.predictions.keep_only([*refs, *old])
        self.predictions.upto(refs, day.session, {ref.recorder_id: _reach(ref, day) for ref in refs})

    def _judge(self, day: Day) -> None:
        """Judge each set; where a new one is not good and the old one is, the old one stays."""
        for name, models in day.standing.models(day.session).items():
            old = day.before.states[name].at(day.session)
            judgement = self._judgement(day, name, models)
            judgement, chosen = self._proved(day, models, old, judgement), models
            if not judgement.good:
                day.held[name] = judgement.reason
                if old and old != models:
                    judgement, chosen = self._old_one(day, name, old, judgement)
            day.judged[name] = judgement
            if judgement.good:
                day.sets[name] = chosen

    def _proved(
        self, day: Day, models: tuple[ModelRef, ...], old: tuple[ModelRef, ...], judgement: Judgement
    ) -> Judgement:
        """Ask for a proof of new models, if one is wanted and they are good otherwise."""
        if not (self.desk.require_proof and judgement.good):
            return judgement
        new = [model for model in models if model not in old]
        problem = unproved(self.predictions, new, day.session, self.desk.calendar)
        return replace(judgement, good=False, reasons=(problem,)) if problem else judgement

    def require_proof(self, day: Day) -> None:
        """Refuse models that are to serve at once and are not proved.

        Raises
        ------
        ProofError
            Says what is wrong with them.
        """
        if not self.desk.require_proof:
            return
        new = [ref for switch in day.switches if switch.effective <= day.session for ref in switch.models]
        problem = unproved(self.predictions, new, day.session, self.desk.calendar)
        if problem:
            raise ProofError(
                f"The models of {day.session.date()} may not serve: {problem}.",
                "models that are proved to know nothing of the future.",
                "See leak_proof.json in their runs.",
            )

    def _judgement(self, day: Day, name: str, models: tuple[ModelRef, ...]) -> Judgement:
        usual = day.before.usual.get(name)
        return judge(self.desk.guard, self.predictions, models, day.session, usual, self.desk.calendar)

    def _old_one(
        self, day: Day, name: str, old: tuple[ModelRef, ...], refused: Judgement
    ) -> tuple[Judgement, tuple[ModelRef, ...]]:
        """Go on with the old set if it is good; the switch waits for the next session."""
        self.predictions.upto(old, day.session, {})
        judgement = self._judgement(day, name, old)
        models = day.standing.states[name].at(day.session)
        if not judgement.good:
            return refused, models
        due = next(one for one in reversed(day.standing.states[name].switches) if one.effective <= day.session)
        day.switches = [one for one in day.switches if one.strategy != name or one.effective > day.session]
        standing = day.standing.with_state(day.before.states[name])
        later = [one for one in day.switches if one.strategy == name]
        day.standing = replace(standing.switched(later, day.session), waiting={**standing.waiting, name: due})
        return judgement, old

    def _published(self, day: Day) -> Published:
        return published(
            day.before,
            self.predictions,
            day.sets,
            day.session,
            self.desk.prepare_func,
            future=self.desk.future,
            calendar=self.desk.calendar,
        )

    def _has_shadows(self) -> bool:
        return any(strategy.promotion is not None for strategy in self.desk.strategies)

    def _finish(self, day: Day, promotions: Mapping[str, Any]) -> dict[str, Any]:
        """Note what is done; return the rest of the entry."""
        usual = dict(day.standing.usual)
        for name, judgement in day.judged.items():
            if judgement.good and not judgement.partial:
                usual[name] = judgement.n_instruments
        day.standing = replace(day.standing, done=day.session, usual=usual)
        mark = day.session.isoformat()
        for name, state in day.standing.states.items():
            held = {mark: day.held[name]} if name in day.held else {}
            role = promotions.get("roles", {}).get(name, state.role)
            # A template may have been changed since it was last recorded.
            definition = definition_or_nothing(self.desk.strategy(name)) or state.definition
            day.standing = day.standing.with_state(
                replace(state, published_to=day.session, held=held, role=role, definition=definition)
            )
        extra = day.standing.extra()
        if promotions:
            extra["promotions"] = promotions
        return extra

    def _publications(self, day: Day, found: Published) -> tuple[Publication, ...]:
        return publications(found, day.session, day.judged, day.held, day.before.serving())

    def _entry(self, day: Day, extra: dict[str, Any], published_: tuple[Publication, ...]) -> Entry:
        return Entry(
            ROUTINE,
            day.session,
            states=tuple(day.standing.states.values()),
            switches=tuple(day.switches),
            publications=published_,
            trained=tuple(day.trained),
            simulated=self.simulated,
            extra=extra,
        )


def _reach(ref: ModelRef, day: Day) -> pd.Timestamp:
    """Up to where a model may be brought at once: as far as it is meant for, and no further than this call goes."""
    end = ref.test[1]
    return day.until if end is None else min(day.until, max(end, day.session))
