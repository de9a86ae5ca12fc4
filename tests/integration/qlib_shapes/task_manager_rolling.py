"""Rolling tasks, trained here or through a pool, and collected."""

# ruff: noqa: T201, T203  # in the shape of Qlib's

import sys
from pprint import pprint

import qlib
from our_tasks import LINEAR, RIDGE
from qlib.constant import REG_CN
from qlib.model.ens.group import RollingGroup
from qlib.model.trainer import TrainerR, TrainerRM, task_train
from qlib.workflow import R
from qlib.workflow.task.collect import RecorderCollector
from qlib.workflow.task.gen import RollingGen, task_generator
from qlib.workflow.task.manage import TaskManager, run_task


class RollingTaskExample:
    def __init__(
        self,
        provider_uri="~/.qlib/qlib_data/cn_data",
        region=REG_CN,
        task_url="sqlite:///tasks.db",
        task_db_name="rolling_db",
        experiment_name="rolling_exp",
        task_pool=None,
        rolling_step=130,
        rolling_type=RollingGen.ROLL_SD,
    ):
        mongo_conf = {"task_url": task_url, "task_db_name": task_db_name}
        qlib.init(provider_uri=provider_uri, region=region, mongo=mongo_conf)
        self.experiment_name = experiment_name
        self.task_pool = task_pool
        if task_pool is None:
            self.trainer = TrainerR(experiment_name=self.experiment_name)
        else:
            self.trainer = TrainerRM(self.experiment_name, self.task_pool)
        self.rolling_gen = RollingGen(step=rolling_step, rtype=rolling_type)

    def reset(self):
        if isinstance(self.trainer, TrainerRM):
            TaskManager(task_pool=self.task_pool).remove()
        exp = R.get_exp(experiment_name=self.experiment_name)
        for rid in exp.list_recorders():
            exp.delete_recorder(rid)

    def task_generating(self):
        tasks = task_generator(tasks=[RIDGE, LINEAR], generators=self.rolling_gen)
        pprint(len(tasks))
        return tasks

    def task_training(self, tasks):
        self.trainer.train(tasks)

    def worker(self):
        run_task(task_train, self.task_pool, experiment_name=self.experiment_name)

    def task_collecting(self):
        def rec_key(recorder):
            task_config = recorder.load_object("task")
            model_key = task_config["model"]["kwargs"]["estimator"]
            rolling_key = task_config["dataset"]["kwargs"]["segments"]["test"]
            return model_key, rolling_key

        def my_filter(recorder):
            model_key, _ = rec_key(recorder)
            return model_key.endswith("Ridge")

        collector = RecorderCollector(
            experiment=self.experiment_name,
            process_list=RollingGroup(),
            rec_key_func=rec_key,
            rec_filter_func=my_filter,
        )
        for key, pred in collector()["pred"].items():
            dates = pred.index.get_level_values("datetime")
            print("collected", key, dates.min().date(), dates.max().date(), dates.nunique())

    def main(self):
        self.reset()
        tasks = self.task_generating()
        self.task_training(tasks)
        self.task_collecting()


if __name__ == "__main__":
    RollingTaskExample().main()
    pooled = RollingTaskExample(task_pool="rolling_task", experiment_name="pooled")
    pooled.main()
    pooled.worker()
    sys.exit(0)
