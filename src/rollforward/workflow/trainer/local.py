"""`TrainerR`: one task after the other, in this process or in a fresh one each."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from rollforward.workflow.facade import R
from rollforward.workflow.trainer.base import (
    PARENT,
    STATUS_BEGIN,
    STATUS_END,
    STATUS_KEY,
    Tasks,
    Trainer,
    as_recorders,
    as_tasks,
)
from rollforward.workflow.trainer.check import CheckedTask, check_task
from rollforward.workflow.trainer.describe import run_name
from rollforward.workflow.trainer.isolate import in_fresh_process
from rollforward.workflow.trainer.progress import reporting
from rollforward.workflow.trainer.reuse import find_trained
from rollforward.workflow.trainer.train import begin_task_train, task_train

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rollforward.workflow.recorder import Recorder

logger = logging.getLogger(__name__)


class TrainerR(Trainer):
    """Trains tasks one after the other, each in a run of its own; inside ``with R.start(...)`` they are its children.

    All tasks are checked before the first one is trained. The first error ends the batch; what was trained before it
    stays.

    Parameters
    ----------
    experiment_name
        Experiment of the runs; ``None`` is the default one.
    train_func
        ``train_func(task, experiment_name, recorder_name=...)`` trains a task and returns its recorder.
    call_in_subproc
        Train every task in a fresh process, which gives its memory back.
    default_rec_name
        Name of the runs; ``None`` names each after its model and its test segment.
    reuse
        Return the newest finished run of the same task, data, code and version (major and minor) instead of training
        again, from whatever experiment of the store; one of the experiment itself is preferred. A task with a live
        object in it cannot be told from others and is always trained.
    progress
        ``None`` shows a bar with the expected time if standard error is a terminal; ``True`` writes lines if it is
        none; ``False`` is silent.

    Attributes
    ----------
    reused
        Ids of the runs that the last `train` found instead of training, in the order of the tasks.
    """

    def __init__(
        self,
        experiment_name: str | None = None,
        train_func: Callable[..., Recorder] = task_train,
        call_in_subproc: bool = False,
        default_rec_name: str | None = None,
        *,
        reuse: bool = False,
        progress: bool | None = None,
    ) -> None:
        self.experiment_name = experiment_name
        self.train_func = train_func
        self.call_in_subproc = call_in_subproc
        self.default_rec_name = default_rec_name
        self.reuse = reuse
        self.progress = progress
        self.reused: list[str] = []

    def train(
        self,
        tasks: Tasks,
        train_func: Callable[..., Recorder] | None = None,
        experiment_name: str | None = None,
        **kwargs: Any,
    ) -> list[Recorder]:
        """Train tasks.

        Parameters
        ----------
        tasks
            One task or several; none gives an empty list and does nothing.
        train_func, experiment_name
            Win over the constructor's.
        kwargs
            Passed on to the function that trains.

        Returns
        -------
        list of Recorder
            One per task, in their order; tagged as begun.

        Raises
        ------
        TaskError, InstantiationError, SegmentError, DataSourceError
            If a task cannot be started; nothing has been trained then, and a note says which task it is.
        Exception
            The first error of a training.
        """
        batch = as_tasks(tasks)
        self.reused = []
        if not batch:
            return []
        func, name = train_func or self.train_func, experiment_name or self.experiment_name
        checked = self._check(batch, func)
        found = self._find(checked, name)
        self.reused = [recorder.require_id() for recorder in found.values()]
        recorders = []
        with reporting(len(batch) - len(found), self.progress) as report:
            for position, task in enumerate(batch):
                if position in found:
                    recorders.append(found[position])
                    continue
                report.start(self._name(checked, position))
                recorders.append(self._train_one(func, task, name, kwargs))
                report.finish()
        return recorders

    def end_train(self, models: Recorder | Sequence[Recorder], *_args: Any, **_kwargs: Any) -> list[Recorder]:
        """Tag the runs as trained.

        Parameters
        ----------
        models
            What `train` returned; a single recorder is accepted.

        Returns
        -------
        list of Recorder
            The same ones.
        """
        recorders = as_recorders(models)
        for recorder in recorders:
            recorder.set_tags(**{STATUS_KEY: STATUS_END})
        return recorders

    def _train_one(
        self, func: Callable[..., Recorder], task: Mapping[str, Any], name: str | None, kwargs: dict[str, Any]
    ) -> Recorder:
        if self.call_in_subproc:
            recorder = in_fresh_process(func, task, name, recorder_name=self.default_rec_name, **kwargs)
            parent = R.exp_manager.active_recorder
            # The other process knows nothing of the run that is active here.
            tags = {} if parent is None else {PARENT: parent.require_id()}
        else:
            recorder, tags = func(task, name, recorder_name=self.default_rec_name, **kwargs), {}
        recorder.set_tags(**{STATUS_KEY: STATUS_BEGIN}, **tags)
        return recorder

    def _check(self, tasks: Sequence[Mapping[str, Any]], func: Callable[..., Recorder]) -> list[CheckedTask]:
        """Check the tasks, unless a function of the user's knows alone what they are."""
        if not self.reuse and func not in {task_train, begin_task_train}:
            return []
        return [checked(task, position, len(tasks)) for position, task in enumerate(tasks)]

    def _find(self, tasks: Sequence[CheckedTask], name: str | None) -> dict[int, Recorder]:
        """Find the tasks that need no training, and say how many and why."""
        if not self.reuse:
            return {}
        found = find_trained(tasks, name)
        logger.info("Reusing %d of %d trained tasks, training %d", len(found), len(tasks), len(tasks) - len(found))
        unknown = [task.reason for task in tasks if not task.can_be_found]
        if unknown:
            logger.info("%d of %d tasks cannot be found again later: %s", len(unknown), len(tasks), unknown[0])
        return found

    def _name(self, checked: Sequence[CheckedTask], position: int) -> str:
        name = run_name(checked[position], self.default_rec_name) if checked else self.default_rec_name
        return name or f"task {position}"


def checked(task: Mapping[str, Any], position: int, n_tasks: int) -> CheckedTask:
    """Check a task of a batch; an error says which one it is."""
    try:
        return check_task(task)
    except Exception as error:
        error.add_note(f"in task {position} of {n_tasks}, counted from 0")
        raise
