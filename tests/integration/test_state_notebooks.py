"""A notebook: cells that are interrupted, run again, and closed with a run open; a real IPython kernel."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rollforward import settings
from rollforward.testing import copy_store, release_store
from rollforward.workflow import R

pytest.importorskip("ipykernel", reason="pip install ipykernel")
pytest.importorskip("jupyter_client", reason="pip install jupyter_client")

SOURCE = Path(__file__).resolve().parents[2] / "src"
BLOCK = """
with R.start(experiment_name="cells", recorder_name="block"):
    R.log_metrics(x=1)
    print("ready", flush=True)
    while True:
        time.sleep(0.02)
"""
ACTIVE = "print(getattr(R.exp_manager.active_recorder, 'name', None))"
HOOKS = "(sys.excepthook, sys.exit, signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM))"
# What is run, and whether it is interrupted when it prints "ready".
CELLS = [
    ("import signal, sys, time\nfrom rollforward.workflow import R\nbefore = " + HOOKS, False),
    (BLOCK, True),
    (ACTIVE, False),
    (BLOCK, True),
    (f"print(before == {HOOKS})", False),
    ("R.start_exp(experiment_name='cells', recorder_name='open')", False),
    (ACTIVE, False),
    ("R.log_metrics(y=2)\n1 / 0", False),
    ("with R.start(recorder_name='child'):\n    R.log_metrics(z=3)", False),
    ("import asyncio\nawait asyncio.sleep(0)\n" + ACTIVE, False),
    ("R.end_exp()\n" + ACTIVE, False),
    ("R.start_exp(experiment_name='cells', recorder_name='left')", False),
    ("R.log_metrics(w=4)", False),
]
CLIENT = """
import json, os, signal, sys
from jupyter_client import KernelManager
from jupyter_client.kernelspec import KernelSpec

class Manager(KernelManager):
    @property
    def kernel_spec(self):
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=argv, display_name="test", language="python")

manager = Manager(transport="ipc", ip=os.path.abspath("kernel"))
manager.start_kernel()
client = manager.client()
client.start_channels()
client.wait_for_ready(timeout=300)

def run(code, interrupt):
    message, said = client.execute(code), []
    while True:
        heard = client.get_iopub_msg(timeout=300)
        kind, content = heard["msg_type"], heard["content"]
        if heard["parent_header"].get("msg_id") != message:
            continue
        if kind == "stream" and content["name"] == "stdout":
            said.append(content["text"].strip())
            if interrupt and said == ["ready"]:
                manager.interrupt_kernel()
        elif kind == "error":
            said.append(content["ename"])
        elif kind == "status" and content["execution_state"] == "idle":
            return said

try:
    said = [run(*cell) for cell in json.load(open("cells.json"))]
    json.dump(said, open("said.json", "w"))
    if sys.argv[1] == "sigterm":
        os.kill(manager.provisioner.pid, signal.SIGTERM)
        manager.provisioner.process.wait(300)
finally:
    client.stop_channels()
    manager.shutdown_kernel()
"""


@pytest.fixture(scope="module")
def closed(template_store, tmp_path_factory):
    """The cells in two notebooks, one that is closed and one whose kernel is terminated."""
    running, results = {}, {}
    for how in ("shutdown", "sigterm"):
        folder = tmp_path_factory.mktemp(how)
        copy_store(template_store, folder / "mlflow.db")
        (folder / "cells.json").write_text(json.dumps(CELLS))
        env = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "ROLLFORWARD_"))}
        env |= {"PYTHONPATH": str(SOURCE), "MLFLOW_DISABLE_TELEMETRY": "true", "IPYTHONDIR": str(folder / "ipython")}
        env |= {"PYTHONWARNINGS": "ignore", "JUPYTER_RUNTIME_DIR": str(folder)}
        running[how] = (
            folder,
            subprocess.Popen(
                [sys.executable, "-c", CLIENT, how],
                cwd=folder,
                env=env,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            ),
        )
    try:
        for how, (folder, process) in running.items():
            out, _ = process.communicate(timeout=900)
            assert process.returncode == 0, out
            results[how] = json.loads((folder / "said.json").read_text()), f"sqlite:///{folder}/mlflow.db"
    finally:
        for _, process in running.values():
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    yield results
    for _, uri in results.values():
        release_store(uri)


def test_each_cell_sees_the_run_that_is_open_and_none_that_was_interrupted(closed):
    said, _ = closed["shutdown"]
    assert said == [
        [],
        ["ready", "KeyboardInterrupt"],
        ["None"],
        ["ready", "KeyboardInterrupt"],
        ["True"],
        [],
        ["open"],
        ["ZeroDivisionError"],
        [],
        ["open"],
        ["None"],
        [],
        [],
    ]


@pytest.mark.parametrize(("how", "status"), [("shutdown", "FINISHED"), ("sigterm", "KILLED")])
def test_the_runs_of_a_notebook_that_was_closed(closed, how, status):
    settings.init(uri=closed[how][1])
    frame = R.get_exp(experiment_name="cells", create=False).search_records()
    rows = frame.sort_values("start_time")[["run_name", "status"]].to_numpy().tolist()
    assert rows == [["block", "KILLED"]] * 2 + [["open", "FINISHED"], ["child", "FINISHED"], ["left", status]]
    by_name = frame.set_index("run_name")
    assert by_name.loc["child", "tags.mlflow.parentRunId"] == by_name.loc["open", "run_id"]
    assert frame["tags.mlflow.parentRunId"].notna().sum() == 1
    values = [by_name.loc["open", "metrics.y"], by_name.loc["child", "metrics.z"], by_name.loc["left", "metrics.w"]]
    assert values == [2, 3, 4]
