"""Two times in one table: what served in a session, as far as it was known at some moment."""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from rollforward.data.times import as_time
from rollforward.errors import CalendarError
from rollforward.workflow.online.ledger.parts import SERVING, overwritten

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rollforward.workflow.online.ledger.entry import Entry
    from rollforward.workflow.online.ledger.parts import ModelRef, Session, Switch

_COLUMNS = (
    *("strategy", "role", "effective", "until", "replaced", "recorded_at", "kind", "session", "reason"),
    *("n_models", "recorder_ids", "task_hashes", "data_hashes", "entry"),
)


class _Written(NamedTuple):
    """The switches of one strategy in one entry."""

    seq: int
    entry: Entry
    switches: tuple[Switch, ...]


class Book:
    """Everything that a ledger recorded about who serves.

    Parameters
    ----------
    entries
        Of one ledger, all from the first on, in their order.

    Notes
    -----
    The switches of an entry replace everything that was known before from the earliest of their effective sessions on
    (`StrategyState.after` follows the same rule). So what served in a session is decided by the last entry whose
    switches begin no later.
    """

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.entries = list(entries)
        self._times = [moment_of(entry.recorded_at) for entry in self.entries]
        self._written: dict[str, list[_Written]] = {}
        for seq, entry in enumerate(self.entries):
            for name in dict.fromkeys(switch.strategy for switch in entry.switches):
                mine = overwritten((), (switch for switch in entry.switches if switch.strategy == name))
                self._written.setdefault(name, []).append(_Written(seq, entry, mine))

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def strategies(self) -> list[str]:
        """Names of all strategies that ever had models."""
        return list(self._written)

    def online_at(
        self, t: Any, strategy: str | None = None, as_known_at: datetime | str | None = None
    ) -> dict[str, tuple[ModelRef, ...]]:
        """Tell which models there were in a session.

        Parameters
        ----------
        t
            The session.
        strategy
            Only this one; ``None`` is all of them, shadows as well.
        as_known_at
            A moment: entries that were recorded later are left out of account. Without a zone it is local time.
            ``None``: all that is known.

        Returns
        -------
        dict
            Strategy to its models. A strategy that had none yet is not in it.
        """
        session, known = as_time(t), self._known(as_known_at)
        names = self._written if strategy is None else [strategy]
        found = {name: self._decide(name, session, known) for name in names}
        return {name: switch.models for name, switch in found.items() if switch is not None}

    def set_at(self, t: Any, strategy: str, as_known_at: datetime | str | None = None) -> tuple[ModelRef, ...]:
        """Tell which models a strategy had in a session; none before its first switch. See `online_at`."""
        return self.online_at(t, strategy, as_known_at).get(strategy, ())

    def _known(self, moment: datetime | str | None) -> int:
        """Return how many entries were recorded by a moment."""
        return len(self.entries) if moment is None else bisect_right(self._times, moment_of(moment))

    def _decide(self, name: str, session: Session, known: int) -> Switch | None:
        for seq, _, switches in reversed(self._written.get(name, ())):
            if seq < known and switches[0].effective <= session:
                return next(switch for switch in reversed(switches) if switch.effective <= session)
        return None

    def switches(self, strategy: str | None = None, as_known_at: datetime | str | None = None) -> list[Switch]:
        """Return the switches that stand, by strategy and effective session; what was replaced is left out."""
        known = self._known(as_known_at)
        names = self._written if strategy is None else [strategy]
        return [switch for name in names for _, switch in self._timeline(name, known)]

    def _timeline(self, name: str, known: int) -> list[tuple[int, Switch]]:
        """Return the switches that stand, each with the number of its entry."""
        found: list[tuple[int, Switch]] = []
        # From the newest on: what begins no earlier than a later one is replaced.
        for seq, _, switches in reversed(self._written.get(name, ())):
            if seq < known:
                first = found[-1][1].effective if found else None
                found += [(seq, s) for s in reversed(switches) if first is None or s.effective < first]
        return found[::-1]

    def history(self, as_known_at: datetime | str | None = None) -> pd.DataFrame:
        """Lay out every switch that was ever recorded, in the order of recording.

        Returns
        -------
        DataFrame
            ``strategy``, ``role`` (then), ``effective``, ``until`` (the session from which another one serves; NaT =
            open, or never in force), ``replaced`` (before it came into force, or in hindsight), ``recorded_at`` (UTC),
            ``kind``, ``session`` and ``entry`` (of the entry that recorded it), ``reason``, ``n_models``, and tuples
            of ``recorder_ids``, ``task_hashes`` and ``data_hashes``.
        """
        known = self._known(as_known_at)
        until: dict[tuple[int, Switch], Any] = {}
        for name in self._written:
            timeline = self._timeline(name, known)
            following = [switch.effective for _, switch in timeline[1:]]
            until |= dict(zip(timeline, [*following, pd.NaT], strict=False))
        written = sorted((item for items in self._written.values() for item in items), key=lambda item: item.seq)
        recorded = [(item, (item.seq, switch)) for item in written if item.seq < known for switch in item.switches]
        rows = [
            _row(item.entry, key[1]) | {"until": until.get(key, pd.NaT), "replaced": key not in until}
            for item, key in recorded
        ]
        frame = pd.DataFrame(rows, columns=list(_COLUMNS))
        for column in ("effective", "until", "session"):
            frame[column] = pd.to_datetime(frame[column])
        frame["recorded_at"] = pd.to_datetime(frame["recorded_at"], utc=True)
        return frame


def _row(entry: Entry, switch: Switch) -> dict[str, Any]:
    state = entry.state(switch.strategy)
    return {
        "strategy": switch.strategy,
        "role": SERVING if state is None else state.role,
        "effective": switch.effective,
        "recorded_at": entry.recorded_at,
        "kind": entry.kind,
        "session": entry.session,
        "reason": switch.reason,
        "n_models": len(switch.models),
        "recorder_ids": tuple(model.recorder_id for model in switch.models),
        "task_hashes": tuple(model.task_hash for model in switch.models),
        "data_hashes": tuple(model.data_hash for model in switch.models),
        "entry": entry.run_id,
    }


def moment_of(moment: datetime | str | None) -> datetime:
    """Read a moment, as UTC; without a zone it is local time, and an unknown one is before all others.

    Raises
    ------
    CalendarError
        If it is none.
    """
    if moment is None:
        return datetime.min.replace(tzinfo=UTC)
    try:
        time = pd.Timestamp(moment).to_pydatetime()
    except ValueError as error:
        raise CalendarError(
            f"{moment!r} is not a moment.", 'a date, or one with a time: "2024-01-31 18:00".'
        ) from error
    return time.astimezone(UTC)
