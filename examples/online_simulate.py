"""Two strategies as if they had been live for eight months: what served when, and what the signal would have earned."""

from typing import Any

import rollforward as rf
from rollforward.backtest import TopkDropoutStrategy, backtest, risk_analysis
from rollforward.workflow.online.manager import OnlineManager
from rollforward.workflow.online.strategy import RollingStrategy
from rollforward.workflow.trainer import DelayTrainerR

FIT = {"fit_start_time": "<dataset.kwargs.segments.train.0>", "fit_end_time": "<dataset.kwargs.segments.train.1>"}
HANDLER = {"class": "rollforward.PriceHandler", "kwargs": {"source": "bundled:sp500_close", "horizon": 5, **FIT}}
SEGMENTS = {"train": ("2015-01-02", "2018-12-31"), "test": ("2019-01-02", None)}


def task_of(estimator: str, **kwargs: Any) -> dict[str, Any]:
    """Describe a task; a label knows six sessions ahead, which the generator leaves out of the training."""
    model = {
        "class": "rollforward.SklearnModel",
        "kwargs": {"estimator": f"sklearn.linear_model.{estimator}", **kwargs},
    }
    dataset = {"class": "rollforward.DatasetH", "kwargs": {"handler": HANDLER, "segments": SEGMENTS}}
    return {"model": model, "dataset": dataset, "record": ["SignalRecord"]}


if __name__ == "__main__":
    rf.init(calendar="bundled:sp500_close")
    rolling = rf.RollingGen(step=63, rtype="sliding", purge="auto")
    strategies = [
        RollingStrategy("ridge", task_of("Ridge", alpha=1e3), rolling),
        RollingStrategy("linear", task_of("LinearRegression"), rolling),
    ]
    # DelayTrainerR trains the folds of the whole range together, before the days are walked.
    manager = OnlineManager(strategies, DelayTrainerR(), begin_time="2019-05-01", name="simulation")
    signals = manager.simulate(end_time="2019-12-31")

    print(manager.chain.book().history()[["strategy", "effective", "until", "reason"]].to_string(index=False))
    strategy = TopkDropoutStrategy(topk=5, n_drop=1)
    result = backtest(signals, "bundled:sp500_close", strategy=strategy)
    print(risk_analysis(result.report["return"] - result.report["bench"] - result.report["cost"]).round(4).to_string())
