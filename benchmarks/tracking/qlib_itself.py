"""Qlib in an interpreter of its own, for the same measurement."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

SCRIPT = Path(__file__).with_name("oracle.py")


class Qlib:
    """Asks pyqlib; without an interpreter that has it, nothing is known.

    Parameters
    ----------
    python
        The interpreter, or ``None``.
    uri
        Its store: a database of its own, because its MLflow may be of another version, or the server.
    folder
        Working directory, and where its temporary files go.
    """

    def __init__(self, python, uri, folder):
        self.python, self.uri, self.folder = python, uri, folder

    def command(self, measurement, *arguments):
        return [self.python, str(SCRIPT), measurement, self.uri, *map(str, arguments)]

    @property
    def environment(self):
        temporary = self.folder / "tmp"
        temporary.mkdir(exist_ok=True)
        kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "MLFLOW_TRACKING_URI")}
        return kept | {"TMPDIR": str(temporary)}

    def ask(self, measurement, *arguments):
        """Return what Qlib measured, or ``None``."""
        if self.python is None:
            return None
        done = subprocess.run(
            self.command(measurement, *arguments),
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            print(f"  Qlib failed: {done.stderr.strip().splitlines()[-1:]}")
            return None
        return json.loads(done.stdout.splitlines()[-1])


def against(ours, qlib):
    """Say how many times faster ours is."""
    return f"Qlib {qlib:9.3f}, {qlib / ours:8.1f} x ours" if qlib is not None else "Qlib not measured (--oracle PYTHON)"
