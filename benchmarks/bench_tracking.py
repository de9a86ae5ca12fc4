"""What tracking costs and what it loses: several ways in one run, as ratios.

    python benchmarks/bench_tracking.py                      # SQLite
    python benchmarks/bench_tracking.py --http               # a real server on this machine, started here
    python benchmarks/bench_tracking.py --oracle PYTHON      # ... and Qlib itself, in an interpreter that has pyqlib
    python benchmarks/bench_tracking.py --full               # the slow ways with all steps, not a tenth of them
    python benchmarks/bench_tracking.py --parts points lives kills listing objects

Nothing here is a test: read the ratios, not the seconds.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import tempfile
from importlib import import_module
from pathlib import Path

os.environ |= {"MLFLOW_DISABLE_TELEMETRY": "true", "GIT_PYTHON_REFRESH": "quiet"}

PARTS = ("points", "lives", "kills", "listing", "objects")


def report(uri, filling_uri, folder, options):
    from tracking import kills, listing, lives, points
    from tracking.qlib_itself import Qlib
    from tracking.ways import WAYS

    from rollforward.workflow.mlflow_backend.store.client import client_for

    client = client_for(uri)

    def itself(name):
        return Qlib(options.oracle, uri if options.http else f"sqlite:///{folder / name}", folder)

    qlib = itself("qlib.db")
    names = [name for name in WAYS if options.only is None or name in options.only]
    parts = {
        "points": lambda: points.report(client, names, steps=options.steps, is_full=options.full or not options.http),
        "lives": lambda: lives.report(uri, qlib),
        # A database of its own: it is read with the MLflow of here, which upgrades it, and Qlib's cannot open it again.
        "kills": lambda: kills.report(client, folder / "spool", itself("killed.db")),
        "listing": lambda: listing.report(uri, client_for(filling_uri), qlib),
        "objects": lambda: import_module("tracking.objects").report(uri, qlib),
    }
    for part in options.parts:
        parts[part]()


def main():
    from tracking import stores

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--http", action="store_true", help="through a server that is started here")
    parser.add_argument("--oracle", metavar="PYTHON", help="an interpreter that has pyqlib: scripts/oracle makes one")
    parser.add_argument("--full", action="store_true", help="all steps of the slow ways over HTTP too: some minutes")
    parser.add_argument("--steps", type=int, default=1000, help="fewer make the slow ways bearable")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--only", type=json.loads, help='names of ways as JSON: ["rollforward"]')
    options = parser.parse_args()
    if options.oracle:
        options.oracle = str(Path(options.oracle).absolute())
    logging.getLogger().setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        work = folder / "work"
        work.mkdir()
        stores.repository(work)
        os.chdir(work)
        os.environ["ROLLFORWARD_SPOOL_DIR"] = str(folder / "spool")
        uri = stack.enter_context(stores.server(folder)) if options.http else stores.database(folder)
        report(uri, f"sqlite:///{folder / 'server.db'}" if options.http else uri, work, options)
        os.chdir("/")


if __name__ == "__main__":
    main()
