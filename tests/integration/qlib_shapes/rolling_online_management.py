"""An online manager from day to day: a first training, a routine, another strategy, another routine."""

# ruff: noqa: B008, PTH107, PTH110, T201  # in the shape of Qlib's

import os

import qlib
from our_tasks import LINEAR, RIDGE
from qlib.model.trainer import DelayTrainerR, DelayTrainerRM, TrainerR, TrainerRM, end_task_train, task_train
from qlib.workflow import R
from qlib.workflow.online.manager import OnlineManager
from qlib.workflow.online.strategy import RollingStrategy
from qlib.workflow.task.gen import RollingGen
from qlib.workflow.task.manage import TaskManager


class RollingOnlineExample:
    def __init__(
        self,
        provider_uri="~/.qlib/qlib_data/cn_data",
        region="cn",
        trainer=DelayTrainerRM(),  # any of the four
        task_url="sqlite:///tasks.db",
        task_db_name="rolling_db",
        rolling_step=300,
        tasks=None,
        add_tasks=None,
    ):
        mongo_conf = {"task_url": task_url, "task_db_name": task_db_name}
        qlib.init(provider_uri=provider_uri, region=region, mongo=mongo_conf)
        self.tasks = [RIDGE] if tasks is None else tasks
        self.add_tasks = [LINEAR] if add_tasks is None else add_tasks
        self.rolling_step = rolling_step
        self.trainer = trainer
        self.rolling_online_manager = OnlineManager(self.strategies(self.tasks), trainer=self.trainer)

    _ROLLING_MANAGER_PATH = ".RollingOnlineExample"

    def strategies(self, tasks):
        return [
            RollingStrategy(name_of(task), task, RollingGen(step=self.rolling_step, rtype=RollingGen.ROLL_SD))
            for task in tasks
        ]

    def worker(self):
        if isinstance(self.trainer, TrainerRM):
            for task in self.tasks + self.add_tasks:
                self.trainer.worker(experiment_name=name_of(task))
        else:
            print(f"{type(self.trainer)} is not one of {TrainerR, DelayTrainerR, end_task_train, task_train}")

    def reset(self):
        for task in self.tasks + self.add_tasks:
            TaskManager(task_pool=name_of(task)).remove()
            exp = R.get_exp(experiment_name=name_of(task))
            for rid in exp.list_recorders():
                exp.delete_recorder(rid)
        if os.path.exists(self._ROLLING_MANAGER_PATH):
            os.remove(self._ROLLING_MANAGER_PATH)

    def first_run(self):
        self.reset()
        self.rolling_online_manager.first_train()
        print("first", list(self.rolling_online_manager.get_collector()()))
        self.rolling_online_manager.to_pickle(self._ROLLING_MANAGER_PATH)

    def routine(self):
        self.rolling_online_manager = OnlineManager.load(self._ROLLING_MANAGER_PATH)
        self.rolling_online_manager.routine()
        print("routine", list(self.rolling_online_manager.get_collector()()))
        print("signals", len(self.rolling_online_manager.get_signals()))
        self.rolling_online_manager.to_pickle(self._ROLLING_MANAGER_PATH)

    def add_strategy(self):
        self.rolling_online_manager = OnlineManager.load(self._ROLLING_MANAGER_PATH)
        self.rolling_online_manager.add_strategy(strategies=self.strategies(self.add_tasks))
        self.rolling_online_manager.to_pickle(self._ROLLING_MANAGER_PATH)

    def main(self):
        self.first_run()
        self.routine()
        self.add_strategy()
        self.routine()


def name_of(task):
    return task["model"]["kwargs"]["estimator"].rpartition(".")[2]


if __name__ == "__main__":
    RollingOnlineExample().main()
    RollingOnlineExample().worker()
