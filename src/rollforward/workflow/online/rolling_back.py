"""Which models a strategy goes back to, and what becomes of those that were to serve later."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rollforward.workflow.online.ledger.entry import ROLLBACK

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd

    from rollforward.workflow.online.ledger.book import Book
    from rollforward.workflow.online.ledger.parts import ModelRef, StrategyState, Switch

Models = tuple["ModelRef", ...]


def set_before(book: Book, strategy: str, now: Iterable[Models], effective: pd.Timestamp) -> Models | None:
    """Find the set to go back to: the last one that served, is none of those of now, and was not itself rolled back.

    Parameters
    ----------
    book
        All that is recorded.
    strategy
        Its name.
    now
        What serves, and what would serve otherwise.
    effective
        The session from which on something else is to serve.

    Returns
    -------
    tuple or None
        ``None`` if there is no such set.
    """
    passed_over = {*map(_key, now), *_rolled_back(book, strategy)}
    served = [one.models for one in book.switches(strategy) if one.effective <= effective and one.models]
    return next((models for models in reversed(served) if _key(models) not in passed_over), None)


def _rolled_back(book: Book, strategy: str) -> set[frozenset[str]]:
    """List the sets that were rolled back, and not put online again in another way since."""
    bad: set[frozenset[str]] = set()
    for before, entry in zip([None, *book.entries], book.entries, strict=False):
        for switch in entry.switches:
            if switch.strategy != strategy:
                continue
            if entry.kind != ROLLBACK:
                bad.discard(_key(switch.models))
                continue
            state = None if before is None else before.state(strategy)
            # Sets that are only scheduled go on with the lines that are not new: those count for no going back.
            if state is not None and _is_first(switch, entry.switches):
                bad |= {_key(state.at(switch.effective)), _key(state.at(entry.session))}
    return bad


def _is_first(switch: Switch, switches: Sequence[Switch]) -> bool:
    return switch.effective == min(one.effective for one in switches if one.strategy == switch.strategy)


def with_later(state: StrategyState, switch: Switch, waiting: Switch | None = None) -> tuple[list[Switch], str]:
    """Keep what is scheduled for sessions after a switch that an operator makes; say what it takes the place of.

    Parameters
    ----------
    state
        Of the strategy, before.
    switch
        The operator's.
    waiting
        A set that was to serve and could not.

    Returns
    -------
    tuple
        The switch and the later ones, in which new models replace those of before line by line; and what is cancelled
        in words, empty if nothing is.
    """
    before = [one for one in state.switches if one.effective <= switch.effective]
    replaced = {model.recorder_id for one in before for model in one.models}
    later = [one for one in state.scheduled(switch.effective) if one.models]
    # The first one is what there is by now, even if it begins in that session.
    dropped = [one.models for one in before[1:] if one.effective == switch.effective]
    dropped += [] if waiting is None else [waiting.models]
    said = "; ".join(f"cancels the switch to {_named(models)}" for models in dropped)
    kept = [replace(one, models=_carried(one.models, replaced, switch.models), entry=None) for one in later]
    return [replace(switch, reason=f"{switch.reason}; {said}" if said else switch.reason), *kept], said


def _carried(models: Models, replaced: set[str], chosen: Models) -> Models:
    """Let the new models of a scheduled set join the chosen ones, each in place of its line."""
    new = [model for model in models if model.recorder_id not in replaced]
    lines = {model.model for model in new}
    kept = [model for model in chosen if model.model not in lines]
    order = {model.model: place for place, model in enumerate(models)}
    return tuple(sorted((*kept, *new), key=lambda model: order.get(model.model, len(order))))


def _key(models: Sequence[ModelRef]) -> frozenset[str]:
    return frozenset(model.recorder_id for model in models)


def _named(models: Sequence[ModelRef]) -> str:
    texts = [f"{one.model} {one.test[0].date()}" if one.test[0] is not None else one.model for one in models]
    return ", ".join(texts) or "nothing"
