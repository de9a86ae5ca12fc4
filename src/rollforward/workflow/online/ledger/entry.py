"""One entry of a ledger, and text that says exactly the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

import pandas as pd

from rollforward.errors import LedgerError
from rollforward.workflow.online.ledger.parts import (
    ModelRef,
    Publication,
    Session,
    StrategyState,
    Switch,
    day_of,
)

__all__ = ["KINDS", "Entry", "ModelRef", "Publication", "StrategyState", "Switch"]

FIRST_TRAIN, ROUTINE, ADD_STRATEGY = "first_train", "routine", "add_strategy"
PROMOTE, ROLLBACK, ADOPT, ACCEPT = "promote", "rollback", "adopt", "accept"
# Trains what the routine of that session could not.
TRAIN = "train"
# In ``extra`` of an entry of the kind `ACCEPT`: the session that stays as it is.
ACCEPTS = "accepts"
# In ``extra`` of a routine that published an earlier session again: that session.
REVISES = "revises"
# In ``extra`` of a first training or an addition: strategies that could not begin, and why.
NOT_BEGUN = "not_begun"
KINDS = (FIRST_TRAIN, ROUTINE, ADD_STRATEGY, PROMOTE, ROLLBACK, ADOPT, ACCEPT, TRAIN)


@dataclass(frozen=True)
class Entry:
    """One thing that was done, and the state after it.

    Parameters
    ----------
    kind
        One of `KINDS`.
    session
        The session that it was done for.
    states
        Of all strategies, in their order.
    switches
        Those that this entry records.
    publications
        What it published.
    trained
        Models that were trained for it.
    simulated
        Whether nobody was served.
    extra
        More, as JSON values.
    seq, recorded_at, by, previous, run_id
        Its place in the chain, the time (UTC, never before that of the entry before), the process that recorded it,
        and the ids of the entry before and of itself. Set when it is committed.
    """

    kind: str
    session: Session
    states: tuple[StrategyState, ...] = ()
    switches: tuple[Switch, ...] = ()
    publications: tuple[Publication, ...] = ()
    trained: tuple[ModelRef, ...] = ()
    simulated: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)
    seq: int = -1
    recorded_at: datetime | None = None
    by: str = ""
    previous: str | None = None
    run_id: str = ""

    def state(self, name_id: str) -> StrategyState | None:
        """Return the state of one strategy; ``None`` if there is none of this name."""
        return next((state for state in self.states if state.name_id == name_id), None)

    def to_json(self) -> str:
        """Write the entry as one line of JSON; equal entries give equal text."""
        return as_text(to_plain(self))

    @classmethod
    def from_json(cls, text: str) -> Entry:
        """Read what `to_json` wrote.

        Raises
        ------
        LedgerError
            If it is anything else.
        """
        try:
            return entry_of(json.loads(text))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise LedgerError(
                f"An entry cannot be read: {error!r}.", "what this version of rollforward wrote.", "Is it up to date?"
            ) from error


def as_text(plain: Any) -> str:
    """Write JSON values in the one form that is kept: ASCII, keys sorted, no spaces."""
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), allow_nan=False)


def to_plain(value: Any) -> Any:
    """Turn entries and their parts into JSON values; fields that have their default are left out."""
    if isinstance(value, pd.Timestamp | datetime):
        return value.isoformat()
    if isinstance(value, tuple | list):
        return [to_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: to_plain(item) for key, item in value.items()}
    if not hasattr(value, "__dataclass_fields__"):
        return value
    plain = {}
    for each in fields(value):
        item = getattr(value, each.name)
        default = each.default_factory() if callable(each.default_factory) else each.default
        if item != default:
            plain[each.name] = to_plain(item)
    return plain


def entry_of(plain: Mapping[str, Any]) -> Entry:
    """Build an entry of what `to_plain` made of it."""
    given = dict(plain)
    recorded = given.pop("recorded_at", None)
    return Entry(
        session=pd.Timestamp(given.pop("session")),
        states=tuple(state_of(item) for item in given.pop("states", ())),
        switches=tuple(switch_of(item) for item in given.pop("switches", ())),
        publications=tuple(_publication(item) for item in given.pop("publications", ())),
        trained=tuple(_model(item) for item in given.pop("trained", ())),
        recorded_at=None if recorded is None else datetime.fromisoformat(recorded),
        **given,
    )


def state_of(plain: Mapping[str, Any]) -> StrategyState:
    """Build a state of what `to_plain` made of it."""
    given = dict(plain)
    switches = tuple(switch_of(item) for item in given.pop("switches", ()))
    return StrategyState(switches=switches, published_to=day_of(given.pop("published_to", None)), **given)


def switch_of(plain: Mapping[str, Any]) -> Switch:
    """Build a switch of what `to_plain` made of it."""
    models = tuple(_model(item) for item in plain["models"])
    return Switch(**{**plain, "models": models, "effective": pd.Timestamp(plain["effective"])})


def _model(plain: Mapping[str, Any]) -> ModelRef:
    first, last = plain.get("test", (None, None))
    return ModelRef(**{**plain, "test": (day_of(first), day_of(last)), "cutoff": day_of(plain.get("cutoff"))})


def _publication(plain: Mapping[str, Any]) -> Publication:
    partial = tuple(pd.Timestamp(item) for item in plain.get("partial", ()))
    first, last = day_of(plain["first"]), day_of(plain["last"])
    return Publication(**{**plain, "first": first, "last": last, "partial": partial})
