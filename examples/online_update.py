"""Keep the predictions of models up to date that are marked as online, without a manager."""

import rollforward as rf
from rollforward.data.cut import data_cut_at
from rollforward.workflow.online.update import LabelUpdater
from rollforward.workflow.online.utils import OnlineToolR
from rollforward.workflow.trainer import task_train

NAME = "online_srv"
FIT = {"fit_start_time": "<dataset.kwargs.segments.train.0>", "fit_end_time": "<dataset.kwargs.segments.train.1>"}
HANDLER = {"class": "rollforward.PriceHandler", "kwargs": {"source": "bundled:sp500_close", "horizon": 5, **FIT}}
SEGMENTS = {"train": ("2015-01-02", "2018-12-20"), "test": ("2019-01-02", "2019-12-31")}
TASK = {
    "model": {"class": "rollforward.SklearnModel", "kwargs": {"estimator": "sklearn.linear_model.Ridge", "alpha": 1e3}},
    "dataset": {"class": "rollforward.DatasetH", "kwargs": {"handler": HANDLER, "segments": SEGMENTS}},
    "record": ["SignalRecord"],
}

if __name__ == "__main__":
    rf.init(calendar="bundled:sp500_close")
    tool = OnlineToolR(NAME)
    with data_cut_at("2019-02-28"):  # the evening of the training: later prices do not exist
        tool.reset_online_tag(task_train(TASK, experiment_name=NAME))
    with data_cut_at("2019-03-15"):
        tool.update_online_pred()
        for recorder in tool.online_models():
            LabelUpdater(recorder).update()
    for recorder in tool.online_models():
        for artifact in ("pred.pkl", "label.pkl"):
            known = recorder.load_object(artifact).dropna()
            print(recorder.name, artifact, "up to", known.index[-1][0].date())
