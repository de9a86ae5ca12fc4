"""Finds the environment that has rollforward and pyqlib together; the tests in ``with_qlib`` run there."""

import os
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
# Read now: the fixtures of all tests clear the environment.
GIVEN = os.environ.get("ROLLFORWARD_TEST_ADAPTER")
IN_CI = os.environ.get("CI", "").lower() not in {"", "0", "false"}

collect_ignore = ["with_qlib"]  # pyqlib is not installed here


def find_adapter():
    """Find the environment's Python: ``ROLLFORWARD_TEST_ADAPTER`` names it or the environment."""
    given = Path(GIVEN) if GIVEN else ROOT / ".adapter-venv"
    python = given if given.is_file() else given / "bin" / "python"
    return python if python.is_file() else None


@pytest.fixture(scope="session")
def adapter():
    python = find_adapter()
    if python is None:
        message = "the environment with pyqlib is not set up; scripts/adapter does it"
        (pytest.fail if IN_CI else pytest.skip)(message)
    return python
