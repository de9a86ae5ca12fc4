"""Several processes on one store: the same new experiment at once, and workers that get a recorder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from rollforward import settings
from rollforward.workflow import R

SOURCE = Path(__file__).resolve().parents[2] / "src"
AT_ONCE = """
import gc, os, sys, warnings
import mlflow, mlflow.store.tracking.sqlalchemy_store, rollforward.workflow.mlflow_backend.run.recorder
from rollforward.workflow import R

gc.freeze()
# NumPy has threads of its own, and Python 3.12 and later warns of them.
warnings.filterwarnings("ignore", ".*multi-threaded.*", DeprecationWarning)
gate, opener = os.pipe()
pids = []
for n in range(8):
    pid = os.fork()
    if pid == 0:
        break
    pids.append(pid)
os.close(opener)
if pid:
    sys.exit(max(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids))
os.read(gate, 1)  # until the parent has started all of us
with R.start(experiment_name="demo", recorder_name=f"run {n}"):
    for step in range(30):
        R.log_metrics(step=step, n=n, **{f"m{n}": step})
    R.log_params(n=n)
    R.set_tags(n=n)
    R.save_objects(**{"n.pkl": n})
"""
WORKERS = """
import multiprocessing, sys
from rollforward.workflow import R

def work(recorder):
    recorder.log_metrics(child=1)
    assert R.exp_manager.active_recorder is None
    with R.start(experiment_name="of the worker", recorder_name="child"):
        R.log_metrics(x=2)
    R.start_exp(experiment_name="of the worker", recorder_name="left open")
    sys.exit(5)

if __name__ == "__main__":
    import rollforward
    rollforward.init(uri=sys.argv[1])
    with R.start(experiment_name="demo", recorder_name="parent"):
        R.log_metrics(x=1)
        process = multiprocessing.get_context("spawn").Process(target=work, args=(R.get_recorder(),))
        process.start()
        process.join()
        R.log_metrics(y=2)
        assert process.exitcode == 5
"""


def run(folder, script, *arguments, **environment):
    """Run a script to its end, and return what it printed."""
    (folder / "script.py").write_text(script)
    env = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "ROLLFORWARD_"))}
    env |= {"PYTHONPATH": str(SOURCE), "MLFLOW_DISABLE_TELEMETRY": "true"} | environment
    done = subprocess.run(
        [sys.executable, "script.py", *arguments],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def check(uri):
    settings.init(uri=uri)
    assert "demo" in R.list_experiments()
    recorders = R.list_recorders(experiment_name="demo", rtype="list", status="FINISHED")
    assert len(recorders) == 8
    for recorder in recorders:
        n = int(recorder.name.removeprefix("run "))
        assert recorder.metrics == {"n": n, f"m{n}": 29}
        assert (recorder.params["n"], recorder.tags["n"], recorder.load_object("n.pkl")) == (str(n), str(n), n)
        history = R.exp_manager.client.get_metric_history(recorder.id, f"m{n}")
        assert sorted((point.step, point.value) for point in history) == [(step, step) for step in range(30)]


def test_eight_processes_create_one_experiment_in_a_database(tracking_uri, tmp_path):
    assert run(tmp_path, AT_ONCE, ROLLFORWARD_URI=tracking_uri) == ""
    check(tracking_uri)


def test_eight_processes_create_one_experiment_on_a_server(mlflow_server, tmp_path):
    uri = mlflow_server.uri
    assert run(tmp_path, AT_ONCE, ROLLFORWARD_URI=uri, ROLLFORWARD_SPOOL_DIR=str(tmp_path / "spool")) == ""
    check(uri)
    R.delete_exp(experiment_name="demo")


def test_a_spawned_worker_logs_to_the_recorder_it_gets_and_to_runs_of_its_own(tracking_uri, tmp_path):
    assert run(tmp_path, WORKERS, tracking_uri) == ""
    settings.init(uri=tracking_uri)
    frame = R.search_records().set_index("run_name").sort_index()
    assert frame["status"].to_dict() == {"child": "FINISHED", "left open": "FAILED", "parent": "FINISHED"}
    assert frame.loc["parent", ["metrics.x", "metrics.y", "metrics.child"]].tolist() == [1, 2, 1]
    assert frame.loc["child", "metrics.x"] == 2
    assert frame["tags.error"].to_dict()["left open"].startswith("SystemExit: 5")
