"""`DelayTrainerR`: prepare all tasks first, train them later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rollforward.workflow.trainer.base import STATUS_END, STATUS_KEY, as_recorders
from rollforward.workflow.trainer.describe import TRAINED_WITH
from rollforward.workflow.trainer.isolate import in_fresh_process
from rollforward.workflow.trainer.local import TrainerR
from rollforward.workflow.trainer.progress import reporting
from rollforward.workflow.trainer.reuse import FoundRun, read_recorders
from rollforward.workflow.trainer.train import begin_task_train, end_task_train

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rollforward.workflow.recorder import Recorder


class DelayTrainerR(TrainerR):
    """Prepares a run for each task in `train`, and trains them in `end_train`, one after the other.

    Parameters
    ----------
    experiment_name
        Experiment of the runs; ``None`` is the default one.
    train_func
        ``train_func(task, experiment_name, recorder_name=...)`` prepares a task and returns its recorder.
    end_train_func
        ``end_train_func(recorder, experiment_name)`` trains it and returns the recorder, read anew.
    kwargs
        As in `TrainerR`.
    """

    delay = True

    def __init__(
        self,
        experiment_name: str | None = None,
        train_func: Callable[..., Recorder] = begin_task_train,
        end_train_func: Callable[..., Recorder | None] = end_task_train,
        **kwargs: Any,
    ) -> None:
        super().__init__(experiment_name, train_func, **kwargs)
        self.end_train_func = end_train_func

    def end_train(
        self,
        models: Recorder | Sequence[Recorder],
        end_train_func: Callable[..., Recorder | None] | None = None,
        experiment_name: str | None = None,
        **kwargs: Any,
    ) -> list[Recorder]:
        """Train what `train` prepared; what is trained already is passed over.

        Parameters
        ----------
        models
            One recorder or several.
        end_train_func, experiment_name
            Win over the constructor's.
        kwargs
            Passed on to the function that trains.

        Returns
        -------
        list of Recorder
            In the order of the given ones, read anew where they were trained; tagged as ended.

        Raises
        ------
        Exception
            The first error of a training; what was trained before it stays.
        """
        func, name = end_train_func or self.end_train_func, experiment_name or self.experiment_name
        recorders = as_recorders(models)
        ready = ended_before(recorders)
        ended = []
        with reporting(len(recorders) - len(ready), self.progress) as report:
            for position, recorder in enumerate(recorders):
                if position in ready:
                    ended.append(ready[position])
                    continue
                report.start(recorder.name or recorder.require_id())
                ended.append(self._end_one(func, recorder, name, kwargs))
                report.finish()
        return ended

    def _end_one(
        self, func: Callable[..., Recorder | None], recorder: Recorder, name: str | None, kwargs: dict[str, Any]
    ) -> Recorder:
        call = in_fresh_process if self.call_in_subproc else _here
        # Qlib's functions give nothing back, or what they were given.
        trained = call(func, recorder, name, **kwargs) or recorder
        trained.set_tags(**{STATUS_KEY: STATUS_END})
        return trained


def ended_before(recorders: Sequence[Recorder]) -> dict[int, Recorder]:
    """Find those prepared runs that are trained by now, by position, read anew and tagged as ended."""
    found: dict[int, Recorder] = {}
    for position, recorder in enumerate(recorders):
        tags = recorder.list_tags()
        if tags.get(STATUS_KEY) != STATUS_END:
            if TRAINED_WITH not in tags:
                continue
            recorder.set_tags(**{STATUS_KEY: STATUS_END})
        found[position] = recorder
    stale = [one for one in found.values() if one.status != one.STATUS_FI]
    fresh = read_recorders(FoundRun(one.require_id(), one.experiment_id) for one in stale)
    return {position: fresh.get(one.require_id(), one) for position, one in found.items()}


def _here(func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return func(*args, **kwargs)
