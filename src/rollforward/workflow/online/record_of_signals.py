"""All signals of a ledger, put together from its publications; what was read once is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollforward.data.selection import DATETIME
from rollforward.data.times import as_time
from rollforward.errors import MissingArtifactError
from rollforward.workflow.online.ledger.recent import entries_since
from rollforward.workflow.online.publishing import MERGED, SIGNALS, STRATEGY_SIGNALS
from rollforward.workflow.online.signals import between, merge
from rollforward.workflow.trainer.reuse import FoundRun, read_recorders

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd

    from rollforward.data.times import TimeLike
    from rollforward.workflow.online.ledger.chain import Chain
    from rollforward.workflow.online.ledger.entry import Entry

# So many entries at most have to be read one by one.
CHECKPOINT_EVERY = 250
SO_FAR = "so_far"


class RecordOfSignals:
    """Reads publications of a ledger; they never change, so each is read once.

    Parameters
    ----------
    chain
        The ledger.
    """

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._frames: dict[tuple[str, str], pd.DataFrame | None] = {}

    def note(self, entry: Entry, files: Mapping[str, pd.DataFrame]) -> None:
        """Remember what this process has published."""
        for name, frame in files.items():
            self._frames[entry.run_id, name] = frame

    def read(
        self,
        name: str = SIGNALS,
        start: TimeLike | None = None,
        entries: Sequence[Entry] | None = None,
        about: int = 0,
    ) -> pd.DataFrame:
        """Put publications together, of which a later one stands.

        Parameters
        ----------
        name
            ``signals.parquet`` or ``strategy_signals.parquet``.
        start
            Entries for sessions before it are not looked at.
        entries
            Those that count, in their order; ``None``: all, or those since `start`, read from the newest one backwards.
        about
            How many these are; so many are read at once.
        """
        if entries is not None:
            found = list(entries)
        else:
            found = self._chain.entries() if start is None else entries_since(self._chain, as_time(start), about)
        if start is not None:
            found = [entry for entry in found if _last(entry) >= as_time(start)]
        base, rest = self._since_checkpoint(name, found) if start is None else ([], found)
        return merge([*base, *self._published(name, rest)])

    def checkpoint(self, entries: Sequence[Entry], files: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
        """Make the files that hold all signals up to and with a new publication."""
        made = {}
        for name in (SIGNALS, STRATEGY_SIGNALS):
            parts = [self.read(name, entries=entries), *([files[name]] if name in files else [])]
            whole = merge(part for part in parts if len(part))
            if len(whole):
                made[f"{SO_FAR}/{name}"] = whole
        return made

    def _since_checkpoint(self, name: str, entries: list[Entry]) -> tuple[list[pd.DataFrame], list[Entry]]:
        for at in range(len(entries) - 1, -1, -1):
            if entries[at].extra.get(SO_FAR) and entries[at].seq == at:
                frame = self._frame(entries[at], f"{SO_FAR}/{name}")
                if frame is not None:
                    return [frame], entries[at + 1 :]
        return [], entries

    def _published(self, name: str, entries: Iterable[Entry]) -> list[pd.DataFrame]:
        wanted = [entry for entry in entries if _has(entry, name)]
        unknown = [entry for entry in wanted if (entry.run_id, name) not in self._frames]
        runs = [FoundRun(entry.run_id, str(self._chain.experiment.id)) for entry in unknown]
        for run_id, recorder in (read_recorders(runs) if runs else {}).items():
            self._frames[run_id, name] = recorder.load_object(name)
        return [frame for entry in wanted if (frame := self._frames.get((entry.run_id, name))) is not None]

    def _frame(self, entry: Entry, name: str) -> pd.DataFrame | None:
        key = entry.run_id, name
        if key not in self._frames:
            try:
                self._frames[key] = self._chain.recorder(entry).load_object(name)
            except MissingArtifactError:
                self._frames[key] = None
        return self._frames[key]


def of_interval(frame: pd.DataFrame, start: TimeLike | None, end: TimeLike | None) -> pd.DataFrame:
    """Select the rows from a time to another one, both inclusive."""
    rows: pd.DataFrame = between(frame, None, end)
    if start is None:
        return rows
    return rows[rows.index.get_level_values(DATETIME) >= as_time(start)]


def _has(entry: Entry, name: str) -> bool:
    """Whether an entry has a file: where all that serve are held, shadows may still have been written down."""
    return any(one.n_rows for one in entry.publications if (one.strategy == MERGED) == (name == SIGNALS))


def _last(entry: Entry) -> pd.Timestamp:
    return max([entry.session, *(one.last for one in entry.publications if one.last is not None)])
