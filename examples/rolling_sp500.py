"""The main job as a script: roll a model over 20 S&P 500 stocks, collect what it predicted out of sample, report."""

import rollforward as rf
from rollforward.workflow.task.utils import fold_key, is_fold

NAME = "ridge_sp500"
SEGMENTS = {"train": ("1991-01-02", "1997-12-31"), "test": ("1998-01-02", "2022-12-28")}
FIT = {"fit_start_time": "<dataset.kwargs.segments.train.0>", "fit_end_time": "<dataset.kwargs.segments.train.1>"}
HANDLER = {"class": "rollforward.PriceHandler", "kwargs": {"source": "bundled:sp500_close", "horizon": 5, **FIT}}
TASK = {
    "model": {"class": "rollforward.SklearnModel", "kwargs": {"estimator": "sklearn.linear_model.Ridge", "alpha": 1e3}},
    "dataset": {"class": "rollforward.DatasetH", "kwargs": {"handler": HANDLER, "segments": SEGMENTS}},
    "record": ["SignalRecord", "SigAnaRecord"],
}

if __name__ == "__main__":
    rf.init(experiment=NAME, calendar="bundled:sp500_close")
    # A label knows prices up to six sessions ahead: with seven left free, none is of the test range.
    tasks = rf.task_generator(TASK, rf.RollingGen(step=252, rtype="sliding", trunc_days=7))
    with rf.R.start(recorder_name="rolling"):
        rf.TrainerR(NAME, reuse=True, progress=True)(tasks)
        artifacts = {"pred": "pred.pkl", "label": "label.pkl"}
        collect = rf.RecorderCollector(NAME, rf.RollingGroup(), fold_key, is_fold, artifacts_path=artifacts)
        merged = {name: frames["Ridge",] for name, frames in collect().items()}
        report = rf.signal_report(merged["pred"], merged["label"], title="Ridge, a year at a time", horizon=5)
        rf.R.save_objects(**{"pred.pkl": merged["pred"], "label.pkl": merged["label"], "report.html": report.html})
        rf.R.set_tags(label_horizon=5)
    print(report.tables["ic_by_year"].round(4).to_string())
    print("Report:", report.save("report.html"))
