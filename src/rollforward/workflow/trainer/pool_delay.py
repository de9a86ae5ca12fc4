"""`DelayTrainerRM`: runs are prepared here, and trained through a pool."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rollforward.errors import TaskError
from rollforward.workflow.task.manage import TaskManager
from rollforward.workflow.trainer.base import STATUS_END, STATUS_KEY, TM_ID, Tasks, as_recorders
from rollforward.workflow.trainer.delay import ended_before
from rollforward.workflow.trainer.ledger import read_tasks, recorder_of, recorders_of
from rollforward.workflow.trainer.pool import DONE, PART_DONE, WAITING, TrainerRM, ids_query
from rollforward.workflow.trainer.step import Step
from rollforward.workflow.trainer.train import begin_task_train, end_task_train

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rollforward.workflow.recorder import Recorder


class DelayTrainerRM(TrainerRM):
    """Prepares a run for each task in `train`, here, and lets a pool train them in `end_train`.

    Parameters
    ----------
    experiment_name, task_pool, skip_run_task
        As in `TrainerRM`; what is skipped is the training, never the preparation.
    train_func
        ``train_func(task, experiment_name=...)`` prepares a task and returns its recorder.
    end_train_func
        ``end_train_func(recorder, experiment_name=...)`` trains it and returns the recorder.
    kwargs
        As in `TrainerRM`.
    """

    delay = True

    def __init__(
        self,
        experiment_name: str | None = None,
        task_pool: str | None = None,
        train_func: Callable[..., Recorder] = begin_task_train,
        end_train_func: Callable[..., Recorder] = end_task_train,
        skip_run_task: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(experiment_name, task_pool, train_func, skip_run_task, **kwargs)
        self.end_train_func = end_train_func

    def train(  # type: ignore[override]  # the parameters are Qlib's
        self,
        tasks: Tasks,
        train_func: Callable[..., Recorder] | None = None,
        experiment_name: str | None = None,
        **kwargs: Any,
    ) -> list[Recorder]:
        """Submit tasks and prepare a run for each; see `TrainerRM.train`."""
        return super().train(tasks, train_func, experiment_name, WAITING, PART_DONE, **kwargs)

    def end_train(  # type: ignore[override]  # the same
        self,
        recs: Recorder | Sequence[Recorder],
        end_train_func: Callable[..., Recorder] | None = None,
        experiment_name: str | None = None,
        **kwargs: Any,
    ) -> list[Recorder]:
        """Train what `train` prepared, or let it be trained; what is trained already is passed over.

        Parameters
        ----------
        recs
            One recorder or several.
        end_train_func, experiment_name
            Win over the constructor's. Workers elsewhere have their own.
        kwargs
            Passed on to the function that trains.

        Returns
        -------
        list of Recorder
            In the order of the given ones, read anew where they were trained, tagged as ended; without those in
            `failed`.

        Raises
        ------
        TaskError
            If a recorder was not prepared through a pool.
        TaskFailedError, PoolTimeoutError
            As in `TrainerRM.train`.
        """
        func, name = end_train_func or self.end_train_func, experiment_name or self.experiment_name
        self.failed = {}
        recorders = as_recorders(recs)
        ready = ended_before(recorders)
        ids = {at: _task_of(one) for at, one in enumerate(recorders) if at not in ready}
        if not ids:
            return list(ready.values())
        pool = TaskManager(self.pool_name(name), self.store)
        step = Step(func, PART_DONE, DONE, {"experiment_name": name, **kwargs})
        wanted = list(dict.fromkeys(ids.values()))
        takers = {str(task["_id"]) for task in pool.query({**ids_query(wanted), "filter.refit": False}, decode=False)}
        for wave in ([one for one in wanted if (one in takers) is later] for later in (False, True)):
            if wave:
                self._work(pool, wave, step)
        return self._ended(pool, ready, ids)

    def worker(self, end_train_func: Callable[..., Recorder] | None = None, experiment_name: str | None = None) -> bool:
        """Train what is prepared in the pool, whoever submitted it, until nothing is left; see `TrainerRM.worker`.

        Parameters
        ----------
        end_train_func, experiment_name
            Win over the constructor's.

        Returns
        -------
        bool
            Whether there was anything to train.
        """
        name = experiment_name or self.experiment_name
        func = end_train_func or self.end_train_func
        return self._help(Step(func, PART_DONE, DONE, {"experiment_name": name}), name)

    def _work(self, pool: TaskManager, ids: Sequence[Any], step: Step) -> None:
        if step.after == PART_DONE:
            self._work_here(pool, ids_query(ids), step)
        else:
            super()._work(pool, ids, step)

    def _ended(self, pool: TaskManager, ready: Mapping[int, Recorder], ids: Mapping[int, str]) -> list[Recorder]:
        tasks = {str(task.id): task for task in read_tasks(pool, list(dict.fromkeys(ids.values())))}
        read = recorders_of(tasks.values())
        ended = dict(ready)
        for position, key in ids.items():
            task = tasks.get(key) or pool.show(key)
            if task.status != DONE:
                self.failed[position] = task
                continue
            ended[position] = recorder_of(task, read)
            ended[position].set_tags(**{STATUS_KEY: STATUS_END})
        return [ended[position] for position in sorted(ended)]


def _task_of(recorder: Recorder) -> str:
    """Read off a run which task of a pool it was prepared for."""
    found = recorder.list_tags().get(TM_ID)
    if found is None:
        raise TaskError(
            f"Run {recorder.id} was not prepared through a pool: it has no tag {TM_ID!r}.",
            "what DelayTrainerRM.train returned.",
            "Train it with DelayTrainerR.",
        )
    return found
