"""Which set of a strategy is published: a new one if it is good and, where that is asked for, proved; else the last."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rollforward.errors import ProofError
from rollforward.workflow.online.day import Day
from rollforward.workflow.online.judging import Judgement, Known, judge
from rollforward.workflow.online.ledger.parts import Switch
from rollforward.workflow.online.proof_gate import unproved

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from rollforward.workflow.online.containing import Containing
    from rollforward.workflow.online.desk import Desk
    from rollforward.workflow.online.ledger.parts import ModelRef
    from rollforward.workflow.online.predictions import Predictions
    from rollforward.workflow.online.standing import Standing


class Accepting:
    """Lets sets serve, or keeps the last ones.

    A set is new on its first session, whichever entry has recorded it: it is compared with what served in the last
    session that is done.

    Parameters
    ----------
    desk
        Has the guard, and says whether a proof is asked for.
    predictions
        Of the models.
    containing
        Keeps trouble to the strategy that makes it.
    """

    def __init__(self, desk: Desk, predictions: Predictions, containing: Containing) -> None:
        self._desk = desk
        self._predictions = predictions
        self._containing = containing

    def choose(self, day: Day) -> None:
        """Choose what is published of each strategy; a set that is refused waits, and the last one goes on."""
        for name, models in day.standing.models(day.session).items():
            last = served_last(day, name)
            judgement, chosen = self._judged(day, name, models), models
            is_proved = self._needs_no_proof(day, name, models, last)
            if judgement.good and not is_proved:
                problem = self._prove(day, name)
                is_proved = not problem
                judgement = replace(judgement, good=False, reasons=(problem,)) if problem else judgement
            if not judgement.good:
                day.hold(name, judgement.reason)
                if last != models and (last is not None or not is_proved):
                    self._refuse(day, name, judgement.reason)
                    judgement, chosen = self._go_on(day, name, last, judgement)
            day.judged[name] = judgement
            if judgement.good:
                day.sets[name] = chosen

    def require_proof(self, day: Day) -> None:
        """Refuse models that are to serve at once and are not proved; those that are get their mark.

        Raises
        ------
        ProofError
            Says what is wrong with them.
        """
        if not self._desk.require_proof:
            return
        now = [switch for switch in day.switches if switch.effective <= day.session]
        problem = self._problem([ref for switch in now for ref in switch.models], day)
        if problem:
            raise ProofError(
                f"The models of {day.session.date()} may not serve: {problem}.",
                "models that are proved to know nothing of the future.",
                "See leak_proof.json in their runs.",
            )
        for switch in now:
            _mark(day, switch)

    def prove_now(self, before: Standing, after: Standing, session: pd.Timestamp) -> Standing:
        """Return a state whose sets of a session are proved, for no routine will ask; errors as of `require_proof`."""
        sets = [state.standing(session) for state in after.states.values()]
        day = Day(session, session, before, after, switches=[one for one in sets if one is not None and not one.proved])
        self.require_proof(day)
        return day.standing

    def judgement(self, day: Day, name: str, models: Sequence[ModelRef]) -> Judgement:
        """Judge what models predict for the session."""
        known = Known.of(day.before, name, models)
        return judge(self._desk.guard, self._predictions, models, day.session, known, self._desk.calendar)

    # --- inside -------------------------------------------------------------------------------------------------

    def _judged(self, day: Day, name: str, models: Sequence[ModelRef]) -> Judgement:
        try:
            return self.judgement(day, name, models)
        except Exception as error:  # noqa: BLE001  # of any kind: it is the strategy's, and noted as such
            return Judgement(False, False, (self._containing.reason(name, "judging", error),))

    def _needs_no_proof(
        self, day: Day, name: str, models: tuple[ModelRef, ...], last: tuple[ModelRef, ...] | None
    ) -> bool:
        """Whether none is asked for, or there is one; and what serves already goes on."""
        switch = day.standing.states[name].standing(day.session)
        return not self._desk.require_proof or switch is None or switch.proved or models == last

    def _prove(self, day: Day, name: str) -> str:
        """Prove the models of a switch; say what is wrong."""
        switch = day.standing.states[name].standing(day.session)
        if switch is None:
            return ""
        models = switch.models
        before = _switch_before(day, name)
        known = before.models if before is not None and before.proved else ()
        try:
            problem = self._problem([model for model in models if model not in known], day)
        except Exception as error:  # noqa: BLE001  # of any kind: it is the strategy's, and noted as such
            return self._containing.reason(name, "proving", error)
        if not problem:
            _mark(day, switch)
        return problem

    def _problem(self, models: Sequence[ModelRef], day: Day) -> str:
        return unproved(self._predictions, models, day.session, self._desk.calendar)

    def _refuse(self, day: Day, name: str, reason: str) -> None:
        """Let the last set stay, and the new one wait; what comes later is as it was to be."""
        state, before = day.standing.states[name], _switch_before(day, name)
        due = state.standing(day.session)
        if due is None:
            return
        later = state.scheduled(day.session)
        if due in day.switches:
            day.switches = [one for one in day.switches if one != due]
        else:  # An earlier entry says that it serves: this one says that it does not.
            stays = () if before is None else before.models
            text = f"not switched: {reason}"
            before = Switch(name, stays, day.session, text, proved=before is not None and before.proved)
            later_too = [one for one in later if one not in day.switches]
            day.switches += [before, *later_too]
        kept = replace(state, switches=(*(() if before is None else (before,)), *later))
        standing = day.standing
        day.standing = replace(
            standing.with_state(kept),
            waiting={**standing.waiting, name: due},
            refused={**standing.refused, name: reason},
        )

    def _go_on(
        self, day: Day, name: str, last: tuple[ModelRef, ...] | None, refused: Judgement
    ) -> tuple[Judgement, tuple[ModelRef, ...]]:
        if not last:
            return refused, ()
        try:
            self._predictions.upto(last, day.session, {})
            found = self.judgement(day, name, last)
        except Exception as error:  # noqa: BLE001  # of any kind: it is the strategy's, and noted as such
            day.hold(name, self._containing.reason(name, "going on with the last models", error))
            return refused, last
        return (found, last) if found.good else (refused, last)


def served_last(day: Day, name: str) -> tuple[ModelRef, ...] | None:
    """Return the models of a strategy in the last session that is done; ``None`` if there were none."""
    switch = _switch_before(day, name)
    return None if switch is None or not switch.models else switch.models


def _switch_before(day: Day, name: str) -> Switch | None:
    done, state = day.before.done, day.before.states.get(name)
    return None if done is None or state is None else state.standing(done)


def _mark(day: Day, switch: Switch) -> None:
    """Note that the models of a switch are proved."""
    marked = replace(switch, proved=True)
    state = day.standing.states[switch.strategy]
    switches = tuple(marked if one == switch else one for one in state.switches)
    day.standing = day.standing.with_state(replace(state, switches=switches))
    day.switches = [marked if one == switch else one for one in day.switches]
