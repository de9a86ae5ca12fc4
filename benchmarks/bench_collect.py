"""What it costs to bring the predictions of many folds together, beside the plain way and Qlib's, as ratios.

    python benchmarks/bench_collect.py                      # SQLite, and a real server on this machine
    python benchmarks/bench_collect.py --oracle PYTHON      # ... and Qlib itself, in an interpreter that has pyqlib
    python benchmarks/bench_collect.py --folds 100 --runs 1000

Qlib's environment has an MLflow of its own, so it reads a database of its own with the same content; over HTTP it reads
the same server. Nothing here is a test: read the ratios, not the seconds.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import tempfile
from pathlib import Path

os.environ |= {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "GIT_PYTHON_REFRESH": "quiet",
}


def main():
    from collecting import filling, measuring
    from tracking import stores

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--oracle", metavar="PYTHON", help="an interpreter that has pyqlib: scripts/oracle makes one")
    parser.add_argument("--folds", type=int, default=500, help="runs whose predictions are collected")
    parser.add_argument("--runs", type=int, default=5000, help="runs that are filtered by segment")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--stores", nargs="+", choices=("local", "server"), default=("local", "server"))
    options = parser.parse_args()
    if options.oracle:
        options.oracle = str(Path(options.oracle).absolute())
    logging.getLogger().setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        os.chdir(folder)
        os.environ["ROLLFORWARD_SPOOL_DIR"] = str(folder / "spool")
        os.environ["ROLLFORWARD_CACHE_DIR"] = str(folder / "cache")
        if "local" in options.stores:
            uri = stores.database(folder)
            filling.fill(uri, folder / "local", options)
            measuring.report("a local SQLite store", uri, folder, options)
        if "server" in options.stores:
            uri = stack.enter_context(stores.server(folder))
            filling.fill(f"sqlite:///{folder}/server.db", folder / "a", options, is_server=True)
            measuring.report("an MLflow server", uri, folder, options)
        os.chdir("/")


if __name__ == "__main__":
    main()
