"""Rolling tasks of two models through a task pool: reset, generate, train, collect.

``python rolling_task_pool.py main`` trains in this process. With ``--task-pool NAME`` the tasks go into a pool, in
``tasks.db`` or in the store that ``--task-store`` names; ``python rolling_task_pool.py worker --task-pool NAME`` helps,
here or, with ``mongodb://...`` and a tracking server, on another machine.
"""

from __future__ import annotations

import argparse
from typing import Any

import rollforward as rf
from rollforward.workflow.task.manage import TaskManager
from rollforward.workflow.task.utils import fold_key, is_fold
from rollforward.workflow.trainer import TrainerR, TrainerRM

HANDLER = {"class": "rollforward.PriceHandler", "kwargs": {"source": "bundled:sp500_close", "horizon": 5}}
SEGMENTS = {"train": ("2010-01-04", "2015-12-31"), "test": ("2016-01-04", "2019-12-31")}
DATASET = {"class": "rollforward.DatasetH", "kwargs": {"handler": HANDLER, "segments": SEGMENTS}}


def task_of(estimator: str, **kwargs: Any) -> dict[str, Any]:
    """Describe a task with a linear model."""
    model = {
        "class": "rollforward.SklearnModel",
        "kwargs": {"estimator": f"sklearn.linear_model.{estimator}", **kwargs},
    }
    return {"model": model, "dataset": DATASET, "record": ["SignalRecord", "SigAnaRecord"]}


TASKS = [task_of("Ridge", alpha=1e3), task_of("LinearRegression")]


class RollingTaskExample:
    """Train folds of several models, and put together what each predicts."""

    def __init__(
        self,
        experiment_name: str = "rolling_exp",
        task_pool: str | None = None,
        task_config: list[dict[str, Any]] | None = None,
        rolling_step: int = 252,
        rolling_type: str = rf.RollingGen.ROLL_SD,
        **settings: Any,
    ) -> None:
        rf.init(calendar="bundled:sp500_close", experiment=experiment_name, **settings)
        self.experiment_name = experiment_name
        self.task_pool = task_pool
        self.task_config = task_config or TASKS
        self.rolling_gen = rf.RollingGen(step=rolling_step, rtype=rolling_type)
        self.trainer = TrainerR(experiment_name) if task_pool is None else TrainerRM(experiment_name, task_pool)

    def reset(self) -> None:
        """Forget the tasks and the runs of earlier times."""
        if self.task_pool is not None:
            TaskManager(self.task_pool).remove()
        if self.experiment_name in rf.R.list_experiments():
            experiment = rf.R.get_exp(experiment_name=self.experiment_name)
            for recorder_id in experiment.list_recorders():
                experiment.delete_recorder(recorder_id)

    def task_generating(self) -> list[dict[str, Any]]:
        """Cut the test segment of each task into folds."""
        return rf.task_generator(self.task_config, self.rolling_gen)

    def task_training(self, tasks: list[dict[str, Any]]) -> list[Any]:
        """Train the folds, in this process or with the help of workers."""
        return self.trainer(tasks)

    def worker(self) -> bool:
        """Train what others have submitted, until nothing is left."""
        if not self.trainer.has_worker():
            raise SystemExit("There is no pool to work on: give --task-pool.")
        return self.trainer.worker()

    def task_collecting(self) -> dict[str, Any]:
        """Put the folds' predictions together, by model."""
        return rf.RecorderCollector(self.experiment_name, rf.RollingGroup(), fold_key, is_fold)()

    def main(self) -> dict[str, Any]:
        """Do all of it."""
        self.reset()
        self.task_training(self.task_generating())
        return self.task_collecting()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("step", nargs="?", default="main", choices=["main", "worker", "reset"])
    parser.add_argument("--task-pool", help="name of a pool; without one, this process trains")
    parser.add_argument("--task-store", default="sqlite:///tasks.db", help="where pools are")
    options = parser.parse_args()
    example = RollingTaskExample(task_pool=options.task_pool, task_store=options.task_store)
    print(getattr(example, options.step)())
