"""When the next fold of each line of a strategy is trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rollforward.settings.words import counted
from rollforward.workflow.online.strategy import RollingStrategy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pandas as pd

    from rollforward.data.calendar import Calendar
    from rollforward.workflow.online.strategy import OnlineStrategy


@dataclass(frozen=True)
class NextFold:
    """The next fold of a line.

    Attributes
    ----------
    line
        Name of the line.
    session
        At whose close it is trained, ISO; ``None``: the calendar ends before.
    in_sessions
        How many sessions after the last one so far; not above 0: with the next routine. ``None``: not known.
    """

    line: str
    session: str | None
    in_sessions: int | None

    def __str__(self) -> str:
        if self.in_sessions is None:
            return "not known, the calendar ends before"
        if self.in_sessions <= 0:
            return "with the next routine"
        count = counted(self.in_sessions, "session")
        return f"in {count}" + (f", {self.session.removesuffix('T00:00:00')}" if self.session else "")


def next_folds(
    strategy: OnlineStrategy | None, newest: Mapping[str, pd.Timestamp], calendar: Calendar
) -> Iterator[NextFold]:
    """Look for the next folds of a strategy; nothing for one with rules of its own.

    Parameters
    ----------
    strategy
        Whose.
    newest
        By line: where the test segment of the newest fold starts.
    calendar
        The sessions.
    """
    if not isinstance(strategy, RollingStrategy):
        return
    for line, start in newest.items():
        position = _next_start(strategy, line, start, calendar)
        if position is None:
            yield NextFold(line, None, None)
            continue
        due = position - strategy.ahead
        session = calendar[due].isoformat() if due < len(calendar) else None
        yield NextFold(line, session, due - (calendar.n_current - 1))


def _next_start(strategy: RollingStrategy, line: str, start: pd.Timestamp, calendar: Calendar) -> int | None:
    """Find the place in the calendar, or beyond its end, where the test segment of the next fold starts."""
    step = strategy.rolling_gen.step
    if isinstance(step, int):
        return calendar.position(start) + step
    known = [(line, (start, None))]
    following = [fold.start for fold in strategy.lines.due(known, calendar.last) if fold.name == line]
    return calendar.position(following[0]) if following else None
