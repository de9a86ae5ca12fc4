"""Programs in the shape of Qlib's four examples: migrated, they run, with other data and models only."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rollforward.migrate import migrate_paths

SHAPES = Path(__file__).resolve().parent / "qlib_shapes"
SETTINGS = 'calendar = "bundled:sp500_close"\nprovenance = false\nheartbeat = 0\n'
ENDS = {
    "task_manager_rolling": [
        "4",
        "collected ('sklearn.linear_model.Ridge',) 2022-01-03 2022-12-28 249",
        "4",
        "collected ('sklearn.linear_model.Ridge',) 2022-01-03 2022-12-28 249",
    ],
    "online_management_simulate": ["signals 2022-03-01 2022-03-21", "held True"],
    "rolling_online_management": [
        "first [('Ridge', 'pred')]",
        "routine [('Ridge', 'pred')]",
        "signals 20",
        "routine [('Ridge', 'pred'), ('LinearRegression', 'pred')]",
        "signals 20",
    ],
    "update_online_pred": ["up to 2022-12-28"],
}


@pytest.fixture
def migrated(tmp_path):
    """The programs, rewritten in a folder of their own."""
    for file in SHAPES.glob("*.py"):
        if file.name != "conftest.py":
            shutil.copy(file, tmp_path)
    (tmp_path / "rollforward.toml").write_text(SETTINGS)
    found = list(migrate_paths([tmp_path]))
    for one in found:
        one.write()
    assert [finding for one in found for finding in one.findings if finding.kind != "note"] == []
    return tmp_path


def test_no_import_of_qlib_is_left(migrated):
    for file in migrated.glob("*.py"):
        assert "import qlib" not in file.read_text()
        assert "from qlib" not in file.read_text()
    assert all(not one.changes and not one.findings for one in migrate_paths([migrated]))


@pytest.mark.parametrize("name", ENDS)
def test_the_example_runs(migrated, name):
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "ROLLFORWARD_"))}
    done = subprocess.run(
        [sys.executable, f"{name}.py"],
        cwd=migrated,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    said = done.stdout.splitlines()
    assert [line for line in said if line in ENDS[name]] == ENDS[name], done.stdout
