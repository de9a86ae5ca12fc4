"""The work on one session, as it grows."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from rollforward.workflow.online.ledger.entry import Entry

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from rollforward.workflow.online.judging import Judgement
    from rollforward.workflow.online.ledger.parts import ModelRef, Publication, Switch
    from rollforward.workflow.online.standing import Standing


@dataclass
class Day:
    """The work on one session, as it grows.

    Attributes
    ----------
    session
        The session.
    until
        The last session that is done in the same call.
    before, standing
        What the head says, and what the new entry will say.
    trained
        New models, in the order of training.
    switches
        New sets.
    judged
        By strategy: what was found about its predictions.
    held
        By strategy that is not published as it should be: why.
    sets
        By strategy: the models that are published.
    """

    session: pd.Timestamp
    until: pd.Timestamp
    before: Standing
    standing: Standing
    trained: list[ModelRef] = field(default_factory=list)
    switches: list[Switch] = field(default_factory=list)
    judged: dict[str, Judgement] = field(default_factory=dict)
    held: dict[str, str] = field(default_factory=dict)
    sets: dict[str, tuple[ModelRef, ...]] = field(default_factory=dict)

    def hold(self, name: str, reason: str) -> None:
        """Note why a strategy is not published as it should be; what was noted before stays."""
        known = self.held.get(name)
        self.held[name] = reason if known is None else f"{known}; {reason}"

    def entry(
        self,
        kind: str,
        publications: tuple[Publication, ...] = (),
        *,
        simulated: bool = False,
        extra: Mapping[str, Any] | None = None,
    ) -> Entry:
        """Put the entry together that records it; `extra` goes beside what the state has to say."""
        return Entry(
            kind,
            self.session,
            states=tuple(self.standing.states.values()),
            switches=tuple(self.switches),
            publications=publications,
            trained=tuple(self.trained),
            simulated=simulated,
            extra={**self.standing.extra(), **(extra or {})},
        )


def put_off(day: Day, first: pd.Timestamp) -> None:
    """Let the new sets of a day serve from a session on, and none of them before."""
    by_session = {
        (switch.strategy, max(switch.effective, first)): replace(switch, effective=max(switch.effective, first))
        for switch in day.switches
    }
    day.switches = list(by_session.values())
    day.standing = replace(day.standing, states=dict(day.before.states)).switched(day.switches, day.session)
