"""One market in Qlib's files, Qlib's own answers on it, and a store of runs for each test."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import market
import pytest

# Some of Qlib's processors start a process for each core, which takes longer than the work.
os.environ["LOKY_MAX_CPU_COUNT"] = "1"
HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    return market.write(tmp_path_factory.mktemp("market") / "us")


@pytest.fixture(scope="session")
def alone(data, tmp_path_factory):
    """What Qlib alone answers."""
    folder = tmp_path_factory.mktemp("alone")
    path = os.pathsep.join([str(HERE), str(HERE.parents[1] / "parity")])
    said = subprocess.run(
        [sys.executable, "-W", "ignore", HERE / "qlib_alone.py", data, folder],
        env=os.environ | {"MLFLOW_ALLOW_FILE_STORE": "true", "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        cwd=folder,
    )
    assert said.returncode == 0, said.stderr[-4000:]
    return pickle.loads((folder / "answers.pkl").read_bytes())


@pytest.fixture(autouse=True)
def started(data, tmp_path, monkeypatch):
    """A directory of its own, with Qlib's data and our runs."""
    import rollforward

    monkeypatch.chdir(tmp_path)
    return rollforward.init(
        provider_uri=str(data), region="us", kernels=1, provenance=False, capture_output=False, heartbeat=0
    )
