"""What can be done to a ledger of models that serve: each operation under its lease, each one entry or several."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from rollforward.data.calendar import resolve
from rollforward.errors import OnlineError
from rollforward.workflow.online.day import Day
from rollforward.workflow.online.desk import definition_or_nothing
from rollforward.workflow.online.ledger.entry import ADD_STRATEGY, FIRST_TRAIN, PROMOTE, ROLLBACK, ROUTINE, Entry
from rollforward.workflow.online.ledger.parts import StrategyState, Switch
from rollforward.workflow.online.mirrors import Mirrors, has_switched
from rollforward.workflow.online.plan import Plan, plan_sessions
from rollforward.workflow.online.routine import Routine
from rollforward.workflow.online.sessions import before, sessions_between
from rollforward.workflow.online.standing import Standing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from rollforward.workflow.online.desk import Desk
    from rollforward.workflow.online.ledger.chain import Chain
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
            yield self.chain.head()

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
                session = Standing.of(head).done or head.session
            return self._begun(head, new, session)

    def _begun(self, head: Entry | None, new: Sequence[OnlineStrategy], session: pd.Timestamp) -> Entry:
        kind = FIRST_TRAIN if head is None else ADD_STRATEGY
        if not self.simulated:
            self.mirrors.require_free(strategy.name_id for strategy in new)
        before = Standing.of(head)
        states = {
            one.name_id: StrategyState(one.name_id, one.role, definition_or_nothing(one), published_to=before.done)
            for one in new
        }
        before = replace(before, states={**before.states, **states})
        day = Day(session, session, before, before)
        routine = self._routine(new)
        with self.chain.begin(kind, session, simulated=self.simulated) as draft:
            routine.train(day)
            routine.require_proof(day)
            entry = draft.commit(
                Entry(
                    kind,
                    session,
                    states=tuple(day.standing.states.values()),
                    switches=tuple(day.switches),
                    trained=tuple(day.trained),
                    simulated=self.simulated if head is None else head.simulated,
                    extra=day.standing.extra(),
                )
            )
        self.mirrors.follow(entry, session, routine.predictions)
        logger.info(
            "%d strategies have begun on %s: %d folds trained, %d models serve.",
            len(new),
            session.date(),
            len(day.trained),
            sum(len(switch.models) for switch in day.switches if switch.effective <= session),
        )
        return entry

    def sessions(self, target: pd.Timestamp) -> Entry:
        """Do all sessions that were not done up to one; the entry of that one."""
        with self.alone() as found:
            head = self.live(found)
            standing = Standing.of(head)
            todo = self.due(head, target)
            self._repair(head)
            if not todo:
                return self._done_before(head, standing, target)
            routine = self._routine(self.desk.strategies)
            last = standing.done or head.session
            for session in todo:
                head = routine.run(head, session, todo[-1])
                if has_switched(head, session, last):
                    self.mirrors.follow(head, session, routine.predictions)
                last = session
            return head

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
        return plan_sessions(self.desk, Standing.of(head), self.due(head, target), ROUTINE)

    def _repair(self, head: Entry) -> None:
        """Let tags say what a process may have died before saying."""
        session = head.session
        if head.kind in (ROLLBACK, PROMOTE):
            session = max([session, *(one.effective for one in head.switches)])
        if has_switched(head, session, before(head.session, resolve(self.desk.calendar))):
            self.mirrors.follow(head, session)

    def _done_before(self, head: Entry, standing: Standing, target: pd.Timestamp) -> Entry:
        logger.info("Session %s is done already; nothing happens.", target.date())
        if standing.done == head.session == target and head.kind == ROUTINE:
            return head
        done = [one for one in self.chain.entries() if one.kind == ROUTINE and one.session <= target]
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
            if not any(one.held or one.partial for one in entries[-1].publications):
                logger.info("Session %s is neither held nor partial; nothing happens.", session.date())
                return entries[-1]
            sets = self.chain.book().online_at(session)
            return self._routine(self.desk.strategies).revise(head, session, sets)

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
            is_open = standing.done is None
            effective = session if is_open else self.next_session(session)
            after, switches = make(standing, session, effective)
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

    def next_session(self, session: pd.Timestamp) -> pd.Timestamp:
        """Find the session after one; a calendar that ends there only says that it comes later."""
        calendar = resolve(self.desk.calendar)
        position = calendar.position(session, "end") + 1
        if position < len(calendar):
            return calendar[position]
        return session + (pd.Timedelta(days=1) if calendar.is_daily else pd.Timedelta(1, "ns"))

    def _routine(self, strategies: Sequence[OnlineStrategy]) -> Routine:
        desk = replace(self.desk, strategies=list(strategies))
        return Routine(desk, self.chain, self.record, simulated=self.simulated)
