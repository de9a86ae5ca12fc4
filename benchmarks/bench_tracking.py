"""What logging costs its caller, and how long it takes until it is in the store: several ways in one run, as ratios.

    python benchmarks/bench_tracking.py          # SQLite
    python benchmarks/bench_tracking.py --http   # a real server on this machine, started here

10 metrics x 1,000 steps, 100 params and 50 tags. Nothing here is a test: read the ratios, not the seconds.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import logging
import os
import queue
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

os.environ |= {"MLFLOW_DISABLE_TELEMETRY": "true", "GIT_PYTHON_REFRESH": "quiet"}

STEPS, KEYS, PARAMS, TAGS = 1000, 10, 100, 50
WORK, LOOPS, LIVES = 0.002, 3, 20
TEN = {f"m{n}": n / 7 for n in range(KEYS)}
ONE = {"m0": 0.5}


class OnePerKey:
    """The client, one synchronous request for each key."""

    def __init__(self, client, run_id):
        self.client, self.run_id = client, run_id

    def metrics(self, step, values):
        for key, value in values.items():
            self.client.log_metric(self.run_id, key, value, step=step)

    def texts(self, params, tags):
        for key, value in params.items():
            self.client.log_param(self.run_id, key, value)
        for key, value in tags.items():
            self.client.set_tag(self.run_id, key, value)

    def end(self):
        pass


class ThreadPerKey(OnePerKey):
    """Calls are queued as they are and made one by one in a thread: a request for each key."""

    def __init__(self, client, run_id):
        super().__init__(client, run_id)
        self.calls = queue.Queue()
        self.thread = threading.Thread(target=self.work)
        self.thread.start()

    def work(self):
        while (call := self.calls.get()) is not None:
            method, arguments = call
            method(*arguments)

    def metrics(self, step, values):
        self.calls.put((super().metrics, (step, values)))

    def texts(self, params, tags):
        self.calls.put((super().texts, (params, tags)))

    def end(self):
        self.calls.put(None)
        self.thread.join()


class BatchPerCall(OnePerKey):
    """The client's log_batch, synchronous, once per call."""

    def metrics(self, step, values):
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self.client.log_batch(self.run_id, [Metric(key, value, now, step) for key, value in values.items()])

    def texts(self, params, tags):
        from mlflow.entities import Param, RunTag

        self.client.log_batch(
            self.run_id, (), [Param(*item) for item in params.items()], [RunTag(*item) for item in tags.items()]
        )


class MlflowAsync(BatchPerCall):
    """MLflow's own asynchronous log_batch."""

    def __init__(self, client, run_id):
        super().__init__(client, run_id)
        self.pending = []

    def metrics(self, step, values):
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [Metric(key, value, now, step) for key, value in values.items()]
        self.pending.append(self.client.log_batch(self.run_id, metrics, synchronous=False))

    def end(self):
        for operation in self.pending:
            operation.wait()


class Thousands(BatchPerCall):
    """Everything is kept, and written by log_batch in 1,000s at the end."""

    def __init__(self, client, run_id):
        super().__init__(client, run_id)
        self.kept = []

    def metrics(self, step, values):
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self.kept += [Metric(key, value, now, step) for key, value in values.items()]

    def end(self):
        for first in range(0, len(self.kept), 1000):
            self.client.log_batch(self.run_id, self.kept[first : first + 1000])


class Ours:
    """A recorder of rollforward, in the background or not."""

    def __init__(self, client, run_id, *, in_background=True):
        from rollforward.workflow.mlflow_backend.experiment import read_recorder
        from rollforward.workflow.mlflow_backend.writer import RunWriter

        self.recorder = read_recorder(client.tracking_uri, run_id)
        if in_background:
            self.recorder._writer = RunWriter(client.tracking_uri, run_id)  # noqa: SLF001  # as start_run does

    def metrics(self, step, values):
        self.recorder.log_metrics(step, **values)

    def texts(self, params, tags):
        self.recorder.log_params(**params)
        self.recorder.set_tags(**tags)

    def end(self):
        self.recorder._writer.close()  # noqa: SLF001  # the status of a run is none of this measurement


WRITERS = {
    "thread, one call per key (Qlib's way)": ThreadPerKey,
    "log_metric per key": OnePerKey,
    "log_batch per call": BatchPerCall,
    "MLflow async": MlflowAsync,
    "log_batch of 1,000": Thousands,
    "rollforward, async_log off": lambda client, run_id: Ours(client, run_id, in_background=False),
    "rollforward": Ours,
}
QLIB, PLAIN, OURS = "thread, one call per key (Qlib's way)", "log_batch of 1,000", "rollforward"


class Bench:
    """One store, and runs in it."""

    def __init__(self, uri, *, steps, only):
        from rollforward.workflow.mlflow_backend.client import client_for

        self.uri, self.steps = uri, steps
        self.client = client_for(uri)
        self.names = [name for name in WRITERS if only is None or name in only]

    def writer(self, name):
        run_id = self.client.create_run("0").info.run_id
        return WRITERS[name](self.client, run_id), run_id

    def durable(self, name):
        """Seconds until the whole job is in the store, of which in the calls."""
        writer, run_id = self.writer(name)
        start = time.perf_counter()
        writer.texts({f"p{n}": "x" for n in range(PARAMS)}, {f"t{n}": "x" for n in range(TAGS)})
        for step in range(self.steps):
            writer.metrics(step, TEN)
        writer.end()
        seconds = time.perf_counter() - start
        data = self.client.get_run(run_id).data
        found = len(data.metrics), len(data.params), sum(key.startswith("t") for key in data.tags)
        points = len(self.client.get_metric_history(run_id, "m3"))
        if (*found, points) != (KEYS, PARAMS, TAGS, self.steps):
            raise SystemExit(f"{name} lost something: {found}, {points} points")
        return seconds

    def caller(self, name, values, calls):
        """Median and 99th percentile of one call, in microseconds."""
        writer, _ = self.writer(name)
        seconds = []
        for step in range(calls):
            start = time.perf_counter_ns()
            writer.metrics(step, values)
            seconds.append(time.perf_counter_ns() - start)
        writer.end()
        seconds.sort()
        return seconds[calls // 2] / 1000, seconds[calls * 99 // 100] / 1000

    def loop(self, name, rounds):
        """Seconds of a loop with work between the calls, and of what follows it until all is durable."""
        writer = self.writer(name)[0] if name else None
        start = time.perf_counter()
        for step in range(self.steps):
            for _ in range(rounds):
                sum(range(200))
            if writer:
                writer.metrics(step, TEN)
        middle = time.perf_counter()
        if writer:
            writer.end()
        return middle - start, time.perf_counter() - middle

    def floor(self):
        """Seconds of one bulk insert of the same points into a bare table."""
        with tempfile.TemporaryDirectory() as folder, contextlib.closing(sqlite3.connect(f"{folder}/f.db")) as database:
            database.execute(
                "CREATE TABLE m (run, key, value, time, step, nan, PRIMARY KEY (key, time, step, run, value))"
            )
            database.execute("CREATE INDEX i ON m (run)")
            database.execute("CREATE INDEX j ON m (run, key, step)")
            rows = [("r", key, value, 5, step, 0) for step in range(self.steps) for key, value in TEN.items()]
            start = time.perf_counter()
            database.executemany("INSERT INTO m VALUES (?, ?, ?, ?, ?, ?)", rows)
            database.commit()
            return time.perf_counter() - start

    def lives(self):
        """Median seconds of the start and end of a run."""
        from rollforward import init
        from rollforward.workflow import R

        init(uri=self.uri)
        seconds = []
        for _ in range(LIVES):
            start = time.perf_counter()
            with R.start(experiment_name="lives"):
                pass
            seconds.append(time.perf_counter() - start)
        return statistics.median(seconds)


def calibrated():
    """Rounds of pure Python that take `WORK` seconds."""
    seconds = []
    for _ in range(20):
        start = time.perf_counter()
        for _ in range(200):
            sum(range(200))
        seconds.append((time.perf_counter() - start) / 200)
    return round(WORK / min(seconds))


def report(bench, *, is_local):
    print("until everything is in the store")
    seconds = {name: bench.durable(name) for name in bench.names}
    for name, value in seconds.items():
        ratios = [f"{seconds[other] / value:8.1f} x faster than {other}" for other in (QLIB, PLAIN) if other in seconds]
        print(f"  {name:<40} {value:8.3f} s {','.join(ratios)}")
    if is_local:
        floor = bench.floor()
        print(f"  {'bare bulk insert, the floor':<40} {floor:8.3f} s   rollforward: {seconds[OURS] / floor:.1f} x")

    print("one call, median / 99th percentile in microseconds")
    for name in bench.names:
        calls = 2000 if name in (QLIB, OURS) else 200
        (one, one_99), (ten, ten_99) = (bench.caller(name, values, calls) for values in (ONE, TEN))
        print(f"  {name:<40} one key {one:10.1f} / {one_99:10.1f}    ten keys {ten:10.1f} / {ten_99:10.1f}")

    print(f"loop with {WORK * 1000:.0f} ms of pure Python between the calls, of ten keys each; medians of {LOOPS}")
    rounds = calibrated()
    slow = {"log_metric per key"}
    names = [name for name in bench.names if name not in slow]
    times = {name: [] for name in names}
    for _ in range(LOOPS):
        for name in names:
            bare, _ = bench.loop(None, rounds)
            loop, end = bench.loop(name, rounds)
            times[name].append((loop / bare, end))
            gc.collect()
    for name, pairs in times.items():
        ratio, end = (statistics.median(column) for column in zip(*pairs, strict=True))
        print(f"  {name:<40} {ratio:8.2f} x as long as without logging, then {end:8.3f} s")

    print(f"start and end of a run: {bench.lives() * 1000:.1f} ms")


@contextlib.contextmanager
def server(folder):
    """A tracking server on this machine, with one worker."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    process = subprocess.Popen(
        [*command, "--backend-store-uri", f"sqlite:///{folder}/server.db", "--artifacts-destination", f"{folder}/a"],
        env=os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(600):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
                break
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--http", action="store_true", help="through a server that is started here")
    parser.add_argument("--steps", type=int, default=STEPS, help="fewer make the slow ways bearable")
    parser.add_argument("--only", type=json.loads, help='names of writers as JSON: ["rollforward"]')
    options = parser.parse_args()
    logging.getLogger().setLevel(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        os.chdir(folder)
        uri = stack.enter_context(server(folder)) if options.http else f"sqlite:///{Path(folder) / 'mlflow.db'}"
        report(Bench(uri, steps=options.steps, only=options.only), is_local=not options.http)
        os.chdir("/")


if __name__ == "__main__":
    main()
