"""A model that serves, and its predictions kept up to date."""

# ruff: noqa: T201  # in the shape of Qlib's

import copy

import qlib
from our_tasks import RIDGE
from qlib.config import REG_CN
from qlib.model.trainer import task_train
from qlib.workflow.online.utils import OnlineToolR

task = copy.deepcopy(RIDGE)
task["dataset"]["kwargs"]["segments"]["test"] = ("2022-01-03", "2022-06-30")


class UpdatePredExample:
    def __init__(
        self, provider_uri="~/.qlib/qlib_data/cn_data", region=REG_CN, experiment_name="online_srv", task_config=task
    ):
        qlib.init(provider_uri=provider_uri, region=region)
        self.experiment_name = experiment_name
        self.online_tool = OnlineToolR(self.experiment_name)
        self.task_config = task_config

    def first_train(self):
        rec = task_train(self.task_config, experiment_name=self.experiment_name)
        self.online_tool.reset_online_tag(rec)

    def update_online_pred(self):
        self.online_tool.update_online_pred()

    def main(self):
        self.first_train()
        self.update_online_pred()


if __name__ == "__main__":
    example = UpdatePredExample()
    example.main()
    for recorder in example.online_tool.online_models():
        print("up to", recorder.load_object("pred.pkl").index[-1][0].date())
