"""What an operator does with a manager beside the daily routine: simulate, adopt, promote, roll back, accept."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from rollforward.workflow.online import changing, restoring
from rollforward.workflow.online import simulate as simulation
from rollforward.workflow.online.same_simulation import require_same
from rollforward.workflow.online.sessions import session_at
from rollforward.workflow.online.standing import Standing
from rollforward.workflow.online.telling import Telling
from rollforward.workflow.online.training import Training

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from rollforward.data.times import TimeLike
    from rollforward.workflow.online.guard import Guard
    from rollforward.workflow.online.ledger.entry import Entry
    from rollforward.workflow.online.work import Work
    from rollforward.workflow.recorder import Recorder
    from rollforward.workflow.trainer.base import Trainer


class Operating(Telling):
    """The half of a manager that changes what serves, beside the routine; attributes as of `OnlineManager`."""

    STATUS_SIMULATING: ClassVar[str] = "simulating"
    STATUS_ONLINE: ClassVar[str] = "online"

    trainer: Trainer
    guard: Guard
    calendar: Any
    all_at_once: bool
    begin_time: pd.Timestamp
    cur_time: pd.Timestamp
    status: str
    _training: Training | None = None
    _simulated_here: bool = False

    @abstractmethod
    def _work(
        self,
        task_kwargs: Mapping[str, Any] | None = None,
        model_kwargs: Mapping[str, Any] | None = None,
        signal_kwargs: Mapping[str, Any] | None = None,
        *,
        simulated: bool = False,
    ) -> Work:
        """Lay out the work."""

    def simulate(
        self,
        end_time: TimeLike | None = None,
        frequency: str = "day",  # noqa: ARG002  the calendar decides
        task_kwargs: Mapping[str, Any] | None = None,
        model_kwargs: Mapping[str, Any] | None = None,
        signal_kwargs: Mapping[str, Any] | None = None,
    ) -> pd.Series:
        """Do the first training and each session from `begin_time` to a time, as if it were live.

        The same as live routines, in a ledger that is marked as simulated. A trainer that delays, or has workers,
        trains all folds of the range together beforehand.

        Parameters
        ----------
        end_time
            Last session, inclusive; ``None``: the last one so far.
        frequency
            Kept for Qlib's signature.
        task_kwargs, model_kwargs, signal_kwargs
            As for `routine`.

        Returns
        -------
        pd.Series
            All signals.

        Raises
        ------
        OnlineError
            If the ledger serves already, or holds a simulation of something else: other strategies, templates or
            options, or another `begin_time`. The same simulation again gives the same result; a later end goes on.
        """
        end = session_at(end_time, self.calendar)
        self._make_ledger()
        require_same(self)
        restoring.describe(self)
        self.status = self.STATUS_SIMULATING
        try:
            work = self._work(task_kwargs, model_kwargs, signal_kwargs, simulated=True)
            simulation.simulate(work, self.begin_time, end, all_at_once=self.all_at_once)
        finally:
            self.status = self.STATUS_ONLINE
        self._simulated_here, self.cur_time = True, end
        # It may have been done further before; what is published for later sessions is part of it otherwise.
        is_further = (Standing.of(self.chain.head()).done or end) > end
        return self.get_signals(end=end if is_further else None)

    def delay_prepare(
        self, model_kwargs: Mapping[str, Any] | None = None, signal_kwargs: Mapping[str, Any] | None = None
    ) -> int:
        """Train what was begun and is not trained; `simulate` does it by itself.

        Parameters
        ----------
        model_kwargs, signal_kwargs
            Kept for Qlib's signature.

        Returns
        -------
        int
            How many tasks were trained.
        """
        del model_kwargs, signal_kwargs
        return self._trainings().end()

    def adopt(self) -> Entry:
        """Make the state of a simulation the one that serves."""
        self._know()
        return simulation.adopt(self._work())

    def rollback(self, strategy: str | None = None, reason: str = "") -> Entry:
        """Let the models serve again that served before the present ones, from the next session on.

        They serve until the next fold is trained, or one that is scheduled for a later session comes. What was to come
        with the next session is cancelled, and the entry's reason says so. A set that was rolled back is passed over:
        a second call goes one further back.

        Parameters
        ----------
        strategy
            Name; ``None``: all that served something else before.
        reason
            For the ledger.

        Raises
        ------
        OnlineError
            If nothing served before.
        """
        self._know()
        return changing.roll_back(self._work(), strategy, reason)

    def promote(
        self,
        strategy: str,
        against: str | None = None,
        *,
        models: Sequence[Recorder] | None = None,
        reason: str = "",
    ) -> Entry:
        """Let a strategy in shadow serve from the next session on, or other models of a strategy.

        Parameters
        ----------
        strategy
            Name.
        against
            A strategy that goes into the shadow in its place.
        models
            Recorders that serve from then on, in place of those of now; what is scheduled is treated as by `rollback`.
        reason
            For the ledger.

        Raises
        ------
        OnlineError
            If there is no such strategy, or `against` does not serve.
        """
        self._know()
        return changing.promote(self._work(), strategy, against, models, reason)

    def accept(self, session: TimeLike, strategy: str | None = None, reason: str = "") -> Entry:
        """Let a held session stay as it is: it is not tried again by itself, and `status` says no more of it.

        What is published stays. The ledger says who accepted it, when and why; `routine(session, redo=True)` still
        publishes it, should its data come after all.

        Parameters
        ----------
        session
            The session.
        strategy
            Name; ``None``: all that are held on it.
        reason
            For the ledger.

        Raises
        ------
        OnlineError
            If nothing is held on it.
        """
        self._know()
        return changing.accept(self._work(), session_at(session, self.calendar), strategy, reason)

    def _trainings(self) -> Training:
        if self._training is None or self._training.trainer is not self.trainer:
            self._training = Training(self.trainer)
        return self._training

    def _adopt_own_simulation(self) -> None:
        if self._simulated_here:
            self.adopt()
            self._simulated_here = False
