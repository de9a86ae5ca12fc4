"""The marks of sessions that are held: how long they stay, and which sessions are tried again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rollforward.data.calendar import Calendar
    from rollforward.workflow.online.day import Day
    from rollforward.workflow.online.ledger.entry import Entry
    from rollforward.workflow.online.standing import Standing

# So many of the last sessions are tried again; so many marks of a strategy are kept.
TRIED_AGAIN, KEPT = 5, 20


def marked(standing: Standing, day: Day) -> Standing:
    """Return a state with the marks of a session, in place of those that it had.

    The mark of a session without a publication of the strategy stays until there is one. That of a session for which
    the last good models stood in goes with the next one, which says itself whether the trouble is over.
    """
    mark = day.session.isoformat()
    missed = dict(standing.missed)
    for name, state in standing.states.items():
        lacking = {one for one in missed.pop(name, ()) if one != mark}
        if name in day.held and name in day.judged and name not in day.sets:
            lacking.add(mark)
        if lacking:
            missed[name] = tuple(sorted(lacking))[-KEPT:]
        held = {one: state.held[one] for one in missed.get(name, ()) if one in state.held and one != mark}
        held |= {mark: day.held[name]} if name in day.held else {}
        standing = standing.with_state(replace(state, held=held))
    return replace(standing, missed=missed)


def remarked(standing: Standing, session: pd.Timestamp, held: Mapping[str, str], names: Iterable[str]) -> Standing:
    """Return a state in which a session was published again.

    Parameters
    ----------
    standing
        The state.
    session
        The session.
    held
        By strategy that is still held: why.
    names
        The strategies that were tried. One whose training failed on that session keeps a mark that says so.
    """
    mark = session.isoformat()
    missed = dict(standing.missed)
    untrained = standing.untrained if session == standing.done else {}
    for name in names:
        state = standing.states[name]
        rest = {key: why for key, why in state.held.items() if key != mark}
        lacking = tuple(one for one in missed.pop(name, ()) if one != mark)
        if name in held:
            rest, lacking = {**rest, mark: held[name]}, tuple(sorted((*lacking, mark)))
        elif name in untrained:
            rest = {**rest, mark: untrained[name]}
        if lacking:
            missed[name] = lacking
        standing = standing.with_state(replace(state, held=rest))
    return replace(standing, missed=missed)


def without_reasons(standing: Standing, session: pd.Timestamp, reasons: Mapping[str, str]) -> Standing:
    """Return a state in which a session is not held any more for what strategies are given here with."""
    mark = session.isoformat()
    for name, reason in reasons.items():
        state = standing.states[name]
        rest = str(state.held.get(mark, "")).removeprefix(reason).removeprefix("; ")
        held = {key: why for key, why in state.held.items() if key != mark} | ({mark: rest} if rest else {})
        standing = standing.with_state(replace(state, held=held))
    return standing


def to_try_again(standing: Standing, calendar: Calendar) -> dict[pd.Timestamp, list[str]]:
    """List the sessions without a publication that are not long ago, in order, each with its strategies."""
    if standing.done is None:
        return {}
    oldest = calendar.position(standing.done, "end") - TRIED_AGAIN + 1
    found: dict[pd.Timestamp, list[str]] = {}
    for name, sessions in standing.missed.items():
        for session in map(pd.Timestamp, sessions):
            if name in standing.states and calendar.position(session) >= oldest:
                found.setdefault(session, []).append(name)
    return dict(sorted(found.items()))


def held_in(entry: Entry) -> dict[str, str]:
    """Tell which strategies an entry holds on its own session, and why."""
    mark = entry.session.isoformat()
    return {state.name_id: str(state.held[mark]) for state in entry.states if mark in state.held}
