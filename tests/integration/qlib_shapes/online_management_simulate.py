"""An online manager as if it had been live, and what its signals would have earned."""

# ruff: noqa: T201  # in the shape of Qlib's

import pandas as pd
import qlib
from our_tasks import LINEAR, RIDGE
from qlib.contrib.evaluate import backtest_daily, risk_analysis
from qlib.contrib.strategy import TopkDropoutStrategy
from qlib.model.trainer import DelayTrainerR, DelayTrainerRM, TrainerR, TrainerRM
from qlib.workflow import R
from qlib.workflow.online.manager import OnlineManager
from qlib.workflow.online.strategy import RollingStrategy
from qlib.workflow.task.gen import RollingGen
from qlib.workflow.task.manage import TaskManager


class OnlineSimulationExample:
    def __init__(
        self,
        provider_uri="~/.qlib/qlib_data/cn_data",
        region="cn",
        exp_name="rolling_exp",
        task_url="sqlite:///tasks.db",
        task_db_name="rolling_db",
        task_pool="rolling_task",
        rolling_step=10,
        start_time="2022-03-01",
        end_time="2022-03-21",
        trainer="TrainerR",
    ):
        self.exp_name = exp_name
        self.task_pool = task_pool
        self.start_time = start_time
        self.end_time = end_time
        mongo_conf = {"task_url": task_url, "task_db_name": task_db_name}
        qlib.init(provider_uri=provider_uri, region=region, mongo=mongo_conf)
        self.rolling_gen = RollingGen(step=rolling_step, rtype=RollingGen.ROLL_SD, ds_extra_mod_func=None)
        if trainer == "TrainerRM":
            self.trainer = TrainerRM(self.exp_name, self.task_pool)
        elif trainer == "TrainerR":
            self.trainer = TrainerR(self.exp_name)
        else:
            raise NotImplementedError(f"This type of input is not supported: {DelayTrainerR}, {DelayTrainerRM}")
        tasks = [{**one, "dataset": dataset_of(one)} for one in (RIDGE, LINEAR)]
        self.rolling_online_manager = OnlineManager(
            RollingStrategy(exp_name, task_template=tasks, rolling_gen=self.rolling_gen),
            trainer=self.trainer,
            begin_time=self.start_time,
        )

    def reset(self):
        if isinstance(self.trainer, TrainerRM):
            TaskManager(self.task_pool).remove()
        exp = R.get_exp(experiment_name=self.exp_name)
        for rid in exp.list_recorders():
            exp.delete_recorder(rid)

    def main(self):
        self.reset()
        self.rolling_online_manager.simulate(end_time=self.end_time)
        print(self.rolling_online_manager.get_collector()())
        signals = self.rolling_online_manager.get_signals()
        dates = signals.index.get_level_values("datetime")
        print("signals", dates.min().date(), dates.max().date())
        strategy = TopkDropoutStrategy(topk=5, n_drop=1, signal=signals.to_frame("score"))
        report, positions = backtest_daily(
            start_time=dates.min(), end_time=dates.max(), strategy=strategy, prices="bundled:sp500_close"
        )
        print("held", positions.index.get_level_values("instrument").nunique() >= 5)
        analysis = {"excess_return_with_cost": risk_analysis(report["return"] - report["bench"] - report["cost"])}
        print(pd.concat(analysis))

    def worker(self):
        if isinstance(self.trainer, TrainerRM):
            self.trainer.worker()
        else:
            print(f"{type(self.trainer)} is not supported for worker.")


def dataset_of(task):
    """Test up to where the first model was trained for."""
    kwargs = task["dataset"]["kwargs"]
    segments = {"train": ("2021-03-01", "2021-12-20"), "test": ("2022-02-14", "2022-03-01")}
    return {**task["dataset"], "kwargs": {**kwargs, "segments": segments}}


if __name__ == "__main__":
    OnlineSimulationExample().main()
    OnlineSimulationExample().worker()
