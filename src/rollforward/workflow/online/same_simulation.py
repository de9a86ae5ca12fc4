"""Whether a simulation that is there is the one that is asked for, so that it can go on or be given back."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pandas as pd

from rollforward.errors import OnlineError
from rollforward.workflow.online.desk import definition_or_nothing
from rollforward.workflow.online.restoring import parts_that_are_data, parts_told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rollforward.workflow.online.ledger.entry import Entry
    from rollforward.workflow.online.operating import Operating

logger = logging.getLogger(__name__)

# What changes the result; who trains, waits or is told of it does not.
_DECISIVE = ("guard", "calendar", "all_at_once", "future", "require_proof", "prepare_func")


def require_same(manager: Operating) -> None:
    """Refuse to go on with a simulation of something else.

    Parameters
    ----------
    manager
        Its ledger may be empty, or serve: nothing is compared then.

    Raises
    ------
    OnlineError
        Names what differs.
    """
    entries = manager.chain.entries()
    if not entries or not entries[-1].simulated:
        return
    different = [*_strategies(manager, entries[0], entries[-1]), *_parts(manager, entries[0])]
    if different:
        raise OnlineError(
            f"The ledger {manager.name!r} holds another simulation: {'; '.join(different)}.",
            "the same strategies, begin_time and options, to be given its result or to go on with it.",
            'Give the new one a name of its own, OnlineManager(..., name="trial 2"), or delete the experiment '
            f"{manager.name!r}.",
        )


def _strategies(manager: Operating, first: Entry, last: Entry) -> Iterator[str]:
    given = {one.name_id: one for one in manager.strategies}
    there = {state.name_id: state for state in last.states}
    for name in sorted(given.keys() ^ there.keys()):
        yield f"strategy {name!r} is {'not in it' if name in given else 'in it, and not given'}"
    for name in [name for name in given if name in there]:
        definition, known = definition_or_nothing(given[name]), there[name].definition
        if definition and known and definition != known:
            yield f"strategy {name!r} is defined in another way"
        elif not (definition and known):
            logger.warning("Strategy %r is no data, so it is not known whether it is the one simulated.", name)
        begun = first.state(name)
        if given[name].role not in {there[name].role, there[name].role if begun is None else begun.role}:
            yield f"strategy {name!r} has another role"


def _parts(manager: Operating, first: Entry) -> Iterator[str]:
    if manager.begin_time != first.session:
        yield f"it begins on {first.session.date()}, not on {pd.Timestamp(manager.begin_time).date()}"
    told = parts_told(manager.chain)
    if not told:
        return
    asked: dict[str, Any] = parts_that_are_data(manager)
    yield from (f"{name} is not the same" for name in _DECISIVE if told.get(name) != asked.get(name))
