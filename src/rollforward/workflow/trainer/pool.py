"""`TrainerRM`: tasks go into a pool, and processes on any number of machines train them."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, Literal

from rollforward.errors import PoolError
from rollforward.workflow import R
from rollforward.workflow.task.manage import TaskManager
from rollforward.workflow.task.run import work_off
from rollforward.workflow.task.store.query import parse
from rollforward.workflow.task.waiting import first_failure, wait_for
from rollforward.workflow.trainer.base import (
    PARENT,
    STATUS_BEGIN,
    STATUS_END,
    STATUS_KEY,
    TM_ID,
    Tasks,
    Trainer,
    as_recorders,
    as_tasks,
)
from rollforward.workflow.trainer.ledger import Batch, read_tasks, recorder_of, recorders_of, say_where
from rollforward.workflow.trainer.local import checked
from rollforward.workflow.trainer.step import Step, helping, worker_for
from rollforward.workflow.trainer.train import begin_task_train, task_train

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence

    from rollforward.workflow.recorder import Recorder
    from rollforward.workflow.task.store.base import StoredTask, TaskStore
    from rollforward.workflow.trainer.check import CheckedTask

logger = logging.getLogger(__name__)

WAITING, PART_DONE = TaskManager.STATUS_WAITING, TaskManager.STATUS_PART_DONE
DONE, FAILED = TaskManager.STATUS_DONE, TaskManager.STATUS_FAILED
_LOOK_AGAIN = 1.0


class TrainerRM(Trainer):
    """Trains tasks through a pool: in this process, in worker processes of its own, or wherever workers are.

    A task that the pool has trained already is not trained again, if its run is still there, was trained to its end,
    and data and code are what they were. A task that failed earlier gets another chance. Inside ``with R.start(...)``
    the runs become children of the active run.

    Parameters
    ----------
    experiment_name
        Experiment of the runs; ``None`` is the default one.
    task_pool
        Name of the pool; ``None``: that of the experiment.
    train_func
        ``train_func(task, experiment_name=...)`` trains a task and returns its recorder.
    skip_run_task
        Train nothing here, and wait for workers elsewhere.
    default_rec_name
        Name of the runs; ``None`` names each after its model and its test segment.
    store
        Address of the task store, ``sqlite:///tasks.db`` or ``mongodb://host/``; ``None`` is the setting
        ``task_store``.
    n_workers
        Number of processes to start here for the time of the training; 0 trains in this process.
    on_error
        ``"raise"``: the first task that is failed for good ends the waiting with its traceback; what others have
        trained, or are training, stays in the pool. ``"collect"``: the rest is trained and returned; see `failed`.
    reuse
        ``True``: take any finished run of the same task, data, code and version in the tracking store, as `TrainerR`
        does; ``False``: train everything again; ``None``: take what this pool has trained.
    progress
        ``None`` shows a bar with the expected time if standard error is a terminal; ``True`` writes lines if it is
        none; ``False`` is silent.
    timeout
        Seconds to wait for what is trained elsewhere; ``None``: for ever.
    task_options
        ``lease``, ``max_attempts`` and ``backoff`` of the tasks that are trained here, see `run_task`; with workers
        also the other options of `Worker`, such as ``timeout`` and ``memory_limit``.

    Attributes
    ----------
    reused
        Ids of the runs that the last `train` found instead of training, in the order of the tasks.
    failed
        Tasks of the pool that failed in the last `train` or `end_train`, by their position; only with
        ``on_error="collect"``.
    """

    def __init__(
        self,
        experiment_name: str | None = None,
        task_pool: str | None = None,
        train_func: Callable[..., Recorder] = task_train,
        skip_run_task: bool = False,
        default_rec_name: str | None = None,
        *,
        store: TaskStore | str | os.PathLike[str] | None = None,
        n_workers: int = 0,
        on_error: Literal["raise", "collect"] = "raise",
        reuse: bool | None = None,
        progress: bool | None = None,
        timeout: float | None = None,
        task_options: Mapping[str, Any] | None = None,
    ) -> None:
        if on_error not in ("raise", "collect"):
            raise PoolError(f"on_error is {on_error!r}.", '"raise" or "collect".')
        self.experiment_name = experiment_name
        self.task_pool = task_pool
        self.train_func = train_func
        self.skip_run_task = skip_run_task
        self.default_rec_name = default_rec_name
        self.store = store
        self.n_workers = n_workers
        self.on_error = on_error
        self.reuse = reuse
        self.progress = progress
        self.timeout = timeout
        self.task_options = dict(task_options or {})
        self.reused: list[str] = []
        self.failed: dict[int, StoredTask] = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.experiment_name!r}, task_pool={self.pool_name()!r})"

    def pool_name(self, experiment_name: str | None = None) -> str:
        """Name the pool that tasks of an experiment go into."""
        return self.task_pool or experiment_name or self.experiment_name or R.exp_manager.default_exp_name

    def has_worker(self) -> bool:
        """Tell that `worker` can be used, in any process that reaches pool and tracking store."""
        return True

    def train(
        self,
        tasks: Tasks,
        train_func: Callable[..., Recorder] | None = None,
        experiment_name: str | None = None,
        before_status: str = WAITING,
        after_status: str = DONE,
        default_rec_name: str | None = None,
        **kwargs: Any,
    ) -> list[Recorder]:
        """Submit tasks, train them or let them be trained, and wait for them.

        Parameters
        ----------
        tasks
            One task or several; none gives an empty list and does nothing.
        train_func, experiment_name, default_rec_name
            Win over the constructor's. Workers elsewhere have their own.
        before_status, after_status
            Of the tasks that are claimed, and of those that succeeded.
        kwargs
            Passed on to the function that trains.

        Returns
        -------
        list of Recorder
            One per task, in their order, tagged as begun; without those in `failed`.

        Raises
        ------
        TaskError, InstantiationError, SegmentError, DataSourceError
            If a task cannot be started, or stored as data; nothing has been submitted then.
        TaskFailedError
            If a task failed for good, with its traceback.
        PoolTimeoutError
            If the time is up.
        """
        func, name = train_func or self.train_func, experiment_name or self.experiment_name
        self.reused, self.failed = [], {}
        batch = self._batch(as_tasks(tasks), func, name)
        if not batch.tasks:
            return []
        step = self._step(func, (before_status, after_status), name, default_rec_name, kwargs)
        found, ids = batch.trained()
        self.reused = [found[position].require_id() for position in sorted(found)]
        missing = [position for position in range(len(batch.tasks)) if position not in found]
        logger.info("Pool %r: %d of %d tasks are trained.", batch.pool.task_pool, len(found), len(batch.tasks))
        for wave in batch.waves(missing):
            submitted = batch.submit(wave)
            ids |= submitted
            self._work(batch.pool, list(submitted.values()), step)
        return self._results(batch, found, ids, (after_status, DONE))

    def end_train(  # type: ignore[override]  # the names are Qlib's
        self, recs: Recorder | Sequence[Recorder], **_kwargs: Any
    ) -> list[Recorder]:
        """Tag the runs as trained.

        Parameters
        ----------
        recs
            What `train` returned; a single recorder is accepted.

        Returns
        -------
        list of Recorder
            The same ones.
        """
        recorders = as_recorders(recs)
        for recorder in recorders:
            recorder.set_tags(**{STATUS_KEY: STATUS_END})
        return recorders

    def worker(self, train_func: Callable[..., Recorder] | None = None, experiment_name: str | None = None) -> bool:
        """Train what waits in the pool, whoever submitted it, until nothing is left; each task in its own process.

        Parameters
        ----------
        train_func, experiment_name
            Win over the constructor's.

        Returns
        -------
        bool
            Whether there was anything to train.
        """
        name = experiment_name or self.experiment_name
        return self._help(self._step(train_func or self.train_func, (WAITING, DONE), name), name)

    # --- inside -------------------------------------------------------------------------------------------------

    def _batch(self, tasks: list[Mapping[str, Any]], func: Callable[..., Any], name: str | None) -> Batch:
        known: list[CheckedTask] = []
        if self.reuse or func in {task_train, begin_task_train}:
            known = [checked(task, position, len(tasks)) for position, task in enumerate(tasks)]
        return Batch(TaskManager(self.pool_name(name), self.store), tasks, known, name, self.reuse, self.delay)

    def _step(
        self,
        func: Callable[..., Any],
        statuses: tuple[str, str],
        name: str | None,
        recorder_name: str | None = None,
        kwargs: Mapping[str, Any] | None = None,
    ) -> Step:
        recorder_name = recorder_name or self.default_rec_name
        named = {} if recorder_name is None else {"recorder_name": recorder_name}
        return Step(func, *statuses, {"experiment_name": name, **named, **(kwargs or {})})

    def _help(self, step: Step, name: str | None) -> bool:
        """Work on the whole pool until nothing is left to claim."""
        pool = TaskManager(self.pool_name(name), self.store)
        if not pool.task_stat({"status": {"$in": [step.before, TaskManager.STATUS_RUNNING]}}):
            return False
        report = worker_for(pool.store, step, self.n_workers or 1, self.task_options, burst=True).run()
        return report.n_done + report.n_failed + report.n_given_back + report.n_lost > 0

    def _work(self, pool: TaskManager, ids: Sequence[Any], step: Step) -> None:
        """Train tasks here, or let them be trained; return when none is open."""
        query = ids_query(ids)
        if self.skip_run_task:
            self._wait(pool, query, step)
        elif self.n_workers:
            n = min(self.n_workers, len(ids))
            with helping(pool.store, step, n, query, self.task_options) as check:
                self._wait(pool, query, step, check)
        else:
            self._work_here(pool, query, step)

    def _wait(
        self, pool: TaskManager, query: Mapping[str, Any], step: Step, check: Callable[[], None] | None = None
    ) -> None:
        wait_for(pool.store, parse(query), self.timeout, self.on_error, self.progress, check, step.after)

    def _work_here(self, pool: TaskManager, query: Mapping[str, Any], step: Step) -> None:
        began = time.monotonic()
        while True:
            statuses = step.before, step.after
            work_off(pool.store, step.func, step.kwargs, parse(query), statuses, **self.task_options)
            counts = pool.task_stat(query)
            n_failed = counts.pop(FAILED, 0)
            if n_failed and self.on_error == "raise":
                raise first_failure(pool.store, parse(query), n_failed)
            if not counts.keys() - {step.after, DONE}:
                return
            # Others are at the rest. If they die, it is done here.
            if self.timeout is not None and time.monotonic() - began >= self.timeout:
                wait_for(pool.store, parse(query), 0.0, self.on_error, progress=False, enough=step.after)
            time.sleep(_LOOK_AGAIN)

    def _results(
        self, batch: Batch, found: Mapping[int, Recorder], ids: Mapping[int, Any], good: tuple[str, ...]
    ) -> list[Recorder]:
        """Bring the recorders into the order of the tasks, and tag those that are new."""
        new = [one for position, one in ids.items() if position not in found]
        tasks = {str(task.id): task for task in read_tasks(batch.pool, list(dict.fromkeys(new)))}
        read = recorders_of(tasks.values())
        recorders = dict(found)
        for position in ids.keys() - found.keys():
            task = tasks.get(str(ids[position])) or batch.pool.show(ids[position])  # an error, if it was deleted
            if task.status in good:
                recorders[position] = recorder_of(task, read)
            else:
                self.failed[position] = task
        for key, position in {str(one): position for position, one in ids.items() if position in recorders}.items():
            # One that was found lacks the tag if whoever submitted it died before its end.
            if position not in found or TM_ID not in recorders[position].list_tags():
                _tag(recorders[position], key)
        self.failed = {position: self.failed[position] for position in sorted(self.failed)}
        of_the_pool = {str(one): recorders[at] for at, one in ids.items() if at in recorders}
        say_where(batch.pool.task_pool, of_the_pool.values(), batch.experiment_name)
        return [recorders[position] for position in sorted(recorders)]


def _tag(recorder: Recorder, task_id: str) -> None:
    active = R.exp_manager.active_recorder
    parent = {} if active is None else {PARENT: active.require_id()}
    recorder.set_tags(**{STATUS_KEY: STATUS_BEGIN, TM_ID: task_id}, **parent)


def ids_query(ids: Sequence[Any]) -> dict[str, Any]:
    """Ask for tasks by their ids."""
    return {"_id": {"$in": [str(one) for one in ids]}}
