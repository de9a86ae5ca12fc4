"""Helpers beside the tests, and a small world with prices and a store."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def world(tmp_path, recording, tracking_uri):
    """Prices that come day by day, an empty tracking store and an empty task store."""
    from online_world import World  # here: most tests of this folder need none of it

    from rollforward import settings

    settings.init(task_store=f"sqlite:///{tmp_path / 'tasks.db'}")
    return World(tmp_path, tracking_uri)
