"""The tests beside pyqlib, in a process of the environment that has it; what they said is told file by file."""

import os
import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from filelock import FileLock

FOLDER = Path(__file__).resolve().parent / "with_qlib"
FILES = sorted(file.stem for file in FOLDER.glob("test_*.py"))


@pytest.fixture(scope="session")
def report(adapter, tmp_path_factory):
    """Run them once for all processes of a test run."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    done, log = folder / "with_qlib.xml", folder / "with_qlib.log"
    with FileLock(folder / "with_qlib.lock"):
        if not done.exists():
            run(adapter, folder, done, log)
    return ET.parse(done).getroot(), log.read_text()  # noqa: S314  our own file


def run(adapter, folder, done, log):
    others = ("PYTHON", "PYTEST", "MLFLOW", "ROLLFORWARD", "QLIB", "_QLIB")
    keep = {name: value for name, value in os.environ.items() if not name.startswith(others)}
    base = folder / "with_qlib"
    said = subprocess.run(
        [
            adapter,
            "-m",
            "pytest",
            "-q",
            "-c",
            FOLDER / "pytest.ini",
            f"--basetemp={base}",
            f"--junitxml={done}",
            FOLDER,
        ],
        env=keep | {"PYTHONDONTWRITEBYTECODE": "1", "MLFLOW_DISABLE_TELEMETRY": "true"},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )
    log.write_text(said.stdout + said.stderr)
    assert done.exists(), log.read_text()[-6000:]


@pytest.mark.parametrize("name", FILES)
def test_in_its_environment(name, report):
    root, log = report
    cases = [case for case in root.iter("testcase") if name in case.get("classname", "").split(".")]

    assert cases, log[-6000:]
    for case in cases:
        for outcome in ("failure", "error", "skipped"):
            assert case.find(outcome) is None, f"{case.get('name')}: {case.find(outcome).text}"
