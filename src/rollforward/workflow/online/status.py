"""How a manager stands: what serves, how far behind it is, what comes next, and what somebody has to look at."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pandas as pd

from rollforward.data.calendar_in_use import resolve
from rollforward.settings.words import counted
from rollforward.workflow.online.ledger.parts import SERVING
from rollforward.workflow.online.next_folds import NextFold, next_folds
from rollforward.workflow.online.standing import Standing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rollforward.data.calendar import Calendar
    from rollforward.data.times import TimeLike
    from rollforward.workflow.online.ledger.entry import Entry
    from rollforward.workflow.online.ledger.parts import ModelRef, StrategyState
    from rollforward.workflow.online.manager import OnlineManager
    from rollforward.workflow.online.strategy import OnlineStrategy


@dataclass(frozen=True)
class StrategyStatus:
    """How a strategy stands.

    Attributes
    ----------
    name, role
        As in the ledger.
    models
        What serves in the last session so far, such as ``"Ridge 2020-02-05"``.
    since
        The session from which it serves, ISO; ``None``: nothing does.
    scheduled
        Sessions, ISO, from which other models serve.
    published_to
        The last session that was done, ISO.
    held
        Session to the reason why it was not published, or not as it should be.
    waiting
        Models that were to serve, and do not because of what they predicted.
    next_folds
        What is trained next, by line.
    refused
        Why the models that wait do.
    """

    name: str
    role: str
    models: tuple[str, ...]
    since: str | None
    scheduled: tuple[str, ...]
    published_to: str | None
    held: Mapping[str, str]
    waiting: tuple[str, ...]
    next_folds: tuple[NextFold, ...]
    refused: str = ""


@dataclass(frozen=True)
class Status:
    """How a manager stands.

    Attributes
    ----------
    name
        Of the ledger.
    entries
        How many it has.
    simulated
        Whether nobody is served.
    done
        The last session that a routine was done for, ISO.
    recorded_at
        When the newest entry was recorded, ISO, UTC.
    current
        The last session so far, ISO.
    behind
        How many sessions so far are not done; ``None`` before the first training.
    known_until, horizon
        The last session that the calendar knows, ISO, and how many it knows that are still to come.
    working
        Who is at work now; ``None``: nobody.
    strategies
        Each of them.
    problems
        What somebody has to look at; none: all is well.
    """

    name: str
    entries: int
    simulated: bool
    done: str | None
    recorded_at: str | None
    current: str
    behind: int | None
    known_until: str
    horizon: int
    working: str | None
    strategies: tuple[StrategyStatus, ...]
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether there is nothing that somebody has to look at."""
        return not self.problems

    def to_dict(self) -> dict[str, Any]:
        """Give it as JSON values."""
        return {"ok": self.ok, **asdict(self)}

    def to_json(self) -> str:
        """Give `to_dict` as text."""
        return json.dumps(self.to_dict(), indent=2)

    def __str__(self) -> str:
        head = f"{self.name}: {counted(self.entries, 'entry', 'entries')}, done up to {_day(self.done)}"
        if self.behind:
            head += f", {counted(self.behind, 'session')} behind"
        ahead = f"{self.horizon} known after it, to {_day(self.known_until)}"
        lines = [
            head + (", simulated" if self.simulated else ""),
            f"  calendar: last session {_day(self.current)}, {ahead}",
            f"  at work: {self.working or 'nobody'}",
        ]
        for one in self.strategies:
            lines += _told(one)
        lines += [f"  PROBLEM: {problem}" for problem in self.problems]
        return "\n".join(lines)


def status(
    manager: OnlineManager, *, max_behind: int = 0, max_age: float | None = 7, today: TimeLike | None = None
) -> Status:
    """Look at a manager; nothing is done.

    Parameters
    ----------
    manager
        Any, such as ``OnlineManager.load("online")``.
    max_behind
        So many sessions that are not done are no problem, such as 1 before the evening's routine.
    max_age
        So many days after the calendar's last session its data are taken for forgotten; ``None``: never. A calendar
        that is made of the data cannot tell by itself that they do not come any more.
    today
        ``None``: by this machine's clock.
    """
    head = manager.chain.head()
    holder = manager.chain.holder()
    calendar = resolve(manager.calendar)
    current = calendar.current_end
    standing = Standing.of(head)
    behind = None if head is None else _behind(head, standing, calendar)
    by_name = {one.name_id: one for one in manager.strategies}
    strategies = tuple(
        _strategy(state, by_name.get(state.name_id), standing, calendar) for state in standing.states.values()
    )
    problems = [*_problems(manager.name, head, behind, strategies, max_behind), *_age(current, max_age, today)]
    return Status(
        manager.name,
        0 if head is None else head.seq + 1,
        head is not None and head.simulated,
        _iso(standing.done),
        None if head is None or head.recorded_at is None else head.recorded_at.isoformat(),
        current.isoformat(),
        behind,
        calendar.last.isoformat(),
        len(calendar) - calendar.n_current,
        None if holder is None else str(holder),
        strategies,
        tuple(problems),
    )


def _behind(head: Entry, standing: Standing, calendar: Calendar) -> int:
    last = calendar.n_current - 1
    if standing.done is not None:
        return max(0, last - calendar.position(standing.done, "end"))
    return max(0, last - calendar.position(head.session, "end") + 1)


def _strategy(
    state: StrategyState, strategy: OnlineStrategy | None, standing: Standing, calendar: Calendar
) -> StrategyStatus:
    now = calendar.current_end
    serving = state.standing(now)
    waiting = standing.waiting.get(state.name_id)
    return StrategyStatus(
        state.name_id,
        state.role,
        tuple(_named(model) for model in state.at(now)),
        None if serving is None else serving.effective.isoformat(),
        tuple(switch.effective.isoformat() for switch in state.scheduled(now)),
        _iso(state.published_to),
        dict(state.held),
        () if waiting is None else tuple(_named(model) for model in waiting.models),
        tuple(next_folds(strategy, standing.newest.get(state.name_id, {}), calendar)),
        standing.refused.get(state.name_id, ""),
    )


def _problems(
    name: str, head: Entry | None, behind: int | None, strategies: tuple[StrategyStatus, ...], max_behind: int
) -> Iterator[str]:
    if head is None:
        yield "nothing was trained yet: rollforward online first-train FILE"
        return
    if head.simulated:
        yield f"it is a simulation and serves nobody: rollforward online adopt {name}"
    if behind is not None and behind > max_behind:
        are = "session is" if behind == 1 else "sessions are"
        yield f"{behind} {are} not done: rollforward online routine {name}"
    for one in strategies:
        if not one.models and not one.scheduled:
            yield f"strategy {one.name!r} has no model"
        for session, reason in one.held.items():
            yield f"strategy {one.name!r} is held on {_day(session)}: {reason}"
        if one.waiting:
            why = one.refused or "because of what it predicts"
            yield f"strategy {one.name!r}: {', '.join(one.waiting)} may not serve yet: {why}"
    if not any(one.role == SERVING for one in strategies):
        yield "all strategies are in the shadow: there is no signal"


def _age(current: pd.Timestamp, max_age: float | None, today: TimeLike | None) -> Iterator[str]:
    if max_age is None:
        return
    now = pd.Timestamp(datetime.now(UTC).replace(tzinfo=None)) if today is None else pd.Timestamp(today)
    days = (now - current) / pd.Timedelta(days=1)
    if days > max_age + 1:
        yield f"the calendar's last session was {_day(current.isoformat())}, {days:.0f} days ago: do data still come?"


def _told(one: StrategyStatus) -> list[str]:
    serves = f"{', '.join(one.models) or 'nothing'}" + (f" since {_day(one.since)}" if one.since else "")
    lines = [f"  {one.name} ({one.role}): {serves}"]
    lines += [f"    other models from {_day(session)}" for session in one.scheduled]
    lines += [f"    next fold of {fold.line}: {fold}" for fold in one.next_folds]
    return lines


def _named(model: ModelRef) -> str:
    start = model.test[0]
    return (model.model or model.recorder_id) + ("" if start is None else f" {start.date()}")


def _day(text: str | None) -> str:
    return "never" if text is None else text.removesuffix("T00:00:00")


def _iso(session: pd.Timestamp | None) -> str | None:
    return None if session is None else session.isoformat()
