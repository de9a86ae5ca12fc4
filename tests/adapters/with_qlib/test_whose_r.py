"""Qlib's own `R` and ours in one process: each records where it would without the other."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

START = """
import logging
import warnings

warnings.simplefilter("ignore")
import qlib
from qlib.workflow import R as THEIRS

import rollforward
from rollforward.workflow import R
from rollforward.workflow.trainer import task_train

rollforward.init(uri="sqlite:///ours.db", artifact_root="artifacts", heartbeat=0, provenance=False)
DATA = {data!r}
MODEL = {{"class": "LGBModel", "module_path": "qlib.contrib.model.gbdt", "kwargs": {{"num_boost_round": 3}}}}
HANDLER = {{"class": "PriceHandler", "module_path": "rollforward.data.price_handler", "kwargs": {{
    "source": "bundled:sp500_close", "start_time": "2012-01-03", "end_time": "2012-12-31",
    "fit_start_time": "2012-01-03", "fit_end_time": "2012-06-29"}}}}
SEGMENTS = {{"train": ["2012-01-03", "2012-06-26"], "valid": ["2012-07-02", "2012-09-24"],
             "test": ["2012-10-01", "2012-12-20"]}}
TASK = {{"model": MODEL, "dataset": {{"class": "rollforward.DatasetH", "kwargs": {{"handler": HANDLER, "segments": SEGMENTS}}}}}}


def start_qlib():
    qlib.init(provider_uri=DATA, region="us", kernels=1, logging_level=logging.ERROR)


def pure(name):
    with THEIRS.start(experiment_name="pure", recorder_name=name):
        THEIRS.log_params(of=name)
        THEIRS.save_objects(**{{"x.pkl": name}})
        assert THEIRS.get_recorder().load_object("x.pkl") == name


def names(who, experiment):
    found = who.list_recorders(experiment_name=experiment).values()
    return sorted(recorder.info["name"] if isinstance(recorder.info, dict) else recorder.name for recorder in found)

"""


@pytest.fixture
def script(data, tmp_path):
    def run(code):
        said = subprocess.run(
            [sys.executable, "-c", START.format(data=str(data)) + code],
            env=os.environ | {"MLFLOW_ALLOW_FILE_STORE": "true"},
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
            cwd=tmp_path,
        )
        assert said.returncode == 0, said.stderr[-4000:]
        return said

    return run


def test_pure_qlib_before_between_and_after_our_runs(script):
    """Also after a start of ours that failed."""
    said = script("""
from rollforward.adapters.qlib import init_qlib

start_qlib()
pure("before")
recorder = task_train(TASK, "ours")
pure("after")
with R.start(experiment_name="by hand"):
    THEIRS.log_params(mine=1)
    mine = R.get_recorder()
try:
    init_qlib(provider_uri=DATA, region="nowhere")
except KeyError:
    pure("last")

assert "l2.train" in recorder.list_metrics()
assert mine.list_params()["mine"] == "1"
assert names(THEIRS, "pure") == ["after", "before", "last"], names(THEIRS, "pure")
assert sorted(THEIRS.list_experiments()) == ["Default", "pure"], THEIRS.list_experiments()
assert "pure" not in R.list_experiments()
""")
    # A folder is Qlib's store, a file of SQLite is ours.
    assert Path("mlruns").is_dir()
    assert "Malformed" not in said.stderr


def test_a_task_of_ours_inside_a_run_of_qlib(script):
    said = script("""
from rollforward.adapters.qlib import init_qlib

start_qlib()
with THEIRS.start(experiment_name="pure", recorder_name="around"):
    recorder = task_train(TASK, "ours")
    init_qlib(provider_uri=DATA, region="us", kernels=1)
    THEIRS.log_params(still="theirs")
    theirs = THEIRS.get_recorder()
    assert recorder.status == "FINISHED"

assert theirs.list_params()["still"] == "theirs"
assert names(THEIRS, "pure") == ["around"]
assert R.list_recorders(experiment_name="ours")
""")
    assert "A run of Qlib's own R is active" in said.stderr


def test_qlib_that_we_have_started_records_with_us_until_a_script_starts_it_itself(script):
    script("""
rollforward.init(uri="sqlite:///ours.db", artifact_root="artifacts", heartbeat=0, provider_uri=DATA, region="us", kernels=1)
with THEIRS.start(experiment_name="ours", recorder_name="one"):
    THEIRS.log_params(a=1)
assert names(R, "ours") == ["one"]

start_qlib()
pure("own")
task_train(TASK, "ours")
pure("own too")
assert names(THEIRS, "pure") == ["own", "own too"]
assert "pure" not in R.list_experiments()
assert len(R.list_recorders(experiment_name="ours")) == 2
""")


def test_an_error_at_the_end_of_a_script_is_told_once_and_ends_both(data, tmp_path):
    code = (
        START.format(data=str(data))
        + """
start_qlib()
THEIRS.start_exp(experiment_name="pure", recorder_name="fails")
task_train(TASK, "ours")
raise RuntimeError("the script fails")
"""
    )
    env = os.environ | {"MLFLOW_ALLOW_FILE_STORE": "true"}
    said = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False, timeout=240
    )
    assert "RuntimeError: the script fails" in said.stdout + said.stderr

    looking = (
        START.format(data=str(data))
        + """
start_qlib()
print(*[recorder.status for recorder in THEIRS.list_recorders(experiment_name="pure").values()])
print(*[recorder.status for recorder in R.list_recorders(experiment_name="ours").values()])
"""
    )
    said = subprocess.run(
        [sys.executable, "-c", looking], env=env, capture_output=True, text=True, check=False, timeout=240
    )
    assert said.stdout.split()[-2:] == ["FAILED", "FINISHED"], said.stderr[-3000:]
