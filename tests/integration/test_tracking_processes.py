"""How a run ends when its process does, and several processes on one store: real processes, one script each."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from forked import SOURCE, environment, run_scripts

from rollforward import settings
from rollforward.testing import copy_store, release_store
from rollforward.workflow import R

PREAMBLE = "import os, sys\nfrom rollforward.workflow import R\n"
SCRIPTS = {
    "outside any run": "R.log_metrics(x=1); R.log_metrics(y=2); R.save_objects(**{'a.pkl': 1})",
    "uncaught": "R.start_exp(recorder_name='r'); R.log_metrics(x=1); raise ValueError('no data')",
    "sys.exit": "with R.start():\n    R.log_metrics(x=1)\n    sys.exit(3)",
    "ctrl-c": "with R.start():\n    R.log_metrics(x=1)\n    wait()",
    "sigterm": "R.start_exp()\nR.log_metrics(x=1)\nwith R.start():\n    wait()",
    "forked": """
with R.start(recorder_name="parent"):
    pid = os.fork()
    if pid == 0:
        R.log_metrics(child=1)
        R.end_exp()
        os._exit(0 if R.exp_manager.active_experiment is None else 1)
    assert os.waitpid(pid, 0)[1] == 0
    R.log_metrics(parent=1)
""",
    "worker of multiprocessing": """
import multiprocessing

def work():
    R.log_metrics(child=1)

with R.start(recorder_name="parent"):
    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join()
    assert process.exitcode == 0
""",
    "terminated worker": """
import multiprocessing

with R.start(recorder_name="parent"):
    process = multiprocessing.get_context("fork").Process(target=wait)
    process.start()
    process.terminate()
    process.join()
    assert process.exitcode == -15, process.exitcode
""",
}
SIGNALS = {"ctrl-c": "SIGINT", "sigterm": "SIGTERM"}
# These import everything themselves, as a user's script does.
FRESH = ("outside any run", "uncaught")


@pytest.fixture(scope="module")
def ended(template_store, tmp_path_factory):
    """Every script, run to its end, each on a store of its own: name -> what is known of it."""
    folders = {name: tmp_path_factory.mktemp("process") for name in SCRIPTS}
    for folder in folders.values():
        copy_store(template_store, folder / "mlflow.db")
    fresh = {}
    for name in FRESH:
        (folders[name] / "script.py").write_text(PREAMBLE + SCRIPTS[name])
        fresh[name] = subprocess.Popen(
            [sys.executable, "script.py"],
            cwd=folders[name],
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    jobs = [(name, folders[name], code, SIGNALS.get(name), {}) for name, code in SCRIPTS.items() if name not in FRESH]
    known = run_scripts(tmp_path_factory.mktemp("host"), jobs)
    for name, process in fresh.items():
        out, err = process.communicate(timeout=600)
        known[name] = SimpleNamespace(folder=folders[name], code=process.returncode, out=out, err=err)
    yield known
    for folder in folders.values():
        release_store(f"sqlite:///{folder}/mlflow.db")


@pytest.fixture
def result(ended):
    def look(name):
        known = ended[name]
        settings.init(uri=f"sqlite:///{known.folder}/mlflow.db")
        return known.code, R.search_records().set_index("run_name").sort_index(), known.out, known.err

    return look


def test_what_was_logged_outside_any_run_is_there_and_finished_and_nothing_is_printed(result):
    code, frame, out, err = result("outside any run")
    assert (code, out, err) == (0, "", "")
    assert frame["status"].tolist() == ["FINISHED"]
    assert frame[["metrics.x", "metrics.y"]].to_numpy().tolist() == [[1.0, 2.0]]
    assert R.load_object("a.pkl") == 1


def test_a_run_left_open_by_a_script_that_fails_is_failed_with_the_traceback(result):
    code, frame, _, err = result("uncaught")
    assert (code, frame["status"].tolist()) == (1, ["FAILED"])
    assert frame.loc["r", "tags.error"] == "ValueError: no data"
    assert "ValueError: no data" in R.get_recorder(recorder_name="r").load_object("traceback.txt")
    assert err.count("ValueError: no data") == 1


def test_sys_exit_with_a_code_is_failed(result):
    code, frame, _, err = result("sys.exit")
    assert (code, err) == (3, "")
    assert frame["status"].tolist() == ["FAILED"]
    assert frame["tags.error"].tolist() == ["SystemExit: 3"]


def test_ctrl_c_leaves_a_killed_run_with_all_that_was_logged(result):
    code, frame, _, _ = result("ctrl-c")
    assert code == -signal.SIGINT
    assert frame["status"].tolist() == ["KILLED"]
    assert frame["metrics.x"].tolist() == [1.0]
    assert list(R.list_recorders(status="FAILED")) == frame["run_id"].tolist()


def test_sigterm_kills_the_run_of_the_block_and_the_one_that_was_started_without(result):
    code, frame, _, _ = result("sigterm")
    assert code == 128 + signal.SIGTERM
    assert frame["status"].tolist() == ["KILLED", "KILLED"]


def test_a_forked_child_has_a_run_of_its_own(result):
    code, frame, _, err = result("forked")
    assert code == 0, err
    assert frame["status"].to_dict() == {"mlflow_recorder": "FINISHED", "parent": "FINISHED"}
    assert frame.loc["mlflow_recorder", "metrics.child"] == 1
    assert frame.loc["parent", "metrics.parent"] == 1


def test_a_worker_of_multiprocessing_ends_its_default_run(result):
    code, frame, _, err = result("worker of multiprocessing")
    assert code == 0, err
    assert frame["status"].to_dict() == {"mlflow_recorder": "FINISHED", "parent": "FINISHED"}


def test_a_worker_dies_of_sigterm_as_it_would_without_a_run(result):
    code, frame, _, err = result("terminated worker")
    assert code == 0, err
    assert frame["status"].tolist() == ["FINISHED"]


def test_processes_that_meet_at_a_new_store_all_get_in(tmp_path):
    (tmp_path / "store").mkdir()
    uri = f"sqlite:///{tmp_path}/store/mlflow.db"
    jobs = []
    for n in range(4):
        (tmp_path / f"p{n}").mkdir()
        script = f"with R.start(experiment_name='demo', recorder_name='{n}'):\n    R.log_metrics(x=1)"
        jobs.append((f"p{n}", tmp_path / f"p{n}", script, None, {"uri": uri}))
    for known in run_scripts(tmp_path, jobs).values():
        assert (known.code, known.out, known.err) == (0, "", "")

    settings.init(uri=uri)
    assert set(R.list_experiments()) == {"Default", "demo"}
    recorders = R.list_recorders(experiment_name="demo", rtype="list")
    assert [recorder.metrics for recorder in recorders] == [{"x": 1.0}] * 4
    assert {Path(recorder.get_local_dir()).parent for recorder in recorders} == {tmp_path / "store" / "mlruns" / "demo"}
    release_store(uri)


def test_importing_r_loads_nothing_heavy():
    heavy = "{'mlflow', 'pandas', 'numpy', 'sklearn', 'matplotlib', 'sqlalchemy'}"
    code = f"import sys; from rollforward.workflow import R; R.__repr__(); print({heavy} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "set()\n"
