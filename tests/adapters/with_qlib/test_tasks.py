"""A task of Qlib's model, handler and records, trained by our trainer, is what Qlib alone makes of it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from market import LGB, LINEAR
from qlib_alone import CASES

import rollforward
from rollforward.data.dataset import DatasetH
from rollforward.workflow import R
from rollforward.workflow.trainer import TrainerR, task_train

# Qlib's data and features are in single precision; what is computed from them is not rounded in between.
TOLERANCE = 1e-9


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """Each case, trained once by us."""
    uri = f"sqlite:///{tmp_path_factory.mktemp('trained')}/mlflow.db"
    rollforward.init(provider_uri=str(data), region="us", kernels=1, uri=uri, heartbeat=0)
    return {name: task_train(case, experiment_name="beside") for name, case in CASES.items()}


def aligned(ours, theirs):
    ours, theirs = ours.sort_index(), theirs.sort_index()
    pd.testing.assert_index_equal(ours.index, theirs.index, exact=False, check_names=True)
    return ours.to_numpy(dtype=float).ravel(), theirs.to_numpy(dtype=float).ravel()


@pytest.mark.parametrize("name", CASES)
def test_predicts_as_qlib_alone(name, alone, trained):
    recorder = trained[name]

    assert recorder.status == "FINISHED"
    np.testing.assert_allclose(*aligned(recorder.load_object("pred.pkl"), alone[name]["pred.pkl"]), rtol=TOLERANCE)
    assert type(recorder.load_object("params.pkl")).__module__.startswith("qlib.contrib.model")
    assert isinstance(recorder.load_object("dataset"), DatasetH)


@pytest.mark.parametrize("name", ["linear", "lgb"])
def test_judges_as_qlib_alone(name, alone, trained):
    recorder = trained[name]

    theirs = alone[name]
    np.testing.assert_allclose(*aligned(recorder.load_object("label.pkl"), theirs["label.pkl"]), rtol=TOLERANCE)
    ic = recorder.load_object("sig_analysis/ic.pkl")
    np.testing.assert_allclose(ic.to_numpy(), theirs["ic.pkl"].to_numpy(), rtol=1e-6, atol=1e-9)
    metrics = recorder.list_metrics()
    for key in ("IC", "ICIR", "Rank IC", "Rank ICIR"):
        assert metrics[key] == pytest.approx(theirs["metrics"][key], rel=1e-6)


@pytest.mark.parametrize("name", ["linear", "lgb"])
def test_trades_as_qlib_alone(name, alone, trained):
    """Of equal scores, which of the trees there are many, we take the first in the alphabet, as Qlib with a stable sort."""
    recorder = trained[name]

    ours = recorder.load_object("portfolio_analysis/report_normal_1day.pkl")
    theirs = alone[name]["report"]
    assert list(ours.index) == list(theirs.index)
    for column in ("return", "turnover", "cost", "value", "cash"):
        np.testing.assert_allclose(ours[column], theirs[column], rtol=1e-6, atol=1e-9, err_msg=column)
    np.testing.assert_allclose(ours["bench"], theirs["bench"], atol=3e-7)  # theirs is in single precision
    key = "1day.excess_return_with_cost.information_ratio"
    assert recorder.list_metrics()[key] == pytest.approx(alone[name]["metrics"][key], rel=1e-4)


def test_what_a_model_of_qlib_logs_is_in_our_run():
    (recorder,) = TrainerR(experiment_name="logged", progress=False)([CASES["lgb"] | {"record": []}])

    assert {"l2.train", "l2.valid"} <= set(recorder.list_metrics())
    assert len(R.list_recorders(experiment_name="logged")) == 1
    assert not list(Path().rglob("meta.yaml"))  # a store of runs in a folder, Qlib's own


def test_r_of_qlib_is_ours():
    from qlib.workflow import R as THEIRS

    with R.start(experiment_name="one", recorder_name="mine"):
        THEIRS.log_params(alpha=1)
        THEIRS.save_objects(**{"x.pkl": [1, 2]})
        recorder = R.get_recorder()

        assert THEIRS.get_recorder().id == recorder.id
    assert recorder.load_object("x.pkl") == [1, 2]
    assert recorder.list_params()["alpha"] == "1"


def test_a_script_that_starts_qlib_itself(data):
    import qlib

    qlib.init(provider_uri=str(data), region="us", kernels=1)
    recorder = task_train({**CASES["lgb"], "record": []}, experiment_name="mine")

    assert "l2.train" in recorder.list_metrics()
    assert not list(Path().rglob("meta.yaml"))  # a store of runs in a folder, Qlib's own


def test_models_need_no_data_of_qlib():
    """In a process that nobody has told where Qlib's data are."""
    import subprocess
    import sys

    code = f"""
import rollforward
from rollforward.workflow.trainer import task_train
handler = {{"class": "PriceHandler", "module_path": "rollforward.data.price_handler", "kwargs": {{
    "source": "bundled:sp500_close", "start_time": "2012-01-03", "end_time": "2012-12-31",
    "fit_start_time": "2012-01-03", "fit_end_time": "2012-06-29"}}}}
segments = {{"train": ["2012-01-03", "2012-06-26"], "valid": ["2012-07-02", "2012-09-24"], "test": ["2012-10-01", "2012-12-20"]}}
dataset = {{"class": "rollforward.DatasetH", "kwargs": {{"handler": handler, "segments": segments}}}}
recorder = task_train({{"model": {LGB!r}, "dataset": dataset, "record": ["SignalRecord"]}}, "without data")
print(recorder.status, len(recorder.load_object("pred.pkl")))
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)

    assert said.stdout.splitlines()[-1].startswith("FINISHED "), said.stderr[-2000:]


def test_the_task_is_not_changed():
    import copy

    given = copy.deepcopy(CASES["linear"])
    task_train(given | {"record": []}, experiment_name="beside")

    assert given == CASES["linear"]
    assert given["model"] == LINEAR
