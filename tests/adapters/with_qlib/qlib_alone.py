"""Qlib alone, its own trainer and records: ``python qlib_alone.py DATA FOLDER``; the oracle of the tests beside it.

Its store of runs is a folder, which MLflow 3 keeps for those who ask for it: MLFLOW_ALLOW_FILE_STORE=true.
"""

import copy
import functools
import pickle
import sys
from pathlib import Path

import pandas as pd
import qlib
from market import LGB, LINEAR, RECORDS, SEGMENTS, WINDOW, task
from qlib.contrib.data.handler import Alpha158
from qlib.data import D
from qlib.data.dataset import TSDatasetH
from qlib.model.trainer import task_train
from qlib.utils.paral import AsyncCaller

WANTED = {
    "pred.pkl": "pred.pkl",
    "label.pkl": "label.pkl",
    "ic.pkl": "sig_analysis/ic.pkl",
    "report": "portfolio_analysis/report_normal_1day.pkl",
}
FILTERS = [
    {"class": "RobustZScoreNorm", "kwargs": {"fields_group": "feature", "clip_outlier": True}},
    {"class": "Fillna", "kwargs": {"fields_group": "feature"}},
]
CASES = {
    "linear": task(LINEAR, records=RECORDS, infer_processors=FILTERS),
    "lgb": task(LGB, records=RECORDS),
    "lgb 360": task(LGB, handler="Alpha360", records=RECORDS[:1], infer_processors=[{"class": "Fillna"}]),
}


# Which of equal scores Qlib's strategy takes is left to a sort that is not stable and differs from processor to processor.
SORTS = {"lgb": functools.partialmethod(pd.Series.sort_values, kind="stable")}


def main(data, folder):
    # At once: what its thread is about to write, Qlib reads half-written from a folder now and then, and fails.
    AsyncCaller.__call__ = lambda _, log, *values, **named: log(*values, **named)
    qlib.init(
        provider_uri=data,
        region="us",
        kernels=1,
        exp_manager={
            "class": "MLflowExpManager",
            "module_path": "qlib.workflow.expm",
            "kwargs": {"uri": f"file:{folder}/runs", "default_exp_name": "alone"},
        },
    )
    answers, sort = {}, pd.Series.sort_values
    for name, case in CASES.items():
        pd.Series.sort_values = SORTS.get(name, sort)
        recorder = task_train(copy.deepcopy(case), experiment_name="alone")
        held = dict(WANTED) if len(case["record"]) > 1 else {"pred.pkl": "pred.pkl"}
        answers[name] = {key: recorder.load_object(path) for key, path in held.items()}
        answers[name]["metrics"] = recorder.list_metrics()
    windows = TSDatasetH(step_len=5, handler=Alpha158(**WINDOW), segments=SEGMENTS)
    sampler = windows.prepare("test", col_set=["feature", "label"], data_key="infer")
    answers["windows"] = sampler[list(range(0, len(sampler), 97))]
    answers["index"] = sampler.get_index()
    answers["calendar"] = list(D.calendar(freq="day"))
    Path(folder, "answers.pkl").write_bytes(pickle.dumps(answers))


if __name__ == "__main__":
    main(*sys.argv[1:])
