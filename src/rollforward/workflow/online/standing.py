"""What an entry leaves behind for the next one: all that a routine has to know, whatever the length of the history."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from rollforward.workflow.online.ledger.entry import switch_of, to_plain
from rollforward.workflow.online.ledger.parts import SERVING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rollforward.workflow.online.ledger.entry import Entry
    from rollforward.workflow.online.ledger.parts import ModelRef, StrategyState, Switch
    from rollforward.workflow.online.planning import Newest

_DONE, _NEWEST, _USUAL, _WAITING = "done", "newest", "usual", "waiting"
_REFUSED, _MISSED, _UNTRAINED = "refused", "missed", "untrained"


@dataclass(frozen=True)
class Standing:
    """The state that the ledger's head holds, or that the entry that is being made will hold.

    Attributes
    ----------
    states
        Of the strategies, by name, in their order.
    newest
        By strategy: where the test segment of the newest trained fold of each line starts.
    done
        The last session that a routine was done for.
    usual
        By strategy: how many instruments the last published sessions had, in order.
    waiting
        By strategy: the switch that did not come, because what its models predicted was not good or not proved.
    refused
        By strategy whose switch waits: why.
    missed
        By strategy: sessions (ISO) that are held and have no publication of it, in order.
    untrained
        By strategy whose training failed in the last session that is done: why.
    """

    states: Mapping[str, StrategyState] = field(default_factory=dict)
    newest: Mapping[str, Newest] = field(default_factory=dict)
    done: pd.Timestamp | None = None
    usual: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    waiting: Mapping[str, Switch] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    missed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    untrained: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, entry: Entry | None) -> Standing:
        """Read it from an entry; empty before the first one."""
        if entry is None:
            return cls()
        extra = entry.extra
        done = extra.get(_DONE)
        return cls(
            {state.name_id: state for state in entry.states},
            {name: _times(starts) for name, starts in extra.get(_NEWEST, {}).items()},
            None if done is None else pd.Timestamp(done),
            {name: _numbers(found) for name, found in extra.get(_USUAL, {}).items()},
            {name: switch_of(plain) for name, plain in extra.get(_WAITING, {}).items()},
            dict(extra.get(_REFUSED, {})),
            {name: tuple(sessions) for name, sessions in extra.get(_MISSED, {}).items()},
            dict(extra.get(_UNTRAINED, {})),
        )

    def extra(self) -> dict[str, Any]:
        """Write what the states do not say, as JSON values."""
        newest = {
            name: {line: start.isoformat() for line, start in starts.items()} for name, starts in self.newest.items()
        }
        found = {
            _DONE: None if self.done is None else self.done.isoformat(),
            _NEWEST: newest,
            _USUAL: {name: list(numbers) for name, numbers in self.usual.items()},
            _WAITING: {name: to_plain(switch) for name, switch in self.waiting.items()},
            _REFUSED: {name: why for name, why in self.refused.items() if name in self.waiting},
            _MISSED: {name: list(sessions) for name, sessions in self.missed.items()},
            _UNTRAINED: dict(self.untrained),
        }
        return {key: value for key, value in found.items() if value}

    def models(self, session: pd.Timestamp, names: Iterable[str] | None = None) -> dict[str, tuple[ModelRef, ...]]:
        """Return the models of each strategy in a session; strategies without any are left out."""
        chosen = self.states if names is None else names
        found = {name: self.states[name].at(session) for name in chosen}
        return {name: models for name, models in found.items() if models}

    def serving(self) -> list[str]:
        """List the strategies that are part of the signals."""
        return [name for name, state in self.states.items() if state.role == SERVING]

    def with_state(self, state: StrategyState) -> Standing:
        """Return it with one state changed or added."""
        return replace(self, states={**self.states, state.name_id: state})

    def switched(self, switches: Iterable[Switch], session: pd.Timestamp) -> Standing:
        """Return it with further switches, which may be of several strategies."""
        by_strategy: dict[str, list[Switch]] = {}
        for switch in switches:
            by_strategy.setdefault(switch.strategy, []).append(switch)
        states = {name: state.after(by_strategy.get(name, ()), session) for name, state in self.states.items()}
        return replace(self, states=states)


def _numbers(found: int | list[int]) -> tuple[int, ...]:
    # Ledgers of 0.1 have that of the last session.
    return (found,) if isinstance(found, int) else tuple(found)


def _times(starts: Mapping[str, str]) -> Newest:
    return {line: pd.Timestamp(start) for line, start in starts.items()}
