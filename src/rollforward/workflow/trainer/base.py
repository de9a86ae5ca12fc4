"""What all trainers have in common."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from rollforward.workflow.recorder import Recorder

STATUS_KEY, STATUS_BEGIN, STATUS_END = "train_status", "begin_task_train", "end_task_train"
TM_ID = "_id in TaskManager"
PARENT = "mlflow.parentRunId"

Tasks = Mapping[str, Any] | Sequence[Mapping[str, Any]]


class Trainer(ABC):
    """Trains a batch of tasks in two steps, of which either may do all the work.

    `train` trains, or only prepares; `end_train` finishes. Calling the trainer does both. Recorders come back in the
    order of the tasks.

    Attributes
    ----------
    reused
        Ids of the runs that the last `train` found instead of training.
    """

    delay = False
    reused: Sequence[str] = ()

    @abstractmethod
    def train(self, tasks: Tasks, *args: Any, **kwargs: Any) -> list[Recorder]:
        """Train tasks, or prepare them.

        Parameters
        ----------
        tasks
            One task or several; none gives an empty list and does nothing.
        args, kwargs
            See the trainer.

        Returns
        -------
        list of Recorder
            One per task, in their order.
        """

    @abstractmethod
    def end_train(self, models: Recorder | Sequence[Recorder], *args: Any, **kwargs: Any) -> list[Recorder]:
        """Finish what `train` returned.

        Parameters
        ----------
        models
            One recorder or several.
        args, kwargs
            See the trainer.

        Returns
        -------
        list of Recorder
            In the order of the given ones.
        """

    def is_delay(self) -> bool:
        """Tell whether the models are trained in `end_train` only."""
        return self.delay

    def has_worker(self) -> bool:
        """Tell whether `worker` can be used, in this or another process, to train the tasks."""
        return False

    def worker(self, *_args: Any, **_kwargs: Any) -> bool:
        """Train tasks that another process submitted; tell whether there were any.

        Raises
        ------
        NotImplementedError
            If the trainer has no workers.
        """
        raise NotImplementedError(f"{type(self).__name__} trains in its own process and has no workers.")

    def with_options(self, **options: Any) -> Self:
        """Copy the trainer with other options; one that it does not have is passed over."""
        other = copy.copy(self)
        for name, value in options.items():
            if hasattr(self, name):
                setattr(other, name, value)
        return other

    def __call__(self, *args: Any, **kwargs: Any) -> list[Recorder]:
        """Do `train`, which gets the arguments, and `end_train`."""
        return self.end_train(self.train(*args, **kwargs))


def as_tasks(tasks: Tasks) -> list[Mapping[str, Any]]:
    """Turn one task, or several, into a list."""
    return [tasks] if isinstance(tasks, Mapping) else list(tasks)


def as_recorders(models: Recorder | Sequence[Recorder]) -> list[Recorder]:
    """Turn one recorder, or several, into a list."""
    return list(models) if isinstance(models, Sequence) else [models]
