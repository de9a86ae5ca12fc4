"""Write the figures of a run as a table: ``python -m faults_rig.report FIGURES SEED``."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

_ONLY = {
    "kill -9 of the MongoDB server under load": "MongoDB",
    "disk full while a result goes to the pool": "SQLite",
    "a full file system while a result goes to the pool": "SQLite",
}


def table(figures: Path, seed: str) -> str:
    found: dict[str, dict[str, Any]] = {}
    for line in figures.read_text(encoding="utf-8").splitlines():
        told = json.loads(line)
        found.setdefault(told["fault"], {})[told["store"]] = told["figures"]
    lines = [_machine(seed), "", "| fault | SQLite | MongoDB |", "|---|---|---|"]
    for fault, stores in sorted(found.items()):
        lines.append(f"| {fault} | {_cell(fault, 'SQLite', stores)} | {_cell(fault, 'MongoDB', stores)} |")
    return "\n".join(lines) + "\n"


def _cell(fault: str, store: str, stores: dict[str, dict[str, Any]]) -> str:
    figures = stores.get(store)
    if figures is None:
        is_concerned = _ONLY.get(fault, store) == store
        return "failed: no figures" if is_concerned else "not concerned"
    return "; ".join(f"{name}: {value:,}" for name, value in figures.items())


def _machine(seed: str) -> str:
    kernel, cores = platform.release(), os.cpu_count()
    return (
        f"Seed {seed}, {datetime.now(UTC):%Y-%m-%d}; {platform.system()} {kernel}, {cores} cores,"
        f" Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, pymongo {version('pymongo')},"
        f" MLflow {version('mlflow')}."
    )


if __name__ == "__main__":
    sys.stdout.write(table(Path(sys.argv[1]), sys.argv[2]))
