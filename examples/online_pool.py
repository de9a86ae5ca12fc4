"""A manager whose folds are trained by a task pool, with as many workers as there are, here or elsewhere.

``python online_pool.py`` does all of it. ``rollforward worker online_pool --store sqlite:///tasks.db`` beside it helps.
"""

import rollforward as rf
from rollforward.workflow.online.manager import OnlineManager
from rollforward.workflow.online.strategy import RollingStrategy
from rollforward.workflow.trainer import TrainerRM

FIT = {"fit_start_time": "<dataset.kwargs.segments.train.0>", "fit_end_time": "<dataset.kwargs.segments.train.1>"}
HANDLER = {"class": "rollforward.PriceHandler", "kwargs": {"source": "bundled:sp500_close", "horizon": 5, **FIT}}
SEGMENTS = {"train": ("2015-01-02", "2018-12-31"), "test": ("2019-01-02", None)}
DATASET = {"class": "rollforward.DatasetH", "kwargs": {"handler": HANDLER, "segments": SEGMENTS}}
MODELS = [
    {"estimator": "sklearn.linear_model.Ridge", "alpha": 1e3},
    {"estimator": "sklearn.linear_model.LinearRegression"},
]
TASKS = [
    {
        "model": {"class": "rollforward.SklearnModel", "kwargs": kwargs},
        "dataset": DATASET,
        "record": ["SignalRecord"],
    }
    for kwargs in MODELS
]

if __name__ == "__main__":
    rf.init(calendar="bundled:sp500_close", task_store="sqlite:///tasks.db")
    # One strategy with two lines: the models of both serve together.
    strategy = RollingStrategy("linear_models", TASKS, rf.RollingGen(step=42, rtype="sliding", purge="auto"))
    manager = OnlineManager(strategy, TrainerRM(task_pool="online_pool"), "2019-03-01", name="pooled")
    manager.first_train()
    manager.routine("2019-03-29")
    manager.routine("2019-05-31")
    for session, models in manager.chain.book().history()[["effective", "reason"]].itertuples(index=False):
        print(session.date(), models)
    print(manager.get_signals().groupby("datetime").size().describe().to_string())
