"""What a strategy decides: which tasks are due, and which of the trained models serve."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rollforward.data.spans import whole_number
from rollforward.data.times import as_time
from rollforward.errors import OnlineError, SegmentError
from rollforward.model.ens.group import RollingGroup
from rollforward.workflow.online.base import OnlineStrategy, chosen
from rollforward.workflow.online.definition import generator_from, generator_options, strategy_from
from rollforward.workflow.online.ledger.parts import SERVING, SHADOW
from rollforward.workflow.online.lines import Fold, Lines
from rollforward.workflow.task.adjuster import transform_end_date
from rollforward.workflow.task.collect import RecorderCollector
from rollforward.workflow.task.gen import RollingGen
from rollforward.workflow.task.recorders import fold_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import pandas as pd

    from rollforward.data.times import TimeLike
    from rollforward.workflow.online.promotion import PromotionRule
    from rollforward.workflow.task.adjuster import TimeAdjuster
    from rollforward.workflow.task.base import Task

__all__ = ["SERVING", "SHADOW", "OnlineStrategy", "RollingStrategy", "chosen", "strategy_from"]

logger = logging.getLogger(__name__)


class RollingStrategy(OnlineStrategy):
    """Rolls templates through time; of each, the fold whose test segment has come serves.

    Which folds there are follows from the templates, the generator and the calendar, so that a plan needs no store. A
    template that is changed counts from its next fold on.

    Parameters
    ----------
    name_id
        Also the name of the experiment.
    task_template
        One task or several. The test segment of each starts where it is first tested.
    rolling_gen
        Rolls them; the calendar is its own or that of the settings, and asked each time.
    role, promotion
        As for `OnlineStrategy`.
    ahead
        Sessions before the start of its test segment at whose close a fold is trained. 0, as in Qlib: at the close of
        its first test session. 1: the evening before, so that it can predict when its first session opens; labels have
        to be purged for that (`RollingGen(purge="auto")` does), and the calendar has to know the next session.

    Raises
    ------
    OnlineError
        If the generator is no `RollingGen`, or its last fold depends on the day on which it is asked.
    """

    def __init__(
        self,
        name_id: str,
        task_template: Task | list[Task],
        rolling_gen: RollingGen,
        *,
        role: str = SERVING,
        promotion: PromotionRule | Mapping[str, Any] | None = None,
        ahead: int = 0,
    ) -> None:
        super().__init__(name_id, role=role, promotion=promotion)
        if not isinstance(rolling_gen, RollingGen):
            raise OnlineError(f"rolling_gen is a {type(rolling_gen).__name__}.", "a RollingGen.")
        if rolling_gen.last != "whole":
            raise OnlineError(
                f"The generator has last={rolling_gen.last!r}: its newest fold would be another one each day.",
                'RollingGen(..., last="whole").',
            )
        self.task_template: list[Task] = [task_template] if isinstance(task_template, Mapping) else list(task_template)
        self.rg = rolling_gen
        self.ahead = _sessions(ahead)
        self.lines = Lines(self.task_template, rolling_gen)

    @property
    def rolling_gen(self) -> RollingGen:
        """The generator."""
        return self.rg

    @property
    def ta(self) -> TimeAdjuster:
        """The generator's calendar arithmetic."""
        return self.rg.ta

    def first_tasks(self, cur_time: TimeLike | None = None) -> list[Task]:
        """Make all folds of the templates' test ranges.

        Parameters
        ----------
        cur_time
            Only those that begin up to this session (and `ahead`), and those after the templates' ranges too; ``None``:
            the ranges decide, as in Qlib.
        """
        if cur_time is not None:
            return self.tasks_due((), cur_time)
        return [task for template in self.task_template for task in self.rg.generate(template)]

    def prepare_tasks(
        self,
        cur_time: TimeLike | None = None,
        *,
        models: Iterable[Any] | None = None,
        ahead: int | None = None,
    ) -> list[Task]:
        """Make the folds that are due at the close of a session and come after those that are there.

        Parameters
        ----------
        cur_time
            ``None``, or in the future: the last session so far.
        models
            What was trained, as for `folds_due`; ``None``: the models that are online, read from the store.
        ahead
            In place of that of the strategy.

        Returns
        -------
        list
            Template by template, in time order. Without any model nothing is due: that is for `first_tasks`.
        """
        newest = self._online() if models is None else list(models)
        if not newest:
            logger.warning(
                "Strategy %r has no model online, so that no fold follows; train its first tasks.", self.name_id
            )
            return []
        return [fold.task for fold in self.folds_due(newest, cur_time, ahead)]

    def tasks_due(self, newest: Iterable[Any], cur_time: TimeLike | None = None) -> list[Task]:
        """Make the tasks of `folds_due`."""
        return [fold.task for fold in self.folds_due(newest, cur_time)]

    def folds_due(
        self, newest: Iterable[Any], cur_time: TimeLike | None = None, ahead: int | None = None
    ) -> list[Fold]:
        """List the folds that are due at the close of a session; no store is asked.

        Parameters
        ----------
        newest
            What was trained: pairs of a line's name and a test segment, objects with attributes ``model`` and ``test``
            of this kind, recorders, tasks or folds. The latest of each line counts; a line without any is due from its
            first fold on.
        cur_time, ahead
            As for `prepare_tasks`.

        Raises
        ------
        OnlineError
            If one of them is of none of the templates.
        """
        return self.lines.due(newest, self._until(cur_time, self.ahead if ahead is None else _sessions(ahead)))

    def name_of(self, one: Any) -> str:
        """Name the line of a task or a recorder: the class of its model, and ``#2`` for a second template with it."""
        return self.lines.name_of(one)

    def serving(self, models: Iterable[Any], session: TimeLike) -> list[Any]:
        """Choose the models that serve at a session: of each line the latest whose test segment has begun.

        Parameters
        ----------
        models
            As `folds_due` takes them.
        session
            A session.
        """
        return self.lines.serving(models, as_time(session))

    def switches(
        self, standing: Sequence[Any], trained: Sequence[Any], session: TimeLike, *, all_at_once: bool = False
    ) -> list[tuple[pd.Timestamp, list[Any]]]:
        """Plan from which session on which models serve, when models were trained at the close of a session.

        Parameters
        ----------
        standing
            What serves until now, as `folds_due` takes it.
        trained
            What is new.
        session
            When it was trained; nothing serves before.
        all_at_once
            All that is new serves from now on, as in Qlib.

        Returns
        -------
        list
            Sessions and sets, in order. The first is of `session` itself, unless `standing` goes on; the others are of
            test segments that begin later.
        """
        at = as_time(session)
        if all_at_once:
            return [(at, list(trained))] if trained else []
        models = [*standing, *trained]
        later = sorted({start for _, start in map(self.lines.known, trained) if start > at})
        planned, before = [], list(standing)
        for effective in [at, *later]:
            then = self.serving(models, effective)
            if then and not _is_same(then, before):
                planned.append((effective, then))
                before = then
        return planned

    def prepare_online_models(
        self, trained_models: Sequence[Any], cur_time: TimeLike | None = None, *, all_at_once: bool = False
    ) -> list[Any]:
        """Put online what serves now, of the models that are online and the trained ones; return it.

        Parameters
        ----------
        trained_models
            Recorders; none: what is online stays.
        cur_time
            The session; ``None``, or in the future: the last one so far.
        all_at_once
            All of them go online, and nothing else is, as in Qlib.
        """
        online = self._online()
        if not trained_models:
            return online
        switches = self.switches(online, trained_models, self._until(cur_time, 0), all_at_once=all_at_once)
        begun = [models for effective, models in switches if effective <= self._until(cur_time, 0)]
        if not begun:
            return online
        self.tool.reset_online_tag(begun[0])
        return begun[0]

    def get_collector(
        self,
        process_list: Any = None,
        rec_key_func: Callable[[Any], Any] | None = None,
        rec_filter_func: Callable[[Any], bool] | None = None,
        artifacts_key: str | Sequence[str] | None = None,
    ) -> RecorderCollector:
        """Make a collector of the predictions of all folds.

        Parameters
        ----------
        process_list
            As for `RecorderCollector`; by default the folds of each line are joined, of the form ``{(name,): frame}``.
        rec_key_func
            By default the name of the line and the test segment.
        rec_filter_func, artifacts_key
            As for `RecorderCollector`.
        """
        return RecorderCollector(
            experiment=self.exp_name,
            process_list=[RollingGroup()] if process_list is None else process_list,
            rec_key_func=self._key if rec_key_func is None else rec_key_func,
            rec_filter_func=rec_filter_func,
            artifacts_key=artifacts_key,
        )

    def options(self) -> dict[str, Any]:
        """See `OnlineStrategy.options`."""
        return {**super().options(), "rolling_gen": generator_options(self.rg)}

    @classmethod
    def of_options(cls, options: Mapping[str, Any]) -> OnlineStrategy:
        """Make a strategy of what `options` returned."""
        return cls(**{**options, "rolling_gen": generator_from(options["rolling_gen"])})

    def _key(self, recorder: Any) -> Any:
        key = fold_key(recorder)
        return None if key is None else (self.name_of(recorder), *key[1:])

    def _until(self, cur_time: TimeLike | None, ahead: int) -> pd.Timestamp:
        calendar = self.rg.ta.calendar
        position = calendar.position(transform_end_date(cur_time, calendar=calendar), "end")
        if position < 0 and cur_time is not None:
            return as_time(cur_time)  # before the calendar: nothing has begun
        return calendar[min(position + ahead, len(calendar) - 1)]


def _sessions(ahead: Any) -> int:
    try:
        return whole_number(ahead, "ahead", 0)
    except SegmentError as error:
        raise OnlineError(error.given, error.expected) from error


def _is_same(models: Sequence[Any], others: Sequence[Any]) -> bool:
    return len(models) == len(others) and all(model in others for model in models)
