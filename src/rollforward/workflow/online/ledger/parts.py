"""What an entry of a ledger is made of: models, switches, states of strategies, publications."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import pandas as pd

from rollforward.workflow.task.recorders import MODEL, TASK_HASH, TEST_END, TEST_START, TRAIN_END, tags_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rollforward.workflow.recorder import Recorder

SERVING, SHADOW = "serving", "shadow"

_DATA_HASH = "data_hash"
_UNKNOWN = ("", "None")

Session = pd.Timestamp


@lru_cache(maxsize=10_000)
def day_of(text: str | None) -> Session | None:
    """Read a session of a tag or of JSON; ``None`` if it is open or unknown."""
    return None if text is None or text in _UNKNOWN else pd.Timestamp(text)


@dataclass(frozen=True)
class ModelRef:
    """A trained model, and what tells it from every other.

    Parameters
    ----------
    recorder_id, experiment_id
        Its run.
    experiment
        Name of its experiment.
    model
        Name of its class.
    task_hash, data_hash
        The definition that was trained, and the content of the files it names.
    test
        The sessions that it is meant for, inclusive; ``None`` is open.
    cutoff
        The last session that it was trained on.
    """

    recorder_id: str
    experiment_id: str
    experiment: str
    model: str = ""
    task_hash: str = ""
    data_hash: str = ""
    test: tuple[Session | None, Session | None] = (None, None)
    cutoff: Session | None = None

    @classmethod
    def of(cls, recorder: Recorder, experiment: str) -> ModelRef:
        """Describe the model of a recorder by the tags that were read with it.

        Parameters
        ----------
        recorder
            A recorder of a trained task.
        experiment
            Name of its experiment.
        """
        tags = tags_of(recorder)
        return cls(
            recorder.require_id(),
            str(recorder.experiment_id),
            experiment,
            tags.get(MODEL, ""),
            tags.get(TASK_HASH, ""),
            tags.get(_DATA_HASH, ""),
            (day_of(tags.get(TEST_START)), day_of(tags.get(TEST_END))),
            day_of(tags.get(TRAIN_END)),
        )


@dataclass(frozen=True)
class Switch:
    """The models of a strategy from a session on.

    Parameters
    ----------
    strategy
        Name of the strategy.
    models
        What serves (or, of a shadow, predicts) from then on.
    effective
        The first session of it.
    reason
        Why.
    entry
        Id of the entry that recorded it; set when it is committed.
    proved
        Whether its models were proved to know nothing of the future, where that is asked for.
    """

    strategy: str
    models: tuple[ModelRef, ...]
    effective: Session
    reason: str
    entry: str | None = None
    proved: bool = False


@dataclass(frozen=True)
class StrategyState:
    """All that is known of a strategy after an entry, to go on from there.

    Parameters
    ----------
    name_id
        Name of the strategy.
    role
        ``"serving"`` or ``"shadow"``.
    definition
        The strategy as JSON values.
    switches
        The one in force and those to come, by their effective sessions.
    published_to
        The last session with a publication.
    held
        What is held back and why, as JSON values.
    """

    name_id: str
    role: str = SERVING
    definition: Mapping[str, Any] = field(default_factory=dict)
    switches: tuple[Switch, ...] = ()
    published_to: Session | None = None
    held: Mapping[str, Any] = field(default_factory=dict)

    def standing(self, session: Session) -> Switch | None:
        """Return the switch that is in force in a session."""
        return next((switch for switch in reversed(self.switches) if switch.effective <= session), None)

    def at(self, session: Session) -> tuple[ModelRef, ...]:
        """Return the models of a session; none before the first switch."""
        standing = self.standing(session)
        return () if standing is None else standing.models

    def scheduled(self, session: Session) -> tuple[Switch, ...]:
        """Return the switches after a session."""
        return tuple(switch for switch in self.switches if switch.effective > session)

    def after(self, new: Iterable[Switch], session: Session) -> StrategyState:
        """Return the state with further switches.

        Parameters
        ----------
        new
            They replace everything that was to be from the earliest of their effective sessions on.
        session
            What was over before it is dropped.
        """
        timeline = overwritten(self.switches, new)
        begun = sum(switch.effective <= session for switch in timeline)
        return replace(self, switches=timeline[max(begun - 1, 0) :])


def overwritten(timeline: Iterable[Switch], new: Iterable[Switch]) -> tuple[Switch, ...]:
    """Write switches into a timeline of one strategy: from the earliest of them on, nothing of it stays.

    Of two new ones for the same session, the later in order stays.
    """
    latest = {switch.effective: switch for switch in new}
    added = [latest[effective] for effective in sorted(latest)]
    if not added:
        return tuple(timeline)
    return (*(switch for switch in timeline if switch.effective < added[0].effective), *added)


@dataclass(frozen=True)
class Publication:
    """The signals that an entry published.

    Parameters
    ----------
    strategy
        Name of the strategy; empty for the merged signals.
    first, last
        Their sessions, inclusive; ``None`` if there is no row.
    n_rows
        How many.
    sha256
        Of their content.
    partial
        Sessions with fewer instruments than usual.
    held
        Session (ISO date) to the reason why it is not published.
    """

    strategy: str
    first: Session | None
    last: Session | None
    n_rows: int
    sha256: str = ""
    partial: tuple[Session, ...] = ()
    held: Mapping[str, str] = field(default_factory=dict)
