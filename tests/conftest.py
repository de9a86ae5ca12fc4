"""Fixtures of all tests: a clean environment, and a tracking store that is there at once."""

from __future__ import annotations

import os
import sys

import pytest

from rollforward import settings

# Read when MLflow is imported, which may be before the first fixture.
_NO_TELEMETRY = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
os.environ.update(_NO_TELEMETRY)

_FOREIGN = ("MLFLOW_", "ROLLFORWARD_", "_QLIB_", "GIT_")


def pytest_configure(config):
    # MLflow's own use of SQLAlchemy 2.1, which no one outside can change; a user does not see it.
    config.addinivalue_line("filterwarnings", "ignore:The ``noload`` loader strategy is deprecated")


@pytest.fixture(autouse=True)
def _clean_process(monkeypatch, tmp_path):
    """Every test starts in an empty folder, without settings, and ends without an active run."""
    for name in [name for name in os.environ if name.startswith(_FOREIGN) and name not in _NO_TELEMETRY]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    settings.reset()
    yield
    settings.reset()
    _refuse_open_runs()


def _refuse_open_runs():
    active = sys.modules.get("rollforward.workflow.active")
    left = active.open_runs() if active else []
    for run in reversed(left):
        run.close("FAILED")
    if left:
        pytest.fail(f"still active at the end: {[run.recorder for run in left]}")


@pytest.fixture(scope="session")
def template_store(tmp_path_factory):
    """File of an empty tracking store; copy it, do not open it."""
    from rollforward.testing import create_store

    database = tmp_path_factory.mktemp("template") / "mlflow.db"
    create_store(database)
    return database


@pytest.fixture
def tracking_uri(template_store, tmp_path):
    """Address of an empty tracking store of this test."""
    from rollforward.testing import copy_store, release_store

    uri = copy_store(template_store, tmp_path / "mlflow.db")
    yield uri
    release_store(uri)


@pytest.fixture
def recording(tracking_uri):
    """`R`, on an empty tracking store of this test."""
    from rollforward.workflow import R

    settings.init(uri=tracking_uri)
    return R
