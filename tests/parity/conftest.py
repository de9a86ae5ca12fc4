"""Finds pyqlib's environment and asks it once for the answers to all cases."""

import os
import pickle
import sys
from pathlib import Path

import pytest
from filelock import FileLock

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
# Read now: the fixtures of all tests clear the environment.
GIVEN = os.environ.get("ROLLFORWARD_TEST_ORACLE")
IN_CI = os.environ.get("CI", "").lower() not in {"", "0", "false"}

sys.path.insert(0, str(HERE))
collect_ignore = ["against_qlib"]  # pyqlib is not installed here; there are no examples to run


def find_oracle():
    """Find the Python of pyqlib's environment: ``ROLLFORWARD_TEST_ORACLE`` names it or its environment."""
    given = Path(GIVEN) if GIVEN else ROOT / ".oracle-venv"
    python = given if given.is_file() else given / "bin" / "python"
    return python if python.is_file() else None


@pytest.fixture(scope="session")
def oracle():
    python = find_oracle()
    if python is None:
        message = "pyqlib is not set up; scripts/oracle does it"
        (pytest.fail if IN_CI else pytest.skip)(message)
    return python


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
