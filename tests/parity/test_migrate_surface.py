"""The list of Qlib's names that the migration is tested with is pyqlib's."""

import json
import subprocess
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "unit" / "migrate"


def test_the_names_are_those_of_the_real_package(oracle):
    done = subprocess.run([oracle, FOLDER / "qlib_surface.py"], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == json.loads((FOLDER / "qlib_names.json").read_text(encoding="utf-8"))
