"""`OnlineManager`: strategies, a trainer and a ledger; what serves, and what it says, session after session."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from rollforward.serialize import Serializable
from rollforward.workflow.online import restoring
from rollforward.workflow.online.champion import checked as checked_registry
from rollforward.workflow.online.guard import Guard
from rollforward.workflow.online.laying_out import desk_of
from rollforward.workflow.online.ledger.entry import FIRST_TRAIN
from rollforward.workflow.online.operating import Operating
from rollforward.workflow.online.plan import plan_sessions
from rollforward.workflow.online.sessions import session_at
from rollforward.workflow.online.standing import Standing
from rollforward.workflow.online.work import Work
from rollforward.workflow.trainer import TrainerR

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd

    from rollforward.data.times import TimeLike
    from rollforward.workflow.online.guard import Hook
    from rollforward.workflow.online.ledger.entry import Entry
    from rollforward.workflow.online.plan import Plan
    from rollforward.workflow.online.strategy import OnlineStrategy
    from rollforward.workflow.trainer.base import Trainer

logger = logging.getLogger(__name__)


class OnlineManager(Operating, Serializable):
    """Keeps models serving: trains what is due, predicts, publishes signals, and records all of it in a ledger.

    The state is in the tracking store, in an experiment of the manager's name; this object holds none of it. Each
    operation is recorded as a whole or not at all, and can be run again after it was killed.

    Parameters
    ----------
    strategies
        One or several. Those that the ledger has from before and that are not given go on as it describes them.
    trainer
        Any trainer; ``None`` is a `TrainerR`.
    begin_time
        When it begins; ``None``: the last session so far, when it is first needed.
    freq
        Kept for Qlib's signature: the calendar says what a session is.
    name
        Of the ledger.
    guard
        What is good enough to be published.
    prepare_func
        Merges the predictions of the strategies; ``None``: `AverageEnsemble`.
    calendar
        Anything that `Calendar.of` takes; ``None``: the calendar of the settings, asked each time it is needed.
    all_at_once
        Whether all that the first training trains serves, as in Qlib; else only what is meant for that session.
    future
        Whether predictions of later sessions are published too, until newer ones take their place.
    require_proof
        Whether a model serves only if it was proved to know nothing of the future.
    on_hold
        A function or a command that is told when a session is held.
    wait, lease
        Whether to wait while another process is at work on the ledger, else `OnlineBusyError`; seconds without a sign
        of life after which another process is taken for dead.
    registry
        Whether models of MLflow's registry follow, so that ``models:/<strategy>@champion`` is the model that serves:
        ``True``, or names of registered models by strategy. See `rollforward.workflow.online.champion.Champions`.

    Attributes
    ----------
    cur_time
        The session of the last operation of this object.
    status
        ``"online"``, or ``"simulating"`` while `simulate` runs.
    """

    default_dump_all: ClassVar[bool] = False

    def __init__(
        self,
        strategies: OnlineStrategy | Sequence[OnlineStrategy],
        trainer: Trainer | None = None,
        begin_time: TimeLike | None = None,
        freq: str = "day",
        *,
        name: str = "online",
        guard: Guard | Mapping[str, Any] | None = None,
        prepare_func: Callable[[Any], Any] | None = None,
        calendar: Any = None,
        all_at_once: bool = False,
        future: bool = False,
        require_proof: bool = False,
        on_hold: Hook | None = None,
        wait: bool = True,
        lease: float = 60.0,
        registry: bool | Mapping[str, str] = False,
    ) -> None:
        self.strategies = _as_list(strategies)
        self.trainer = TrainerR() if trainer is None else trainer
        self.freq = freq
        self.name = name
        self.guard = guard if isinstance(guard, Guard) else Guard(**(guard or {}))
        self.prepare_func = prepare_func
        self.calendar = calendar
        self.all_at_once, self.future, self.require_proof = all_at_once, future, require_proof
        self.on_hold = on_hold
        self.wait, self.lease = wait, lease
        self.registry = checked_registry(registry)
        self.status = self.STATUS_ONLINE
        self.begin_time: pd.Timestamp = session_at(begin_time, calendar)
        self.cur_time = self.begin_time
        self._reset()

    def __repr__(self) -> str:
        names = ", ".join(repr(one.name_id) for one in self.strategies)
        return f"{type(self).__name__}([{names}], name={self.name!r})"

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__dict__.update(state)
        self._reset()

    def _reset(self) -> None:
        self._chain, self._record = None, None
        self._training = None
        self._simulated_here = False

    # --- what is done -------------------------------------------------------------------------------------------

    def first_train(
        self, strategies: Sequence[OnlineStrategy] | None = None, model_kwargs: Mapping[str, Any] | None = None
    ) -> Entry:
        """Train what the strategies begin with, and let serve what is meant for `begin_time`.

        Of several strategies those begin that can. Of one that cannot, nothing is recorded but the reason, in
        ``extra["not_begun"]`` of the entry; the same call again trains what is lacking.

        Parameters
        ----------
        strategies
            ``None``: all of the manager. Those that have begun already are left alone.
        model_kwargs
            Go to `prepare_online_models`, such as ``{"all_at_once": True}``.

        Returns
        -------
        Entry
            Of the ledger.
        """
        wanted = self.strategies if strategies is None else _as_list(strategies)
        self._make_ledger()
        self._know()
        restoring.describe(self)
        return self._work(model_kwargs={"all_at_once": self.all_at_once, **(model_kwargs or {})}).begin(
            wanted, session_at(self.begin_time, self.calendar)
        )

    def routine(
        self,
        cur_time: TimeLike | None = None,
        task_kwargs: Mapping[str, Any] | None = None,
        model_kwargs: Mapping[str, Any] | None = None,
        signal_kwargs: Mapping[str, Any] | None = None,
        *,
        redo: bool = False,
        plan: bool = False,
    ) -> Entry | Plan:
        """Do what is due after the close of a session, and of those before it that were missed.

        Train the folds that are due, predict, check, publish, record. A session that is done is not done again; but
        what was held is tried again, and training that failed: that serves from the next session on.

        Parameters
        ----------
        cur_time
            The session; ``None``: the last one so far.
        task_kwargs
            Go to `prepare_tasks`.
        model_kwargs
            Go to `prepare_online_models`.
        signal_kwargs
            ``prepare_func``, in place of the manager's; ``future``.
        redo
            Publish a session again that was held or is partial, with the data of now.
        plan
            Do nothing, and return the `Plan`.

        Returns
        -------
        Entry
            Of the ledger, for this session; its publications say what is held and why.

        Raises
        ------
        OnlineError
            If nothing was trained yet, the ledger was only simulated, or the session lies in the future.
        OnlineBusyError
            If another process is at work and `wait` is false.
        """
        if plan:
            return self.plan(cur_time, task_kwargs, model_kwargs)
        session = session_at(cur_time, self.calendar)
        self._adopt_own_simulation()
        self._know()
        work = self._work(task_kwargs, model_kwargs, signal_kwargs)
        entry = work.revise(session) if redo else work.sessions(session)
        self.cur_time = session
        return entry

    def plan(
        self,
        cur_time: TimeLike | None = None,
        task_kwargs: Mapping[str, Any] | None = None,
        model_kwargs: Mapping[str, Any] | None = None,
    ) -> Plan:
        """Lay out what `routine`, or before that `first_train`, would do; nothing is done.

        Parameters
        ----------
        cur_time, task_kwargs, model_kwargs
            As for `routine`.
        """
        begin = session_at(self.begin_time, self.calendar)
        at_first = {"all_at_once": self.all_at_once, **(model_kwargs or {})}
        if not self._has_ledger():
            return plan_sessions(
                desk_of(self, self._trainings(), task_kwargs, at_first), Standing(), [begin], FIRST_TRAIN
            )
        self._know()
        work = self._work(task_kwargs, at_first if self.chain.head() is None else model_kwargs)
        return work.plan(begin, session_at(cur_time, self.calendar))

    def add_strategy(self, strategies: OnlineStrategy | Sequence[OnlineStrategy]) -> Entry:
        """Train what further strategies begin with; they are part of the signals from the next session on.

        Of several those begin that can, as in `first_train`.
        """
        new = _as_list(strategies)
        self._make_ledger()
        self._know()
        head = self.chain.head()
        added = [one for one in new if head is None or head.state(one.name_id) is None]
        # One that could not begin may come again, mended, under its name.
        names, known = ({one.name_id for one in some} for some in (added, self.strategies))
        others = [one for one in self.strategies if one.name_id not in names]
        work = self._work(model_kwargs={"all_at_once": self.all_at_once})
        work.desk.strategies = [*others, *added]
        entry = work.begin(new, self._now())
        self.strategies = [
            *others,
            *(one for one in added if entry.state(one.name_id) is not None or one.name_id in known),
        ]
        return entry

    @classmethod
    def load(
        cls, path: str | os.PathLike[str] | None = None, *, name: str | None = None, **changes: Any
    ) -> OnlineManager:
        """Restore a manager, from a file of `to_pickle` or from the store.

        Parameters
        ----------
        path
            A file; or, if there is no such file, the name of a ledger.
        name
            The name of a ledger.
        **changes
            Arguments of the manager, such as ``trainer=...``; only with a ledger.

        Raises
        ------
        OnlineError
            If the ledger does not say how its strategies are made.
        """
        if name is None and path is not None and Path(path).is_file():
            return super().load(path)
        return restoring.restored(cls, str(path) if name is None else name, changes)

    # --- inside -------------------------------------------------------------------------------------------------

    def _work(
        self,
        task_kwargs: Mapping[str, Any] | None = None,
        model_kwargs: Mapping[str, Any] | None = None,
        signal_kwargs: Mapping[str, Any] | None = None,
        *,
        simulated: bool = False,
    ) -> Work:
        desk = desk_of(self, self._trainings(), task_kwargs, model_kwargs, signal_kwargs)
        return Work(desk, self.chain, self._records(), simulated=simulated, wait=self.wait, lease=self.lease)

    def _now(self) -> pd.Timestamp:
        head = self.chain.head()
        return self.begin_time if head is None else Standing.of(head).done or head.session


def _as_list(strategies: Any) -> list[OnlineStrategy]:
    return list(strategies) if isinstance(strategies, list | tuple) else [strategies]
