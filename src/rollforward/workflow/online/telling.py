"""What a manager can tell: all of it is read from its ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rollforward.errors import ExperimentNotFoundError, LedgerError
from rollforward.model.ens.ensemble import AverageEnsemble
from rollforward.workflow.online import restoring, views
from rollforward.workflow.online.ledger.chain import Chain
from rollforward.workflow.online.record_of_signals import RecordOfSignals
from rollforward.workflow.task.collect import MergeCollector

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    import pandas as pd

    from rollforward.data.times import TimeLike
    from rollforward.workflow.online.ledger.entry import Entry
    from rollforward.workflow.online.ledger.parts import ModelRef
    from rollforward.workflow.online.strategy import OnlineStrategy
    from rollforward.workflow.recorder import Recorder


class Telling:
    """The reading half of a manager.

    Attributes
    ----------
    name
        Of the ledger.
    strategies
        Those of the manager.
    prepare_func
        Merges their predictions; ``None``: `AverageEnsemble`.
    """

    name: str
    strategies: list[OnlineStrategy]
    prepare_func: Callable[[Any], Any] | None
    _chain: Chain | None = None
    _record: RecordOfSignals | None = None

    @property
    def chain(self) -> Chain:
        """The ledger.

        Raises
        ------
        LedgerError
            If there is none yet; `first_train` and `simulate` make it.
        """
        if not self._has_ledger():
            raise LedgerError(
                f"There is no ledger {self.name!r}.",
                "the name of one, in this tracking store.",
                "Run first_train() or simulate(), which begin it; is this the right store?",
            )
        return self._chain  # type: ignore[return-value]  # it was just found

    def head(self) -> Entry | None:
        """Read the newest entry; ``None`` if there is none, or no ledger yet."""
        return self.chain.head() if self._has_ledger() else None

    def _make_ledger(self) -> None:
        self._chain = self._chain or Chain.open(self.name, create=True)

    def _has_ledger(self) -> bool:
        """Whether there is a ledger of this name; asking creates none."""
        try:
            self._chain = self._chain or Chain.open(self.name)
        except ExperimentNotFoundError:
            return False
        return True

    @property
    def history(self) -> dict[pd.Timestamp, dict[OnlineStrategy, list[Recorder]]]:
        """Which recorders served in each session, by strategy; read from the ledger."""
        self._know()
        return views.history(self.chain, self.strategies)

    @property
    def signals(self) -> pd.Series | None:
        """All signals; ``None`` if there are none yet."""
        found = self.get_signals()
        return found if len(found) else None

    def online_at(
        self, t: TimeLike, strategy: str | None = None, as_known_at: datetime | str | None = None
    ) -> dict[str, tuple[ModelRef, ...]]:
        """Tell which models served in a session, see `Book.online_at`."""
        return self.chain.book().online_at(t, strategy, as_known_at)

    def get_signals(
        self,
        start: TimeLike | None = None,
        end: TimeLike | None = None,
        as_known_at: datetime | str | None = None,
    ) -> pd.Series:
        """Read the published signals.

        Parameters
        ----------
        start, end
            Inclusive; ``None`` = open.
        as_known_at
            A moment: what was published later does not count. Without a zone it is local time.

        Returns
        -------
        pd.Series
            Named ``score``, indexed ``(datetime, instrument)``, each once. A frame if `prepare_func` makes several
            columns.
        """
        found: pd.Series = views.signals(self.chain, self._records(), start, end, as_known_at)
        return found

    def prepare_signals(self, prepare_func: Callable[[Any], Any] | None = None, over_write: bool = False) -> pd.Series:
        """Merge what the strategies said in another way; what is published stays.

        Parameters
        ----------
        prepare_func
            Gets ``{(strategy, "pred"): {(strategy,): scores}}``; ``None``: the manager's. From now on it is the
            manager's.
        over_write
            All sessions; else those of the last routine.
        """
        if prepare_func is not None:
            self.prepare_func = prepare_func
        prepare = self.prepare_func or AverageEnsemble()
        found: pd.Series = views.merged_anew(self.chain, self._records(), prepare, everything=over_write)
        return found

    def get_collector(self, **kwargs: Any) -> MergeCollector:
        """Make a collector over the collectors of all strategies; arguments go to theirs."""
        return MergeCollector({one.name_id: one.get_collector(**kwargs) for one in self.strategies}, process_list=[])

    def _records(self) -> RecordOfSignals:
        if self._record is None:
            self._record = RecordOfSignals(self.chain)
        return self._record

    def _know(self) -> None:
        """Take in the strategies that the ledger has and this object was not given."""
        head = self.chain.head()
        given = {one.name_id for one in self.strategies}
        states = () if head is None else head.states
        lacking = [state for state in states if state.name_id not in given]
        self.strategies = [*self.strategies, *(restoring.strategy_of(state) for state in lacking)]
