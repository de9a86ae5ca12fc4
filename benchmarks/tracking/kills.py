"""kill -9 in a logging loop: which share of the calls that had returned is not in the store.

python benchmarks/tracking/kills.py WAY URI FOLDER     # the loop that is killed
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tracking.ways import ASYNC, OURS, QLIB, SPOOL, WAYS, Ours

CALLS, PAUSE, GRACE = 1000, 0.002, 1.0
TEN = {f"m{n}": n / 7 for n in range(10)}
ITSELF = "Qlib itself"


def loop(way, uri, folder):
    """Log for ever; a byte on stdout says that a call has returned."""
    from rollforward.workflow.mlflow_backend.store.client import client_for

    client = client_for(uri)
    settings = {OURS: {"spool": "off"}, SPOOL: {"spool": "on", "spool_dir": folder}}.get(way)
    writer = WAYS[way](client) if settings is None else Ours(client, **settings)
    os.write(1, f"{writer.run_id}\n".encode())
    step = 0
    while True:
        writer.metrics(step, TEN)
        os.write(1, b".")
        step += 1
        time.sleep(PAUSE)


def killed(command, **options):
    """Kill the loop; return its run and how many calls had returned."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, **options)
    run_id, count = process.stdout.readline().decode().strip(), 0
    while count < CALLS and (bytes_read := os.read(process.stdout.fileno(), CALLS)):
        count += len(bytes_read)
    os.kill(process.pid, signal.SIGKILL)
    count += len(process.stdout.read())
    process.wait()
    return run_id, count


def lost(client, run_id, returned):
    """Share of the calls that are missing, and the points that are there twice."""
    found = [point.step for point in client.get_metric_history(run_id, "m9")]
    kept = len({step for step in found if step < returned})
    return 1 - kept / returned, len(found) - len(set(found))


def report(client, folder, qlib):
    print(
        f"kill -9 after {CALLS} calls of ten keys, one each {PAUSE * 1000:.0f} ms: calls that had returned and are lost"
    )
    for way in (QLIB, ITSELF, ASYNC, OURS, SPOOL):
        if way == ITSELF and qlib.python is None:
            continue
        own = [sys.executable, __file__, way, client.tracking_uri, str(folder)]
        options = {"cwd": qlib.folder, "env": qlib.environment}
        command, given = (qlib.command("kill", "-"), options) if way == ITSELF else (own, {})
        run_id, returned = killed(command, **given)
        time.sleep(GRACE)  # the server ends what it has begun
        if way == SPOOL:
            from rollforward import init
            from rollforward.workflow.mlflow_backend.spool.replay import replay_journals

            init(uri=client.tracking_uri, spool="on", spool_dir=str(folder))
            replay_journals(client.tracking_uri)
        reader = type(client)(tracking_uri=qlib.uri) if way == ITSELF else client
        share, twice = lost(reader, run_id, returned)
        print(f"  {way:<34} {share:8.1%} of {returned}; {twice} points twice")


if __name__ == "__main__":
    loop(*sys.argv[1:])
