"""Asks pyqlib once for the answers to all cases."""

import os
import pickle
import sys
from pathlib import Path

import pytest
from filelock import FileLock

HERE = Path(__file__).resolve().parent

sys.path.insert(0, str(HERE))
collect_ignore = ["against_qlib"]  # pyqlib is not installed here; there are no examples to run


@pytest.fixture(scope="session")
def outcome(oracle, tmp_path_factory):
    """All cases, compared; the processes of a test run share one comparison."""
    from against_qlib.comparison import compare_all

    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    done = folder / "parity.pkl"
    with FileLock(folder / "parity.lock"):
        if not done.exists():
            done.write_bytes(pickle.dumps(compare_all(oracle, folder)))
    return pickle.loads(done.read_bytes())
