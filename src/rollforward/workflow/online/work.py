"""What can be done to a ledger of models that serve: each operation under its lease, each one entry or several."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rollforward.data.calendar_in_use import resolve
from rollforward.errors import OnlineError
from rollforward.settings.words import counted
from rollforward.workflow.online.again import train_again, try_again
from rollforward.workflow.online.announcing import tell_hold, untold_of
from rollforward.workflow.online.beginning import begun
from rollforward.workflow.online.ledger.entry import ADD_STRATEGY, FIRST_TRAIN, NOT_BEGUN, ROUTINE, Entry
from rollforward.workflow.online.marks import to_try_again
from rollforward.workflow.online.mirrors import Mirrors
from rollforward.workflow.online.plan import Plan, plan_sessions, plan_training
from rollforward.workflow.online.promoting import require_champions
from rollforward.workflow.online.revising import Revision
from rollforward.workflow.online.routine import Routine
from rollforward.workflow.online.sessions import session_after, sessions_between
from rollforward.workflow.online.standing import Standing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import pandas as pd

    from rollforward.workflow.online.desk import Desk
    from rollforward.workflow.online.ledger.chain import Chain
    from rollforward.workflow.online.ledger.parts import Switch
    from rollforward.workflow.online.record_of_signals import RecordOfSignals
    from rollforward.workflow.online.strategy import OnlineStrategy

logger = logging.getLogger(__name__)


class Work:
    """Operations on one ledger.

    Parameters
    ----------
    desk
        What they work with.
    chain
        The ledger.
    record
        Its signals.
    simulated
        Whether nobody is served.
    wait, lease
        Whether to wait while another process is at work; seconds after which one without a sign of life is taken for
        dead.
    """

    def __init__(
        self,
        desk: Desk,
        chain: Chain,
        record: RecordOfSignals,
        *,
        simulated: bool = False,
        wait: bool = True,
        lease: float = 60.0,
    ) -> None:
        self.desk = desk
        self.chain = chain
        self.record = record
        self.simulated = simulated
        self.mirrors = Mirrors(desk, chain.name)
        self._wait, self._lease = wait, lease

    @contextmanager
    def alone(self) -> Iterator[Entry | None]:
        """Hold the lease; gives the head.

        Raises
        ------
        OnlineBusyError
            If another process is at work, and nobody wants to wait.
        """
        with self.chain.lease(wait=self._wait, seconds=self._lease):
            head = self.chain.head()
            untold = untold_of(self.desk, self.chain, head)
            if head is not None and untold:
                self._repair(head)  # the tags first, then the hook
            for entry in untold:
                tell_hold(self.desk, self.chain, entry)
            yield head

    def begin(self, strategies: Sequence[OnlineStrategy], session: pd.Timestamp) -> Entry:
        """Train what strategies begin with and let serve what serves at a session; those that have begun stay."""
        with self.alone() as head:
            known = set() if head is None else {state.name_id for state in head.states}
            new = [strategy for strategy in strategies if strategy.name_id not in known]
            if head is not None and not new:
                logger.info("The strategies of %r have begun already; nothing is trained.", self.chain.name)
                self._repair(head)
                return head
            if head is not None:
                self._repair(head)
                session = Standing.of(head).done or head.session
            return self._begun(head, new, session)

    def _begun(self, head: Entry | None, new: Sequence[OnlineStrategy], session: pd.Timestamp) -> Entry:
        kind, before = FIRST_TRAIN if head is None else ADD_STRATEGY, Standing.of(head)
        if not self.simulated:
            self.mirrors.require_free(strategy.name_id for strategy in new)
        require_champions(self.desk, new, before.states)
        with self.chain.begin(kind, session, simulated=self.simulated) as draft:
            day, failed = begun(self.desk, self.chain, self.record, new, before, session, simulated=self.simulated)
            simulated = self.simulated if head is None else head.simulated
            entry = draft.commit(day.entry(kind, simulated=simulated, extra={NOT_BEGUN: failed} if failed else None))
        shown, names = self.shown(entry), [one.name_id for one in new if one.name_id not in failed]
        self.mirrors.follow(entry, shown)
        logger.info(
            "Begun on %s: %s, %s trained; from %s on: %s.",
            session.date(),
            counted(len(names), "strategy", "strategies"),
            counted(len(day.trained), "fold"),
            shown.date(),
            counted(sum(len(day.standing.states[name].at(shown)) for name in names), "model"),
        )
        return entry

    def sessions(self, target: pd.Timestamp) -> Entry:
        """Do all sessions that were not done up to one; the entry of that one."""
        with self.alone() as found:
            head = self.live(found)
            standing = Standing.of(head)
            todo = self.due(head, target)
            self._repair(head)
            if not self.simulated:  # that has the same data as before
                head = self._tried_again(head, is_done=not todo)
            if not todo:
                return self._done_before(head, standing, target)
            routine = self._routine(self._begun_of(standing))
            for session in todo:
                head = routine.run(head, session, todo[-1])
                shown = self.shown(head)
                if self.mirrors.is_behind(head, shown, session):
                    self.mirrors.follow(head, shown, routine.predictions)
                tell_hold(self.desk, self.chain, head)
            return head

    def _tried_again(self, head: Entry, *, is_done: bool) -> Entry:
        """Do what routines before could not; the newest entry then, but for one that only trains."""
        trained = train_again(self.desk, self.chain, self.record, head) if is_done else None
        if trained is not None:
            self.mirrors.follow(trained, self.shown(trained))
        found = try_again(self.desk, self.chain, self.record, trained or head)
        return head if found is trained else found

    def _begun_of(self, standing: Standing) -> list[OnlineStrategy]:
        """Choose the strategies that have begun; the others are left alone."""
        strategies = self.desk.strategies
        absent = [repr(one.name_id) for one in strategies if one.name_id not in standing.states]
        if absent:
            logger.warning(
                "Not begun, so that nothing is done for them: %s. `rollforward online add-strategy FILE`, or "
                "add_strategy(), lets them begin.",
                ", ".join(absent),
            )
        return [one for one in strategies if one.name_id in standing.states]

    def due(self, head: Entry, target: pd.Timestamp) -> list[pd.Timestamp]:
        """List the sessions up to one that are not done; the session of the first training is one of them."""
        done = Standing.of(head).done
        if done is not None:
            return sessions_between(done, target, self.desk.calendar)
        later = sessions_between(head.session, target, self.desk.calendar)
        return [session for session in (head.session, *later) if session <= target]

    def plan(self, begin: pd.Timestamp, target: pd.Timestamp) -> Plan:
        """Lay out what `sessions`, or on an empty ledger `begin`, will do; nothing is done."""
        head = self.chain.head()
        if head is None:
            return plan_sessions(self.desk, Standing(), [begin], FIRST_TRAIN)
        standing, todo = Standing.of(head), self.due(head, target)
        desk = replace(self.desk, strategies=self._begun_of(standing))
        plan = plan_sessions(desk, standing, todo, ROUTINE) if todo else plan_training(desk, standing)
        again = {} if self.simulated else to_try_again(standing, resolve(self.desk.calendar))
        return replace(plan, again={day.isoformat(): tuple(names) for day, names in again.items()})

    def repair(self) -> None:
        """Let tags say what the head says, whoever died before."""
        with self.alone() as head:
            self._repair(self.live(head))

    def _repair(self, head: Entry) -> None:
        """Let tags say what a process may have died before saying."""
        shown, done = self.shown(head), Standing.of(head).done
        if head.kind != ROUTINE or self.mirrors.is_behind(head, shown, done):
            self.mirrors.follow(head, shown)
        else:
            self.mirrors.follow_registry(head, shown)

    def shown(self, head: Entry) -> pd.Timestamp:
        """Find the session that the pointers speak of: the first that is not done."""
        done = Standing.of(head).done
        return head.session if done is None else session_after(done, self.desk.calendar)

    def _done_before(self, head: Entry, standing: Standing, target: pd.Timestamp) -> Entry:
        if standing.done == head.session == target and head.kind == ROUTINE:
            logger.info("Session %s is done already.", target.date())
            return head
        done = [one for one in self.chain.entries() if one.kind == ROUTINE and one.session <= target]
        text = "is done already" if done else "lies before what the ledger begins with"
        logger.info("Session %s %s.", target.date(), text)
        # Of one session the latest; a session that was published again later is not later itself.
        return max(reversed(done), key=lambda one: one.session) if done else head

    def revise(self, session: pd.Timestamp) -> Entry:
        """Publish a session again that was held or is partial; one that is whole stays as it is."""
        with self.alone() as found:
            head = self.live(found)
            entries = [one for one in self.chain.entries() if one.kind == ROUTINE and one.session == session]
            if not entries:
                raise OnlineError(
                    f"Session {session.date()} was not done.", "a session with a routine.", "Run routine()."
                )
            if not Revision(self.desk, self.chain, self.record, entries).wanted:
                logger.info("Session %s is neither held nor partial; nothing happens.", session.date())
                self._repair(head)
                return entries[-1]
            self._repair(head)
            entry = Revision(self.desk, self.chain, self.record, entries).run(head) or head
            tell_hold(self.desk, self.chain, entry)
            return entry

    def change(
        self,
        kind: str,
        make: Callable[[Standing, pd.Timestamp, pd.Timestamp], tuple[Standing, list[Switch]]],
        extra: Mapping[str, Any] | None = None,
        *,
        live: bool = False,
    ) -> Entry:
        """Record something that changes who serves from the next session on.

        Parameters
        ----------
        kind
            Of the entry.
        make
            Gets the standing state, the last session that is done, and the first one that is not; gives the state and
            the switches after it.
        extra
            More for the entry, as JSON values.
        live
            Whether the ledger serves from now on, even if it was simulated.
        """
        with self.alone() as found:
            head = self.live(found)
            if live:
                self.mirrors.require_free(state.name_id for state in head.states)
            standing = Standing.of(head)
            session = standing.done or head.session
            effective = self.shown(head)
            after, switches = make(standing, session, effective)
            if live or standing.done is None:  # no routine judges them before they serve
                after = self._routine(self.desk.strategies).accepting.prove_now(standing, after, effective)
                switches = [after.states[one.strategy].standing(one.effective) or one for one in switches]
            with self.chain.begin(kind, session, simulated=self.simulated) as draft:
                entry = draft.commit(
                    Entry(
                        kind,
                        session,
                        states=tuple(after.states.values()),
                        switches=tuple(switches),
                        simulated=head.simulated and not live,
                        extra={**after.extra(), **(extra or {})},
                    )
                )
            self.mirrors.follow(entry, effective)
            return entry

    def live(self, head: Entry | None) -> Entry:
        """Refuse a ledger that has not begun, or was only simulated."""
        if head is None:
            raise OnlineError(
                f"The ledger {self.chain.name!r} is empty: nothing was trained.",
                "a first training.",
                "Run first_train().",
            )
        if head.simulated and not self.simulated:
            raise OnlineError(
                f"The ledger {self.chain.name!r} is a simulation.",
                "a ledger that serves.",
                "adopt() makes the simulated state the one that serves.",
            )
        return head

    def _routine(self, strategies: Sequence[OnlineStrategy]) -> Routine:
        desk = replace(self.desk, strategies=list(strategies))
        return Routine(desk, self.chain, self.record, simulated=self.simulated)
