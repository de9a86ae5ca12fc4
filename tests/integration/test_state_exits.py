"""How a run ends that no ``with`` block ends: each script is a process of its own, forked from one that has imported."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
from forked import run_scripts

from rollforward import settings
from rollforward.testing import copy_store, release_store
from rollforward.workflow import R

LOG = "R.log_metrics(x=1)\n"
OPEN = "R.start_exp(recorder_name='r')\n" + LOG
TWO_MANAGERS = """
import rollforward.workflow as workflow
other = workflow.QlibRecorder(workflow.MLflowExpManager(R.get_uri()))
R.start_exp(recorder_name='r')
other.start_exp(recorder_name='s')
R.log_metrics(x=1)
other.log_metrics(x=2)
"""
CAUGHT = """
try:
    sys.exit(3)
except SystemExit as error:
    assert (error.code, type(error).__name__, repr(error)) == (3, "SystemExit", "SystemExit(3)")
"""
THREAD = """
thread = threading.Thread(target={})
thread.start()
thread.join()
"""
WORKER = """
import multiprocessing

def work():
    {}

process = multiprocessing.get_context("fork").Process(target=work)
process.start()
process.join()
sys.exit(process.exitcode)
"""
AS_BEFORE = """
hooks = lambda: (sys.exit, sys.excepthook, signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT))
before = hooks()
R.start_exp(recorder_name='r')
assert hooks()[1::2] == before[1::2]
with R.start(recorder_name='inner'):
    pass
R.end_exp()
assert hooks() == before
R.start_exp(recorder_name='s')
recorder = R.get_recorder()
recorder.end_run("FINISHED")
with R.start(recorder_name='t'):
    pass
assert hooks() == before
wait()
"""

# name: (script, signal that is sent, exit code, statuses in MLflow by recorder)
SCRIPTS = {
    "sigterm": (OPEN + "wait()", "SIGTERM", 143, {"r": "KILLED"}),
    "sigterm, nothing was opened": (LOG + "wait()", "SIGTERM", 143, {"mlflow_recorder": "KILLED"}),
    "sigterm, after the end": (AS_BEFORE, "SIGTERM", -15, dict.fromkeys(("r", "s", "t", "inner"), "FINISHED")),
    "sigterm, ended by a thread": (
        OPEN + THREAD.format("R.exp_manager._scope.current().recorder.end_run, args=('FINISHED',)") + "wait()",
        "SIGTERM",
        143,
        {"r": "FINISHED"},
    ),
    "sigterm, handled": (
        "signal.signal(signal.SIGTERM, lambda *_: os.write(1, b'mine\\n'))\n"
        + OPEN
        + "signal.raise_signal(signal.SIGTERM)",
        None,
        0,
        {"r": "FINISHED"},
    ),
    "ctrl-c": (OPEN + "wait()", "SIGINT", -2, {"r": "KILLED"}),
    "exit 3": (OPEN + "sys.exit(3)", None, 3, {"r": "FAILED"}),
    "exit 3, nothing was opened": (LOG + "sys.exit(3)", None, 3, {"mlflow_recorder": "FAILED"}),
    "exit with a text": (OPEN + "sys.exit('no data')", None, 1, {"r": "FAILED"}),
    "exit that cannot be seen": (OPEN + "raise SystemExit(3)", None, 3, {"r": "FINISHED"}),
    "exit": (OPEN + "sys.exit()", None, 0, {"r": "FINISHED"}),
    "exit 0": (OPEN + "sys.exit(0)", None, 0, {"r": "FINISHED"}),
    "exit that is caught": (OPEN + CAUGHT, None, 0, {"r": "FINISHED"}),
    "exit that is caught, then another": (OPEN + CAUGHT + "sys.exit(4)", None, 4, {"r": "FAILED"}),
    "exit of a thread": (OPEN + THREAD.format("sys.exit, args=(3,)"), None, 0, {"r": "FINISHED"}),
    "exit of argparse": (
        OPEN + "import argparse\nargparse.ArgumentParser().parse_args(['--x'])",
        None,
        2,
        {"r": "FAILED"},
    ),
    "exit through a block": (
        OPEN + "with R.start(recorder_name='in'):\n    sys.exit(3)",
        None,
        3,
        {"r": "FAILED", "in": "FAILED"},
    ),
    "uncaught": (OPEN + "raise ValueError('no data')", None, 1, {"r": "FAILED"}),
    "uncaught, nothing was opened": (LOG + "raise ValueError('no data')", None, 1, {"mlflow_recorder": "FAILED"}),
    "uncaught BaseException": (OPEN + "class Stop(BaseException): pass\nraise Stop", None, 1, {"r": "FAILED"}),
    "uncaught in a thread": (
        OPEN + "threading.excepthook = lambda *_: None" + THREAD.format("lambda: 1 / 0"),
        None,
        0,
        {"r": "FINISHED"},
    ),
    "two managers": (TWO_MANAGERS + "raise ValueError('no data')", None, 1, {"r": "FAILED", "s": "FAILED"}),
    "opened by a thread": (
        THREAD.format("lambda: (R.start_exp(recorder_name='r'), R.log_metrics(x=1))"),
        None,
        0,
        {"r": "FINISHED"},
    ),
    "worker that fails": (
        WORKER.format("R.log_metrics(x=1); sys.stderr = open(os.devnull, 'w'); raise ValueError('no data')"),
        None,
        1,
        {"mlflow_recorder": "FAILED"},
    ),
    "worker that exits": (
        WORKER.format("R.start_exp(recorder_name='r'); R.log_metrics(x=1); sys.exit(5)"),
        None,
        5,
        {"r": "FAILED"},
    ),
}


@pytest.fixture(scope="module")
def ended(template_store, tmp_path_factory):
    """Every script, run to its end; the store, and what is known of each."""
    folder = tmp_path_factory.mktemp("exits")
    uri = copy_store(template_store, folder / "mlflow.db")
    jobs = [
        (name, folder, code, signal_name, {"uri": uri, "experiment": name})
        for name, (code, signal_name, *_) in SCRIPTS.items()
    ]
    yield uri, run_scripts(folder, jobs)
    release_store(uri)


@pytest.fixture
def result(ended):
    uri, known = ended
    settings.init(uri=uri)

    def look(name):
        frame = R.get_exp(experiment_name=name).search_records().set_index("run_name").sort_index()
        return SimpleNamespace(frame=frame, **vars(known[name]))

    return look


@pytest.mark.parametrize("name", SCRIPTS)
def test_status_and_values_of_a_run_that_no_block_ends(result, name):
    *_, code, statuses = SCRIPTS[name]
    found = result(name)
    # CPython forgets that Ctrl-C ended it as soon as `exec` is called at exit, as SQLAlchemy may do.
    assert found.code == code or (found.code, code) == (1, -2), found.err
    assert found.frame["status"].to_dict() == statuses, found.err
    if name != "sigterm, after the end":
        assert found.frame.loc[next(iter(statuses)), "metrics.x"] == 1
    if code in (0, 3, 5, 143):
        assert found.err == ""


@pytest.mark.parametrize(
    ("name", "headline"),
    [
        ("sigterm", "Terminated: 143"),
        ("ctrl-c", "KeyboardInterrupt"),
        ("exit 3", "SystemExit: 3"),
        ("exit with a text", "SystemExit: no data"),
        ("uncaught", "ValueError: no data"),
        ("uncaught, nothing was opened", "ValueError: no data"),
        ("worker that fails", "ValueError: no data"),
    ],
)
def test_the_reason_is_kept_with_the_run(result, name, headline):
    if name == "worker that fails" and sys.version_info >= (3, 13):
        headline = "SystemExit: 1"  # multiprocessing has printed the error and forgotten it
    assert result(name).frame["tags.error"].tolist() == [headline]


def test_an_error_is_printed_as_without_a_run(result):
    err = result("uncaught").err
    assert err.startswith("Traceback (most recent call last):\n")
    assert err.endswith("\nValueError: no data\n")
    assert result("exit with a text").err == "no data\n"


def test_a_handler_of_the_program_hears_the_signal(result):
    assert result("sigterm, handled").out == "mine\n"
