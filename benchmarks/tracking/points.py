"""10 metrics x 1,000 steps, 100 params and 50 tags: what the caller pays, and how long it takes to be in the store."""

from __future__ import annotations

import contextlib
import gc
import sqlite3
import statistics
import tempfile
import time

from rows import note

from tracking.ways import EACH, OURS, PLAIN, QLIB, SLOW, SPOOL, WAYS, Nothing

STEPS, KEYS, PARAMS, TAGS = 1000, 10, 100, 50
WORK, LOOPS, CALLS, FEW = 0.002, 3, 2000, 200
SHARE = 10  # of the steps of the slow ways, unless everything is measured in full
TEN = {f"m{n}": n / 7 for n in range(KEYS)}
ONE = {"m0": 0.5}


def durable(client, name, steps):
    """Seconds until the whole job is in the store, in the calls and after them."""
    writer = WAYS[name](client)
    start = time.perf_counter()
    writer.texts({f"p{n}": "x" for n in range(PARAMS)}, {f"t{n}": "x" for n in range(TAGS)})
    for step in range(steps):
        writer.metrics(step, TEN)
    writer.end()
    seconds = time.perf_counter() - start
    data = client.get_run(writer.run_id).data
    tags = {f"t{n}" for n in range(TAGS)} & set(data.tags)
    points = {len(client.get_metric_history(writer.run_id, key)) for key in TEN}
    params = {f"p{n}" for n in range(PARAMS)} & set(data.params)
    if (len(params), len(tags), points) != (PARAMS, TAGS, {steps}):
        raise SystemExit(f"{name} lost something: {len(params)} params, {len(tags)} tags, {points} points")
    return seconds


def caller(client, name, values, calls):
    """Median and 99th percentile of one call, in microseconds."""
    writer = WAYS.get(name, Nothing)(client)
    seconds = []
    for step in range(calls):
        start = time.perf_counter_ns()
        writer.metrics(step, values)
        seconds.append(time.perf_counter_ns() - start)
    writer.end()
    seconds.sort()
    return seconds[calls // 2] / 1000, seconds[calls * 99 // 100] / 1000


def loop(client, name, rounds, steps):
    """Seconds of a loop with work between the calls, and of what follows it until all is durable."""
    writer = WAYS[name](client) if name else None
    start = time.perf_counter()
    for step in range(steps):
        for _ in range(rounds):
            sum(range(200))
        if writer:
            writer.metrics(step, TEN)
    middle = time.perf_counter()
    if writer:
        writer.end()
    return middle - start, time.perf_counter() - middle


def floor(steps):
    """Seconds of one bulk insert of the same points into a bare table."""
    with tempfile.TemporaryDirectory() as folder, contextlib.closing(sqlite3.connect(f"{folder}/f.db")) as database:
        database.execute("CREATE TABLE m (run, key, value, time, step, nan, PRIMARY KEY (key, time, step, run, value))")
        database.execute("CREATE INDEX i ON m (run)")
        database.execute("CREATE INDEX j ON m (run, key, step)")
        rows = [("r", key, value, 5, step, 0) for step in range(steps) for key, value in TEN.items()]
        start = time.perf_counter()
        database.executemany("INSERT INTO m VALUES (?, ?, ?, ?, ?, ?)", rows)
        database.commit()
        return time.perf_counter() - start


def calibrated():
    """Rounds of pure Python that take `WORK` seconds."""
    seconds = []
    for _ in range(20):
        start = time.perf_counter()
        for _ in range(200):
            sum(range(200))
        seconds.append((time.perf_counter() - start) / 200)
    return round(WORK / min(seconds))


def report(client, names, *, steps, is_full):
    report_durable(client, names, steps=steps, is_full=is_full)
    print("one call, median / 99th percentile in microseconds")
    for name in ("(a method that does nothing)", *names):
        calls = CALLS if name in (OURS, SPOOL) else FEW
        (one, one_99), (ten, ten_99) = (caller(client, name, values, calls) for values in (ONE, TEN))
        print(f"  {name:<34} one key {one:9.1f} / {one_99:9.1f}    ten keys {ten:9.1f} / {ten_99:9.1f}")
    report_loop(client, [name for name in names if name != EACH and (is_full or name != QLIB)], steps)


def report_durable(client, names, *, steps, is_full):
    print(f"until {KEYS} metrics x {steps} steps, {PARAMS} params and {TAGS} tags are in the store")
    seconds = {}
    for name in names:
        share = SHARE if name in SLOW and not is_full else 1
        seconds[name] = durable(client, name, steps // share) * share
        noted = f" ({share} x the time of {steps // share} steps)" if share > 1 else ""
        print(f"  {name:<34} {seconds[name]:8.3f} s{noted}")
    for name in (OURS, SPOOL):
        if name in seconds:
            note(
                f"{KEYS} metrics x {steps} steps stored, {name}",
                seconds[name],
                qlib=seconds.get(QLIB),
                other=(PLAIN, seconds.get(PLAIN)),
            )
            ratios = [
                f"{seconds[way] / seconds[name]:.2f} x as fast as {way}" for way in (QLIB, PLAIN) if way in seconds
            ]
            print(f"  {name}: {', '.join(ratios)}")
    if client.tracking_uri.startswith("sqlite"):
        bare = floor(steps)
        print(f"  {'bare bulk insert, the floor':<34} {bare:8.3f} s, rollforward takes {seconds[OURS] / bare:.1f} x")


def report_loop(client, names, steps):
    print(f"loop with {WORK * 1000:.0f} ms of pure Python between the calls, of ten keys each; medians of {LOOPS}")
    rounds = calibrated()
    times = {name: [] for name in names}
    for _ in range(LOOPS):
        for name in names:
            bare, _ = loop(client, None, rounds, steps)
            busy, end = loop(client, name, rounds, steps)
            times[name].append((busy / bare, end))
            gc.collect()
    for name, pairs in times.items():
        ratio, end = (statistics.median(column) for column in zip(*pairs, strict=True))
        print(f"  {name:<34} {ratio:8.2f} x as long as without logging, then {end:8.3f} s")
