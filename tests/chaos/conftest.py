"""Fixtures of the chaos suite. ``CHAOS_SIZE=full`` is the long version, which scripts/chaos runs."""

import json
import os
import sys
from pathlib import Path

import pytest

from rollforward import settings

HERE = Path(__file__).resolve().parent
# Read now: before the fixtures of all tests change the working directory.
REPORT = Path(os.environ["CHAOS_REPORT"]).resolve() if os.environ.get("CHAOS_REPORT") else None
SIZE = os.environ.get("CHAOS_SIZE", "short")
SEED = int(os.environ.get("CHAOS_SEED", "1"))

sys.path.insert(0, str(HERE))
collect_ignore = ["faults_rig"]


@pytest.fixture
def sized():
    """Choose a value by the size of the suite."""

    def choose(short, full):
        return full if SIZE == "full" else short

    return choose


@pytest.fixture
def seed():
    """Of all that is random; ``CHAOS_SEED``."""
    return SEED


@pytest.fixture
def rig(task_store, tmp_path, seed):
    """Workers on an empty pool."""
    from faults_rig.rig import Rig

    with Rig(tmp_path, task_store, settings.current().task_db_name, seed) as made:
        yield made


@pytest.fixture
def report(request):
    """Keep the figures of a fault."""

    def keep(fault, figures, store=None):
        store = store or ("MongoDB" if "mongo" in request.node.name else "SQLite")
        if REPORT is not None:
            with REPORT.open("a") as file:
                file.write(json.dumps({"fault": fault, "store": store, "figures": figures}) + "\n")

    return keep
