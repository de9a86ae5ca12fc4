"""The main job as a script: roll a model over 20 S&P 500 stocks, collect what it predicted out of sample, report."""

from pathlib import Path

import rollforward as rf
from rollforward import R, RecorderCollector, RollingGen, RollingGroup, TrainerR, task_generator
from rollforward.workflow.task.utils import fold_key

if __name__ == "__main__":
    rf.init(experiment="ridge_sp500", calendar="bundled:sp500_close")

    train_start, train_end = "<dataset.kwargs.segments.train.0>", "<dataset.kwargs.segments.train.1>"
    price_features = {"source": "bundled:sp500_close", "horizon": 5}
    fit_window = {"fit_start_time": train_start, "fit_end_time": train_end}
    handler = {"class": "rollforward.PriceHandler", "kwargs": price_features | fit_window}
    segments = {"train": ("1991-01-02", "1997-12-31"), "test": ("1998-01-02", "2022-12-28")}
    task = {
        "model": {"class": "rollforward.SklearnModel", "kwargs": {"estimator": "sklearn.linear_model.Ridge", "alpha": 1e3}},
        "dataset": {"class": "rollforward.DatasetH", "kwargs": {"handler": handler, "segments": segments}},
        "record": ["SignalRecord", "SigAnaRecord"],
    }
    # A label at t knows the close of t + 6: seven sessions stay free between the last training row and the test range.
    tasks = task_generator(task, RollingGen(step=252, rtype="sliding", trunc_days=7))

    with R.start(experiment_name="ridge_sp500", recorder_name="rolling"):
        recorders = TrainerR("ridge_sp500", progress=True)(tasks)
        artifacts = {"pred": "pred.pkl", "label": "label.pkl"}
        collect = RecorderCollector(lambda: recorders, RollingGroup(), rec_key_func=fold_key, artifacts_path=artifacts)
        merged = {key: next(iter(group.values())) for key, group in collect().items()}
        report = rf.signal_report(merged["pred"], merged["label"], title="Ridge, one year ahead at a time")
        R.save_objects(**{"pred.pkl": merged["pred"], "report.html": report.html})

    print(report.tables["ic_by_year"].round(4).to_string())
    print("Report:", report.save(Path("report.html")).absolute())
