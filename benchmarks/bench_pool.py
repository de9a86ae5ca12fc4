"""What a task pool costs on SQLite and on MongoDB, against Qlib's TaskManager on the same server in the same run.

    python benchmarks/bench_pool.py [--oracle PYTHON] [--mongo URL] [--only sqlite|mongo] [--quick]

PYTHON is one with pyqlib, such as ``.oracle-venv/bin/python``, which ``scripts/oracle`` makes; it runs this file too.
Without URL a server of ``scripts/mongod`` is started, and stopped at the end; every write is on disk before its call
returns, on both sides. Medians of several repetitions, so that a busy machine shows less; a rate over several processes
is given with its best repetition too. Nothing here is a test: read the ratios.
"""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from rows import note

HERE = Path(__file__).resolve().parent
SUBMITTED = (200, 1000, 5000, 10000)
WAITING = (200, 5000, 50000)
QLIB_SUBMITTED = (200, 1000, 5000)
COUNTED = 20000
PROCESSES = 8
ANSWER = "answer: "
RESULT = {"prediction": "y" * 2000}
NAP = 0.05
# What a worker preloads when its tasks train.
TRAINING = (
    "rollforward.workflow.mlflow_backend",
    "rollforward.workflow.trainer.train",
    "mlflow.store.tracking.sqlalchemy_store",
    "sklearn",
)


def task(number, run=0):
    """A task as Qlib's examples have it; each number is another one."""
    day = {"start_time": "2008-01-01", "end_time": "2020-08-01", "instruments": "csi300"}
    handler = {"class": "Alpha158", "module_path": "qlib.contrib.data.handler", "kwargs": day}
    segments = {
        "train": ("2008-01-01", "2014-12-31"),
        "valid": ("2015-01-01", "2016-12-31"),
        "test": ("2017-01-01", "2018-12-31"),
    }
    model = {"loss": "mse", "learning_rate": 0.2, "num_leaves": 210, "seed": number, "run": run}
    dataset = {"handler": handler, "segments": segments}
    return {
        "model": {"class": "LGBModel", "module_path": "qlib.contrib.model.gbdt", "kwargs": model},
        "dataset": {"class": "DatasetH", "module_path": "qlib.data.dataset", "kwargs": dataset},
        "record": [
            {"class": "SignalRecord", "module_path": "qlib.workflow.record_temp"},
            {"class": "SigAnaRecord", "module_path": "qlib.workflow.record_temp"},
        ],
    }


def tasks(first, last, run=0):
    return [task(number, run) for number in range(first, last)]


def seconds(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


# --- ours ---------------------------------------------------------------------------------------------------------


def opened(url, name="bench"):
    from rollforward import settings
    from rollforward.workflow.task.manage import TaskManager

    settings.init(task_store=url, task_db_name="rollforward_bench")
    return TaskManager(f"{name}_{uuid.uuid4().hex[:8]}")


def submitting(url, repeat, oracle):
    """Seconds to submit so many new tasks, and the same ones again."""
    new, again, theirs = {}, {}, {}
    for n in SUBMITTED:
        took, qlib = [], []
        for run in range(repeat):
            manager = opened(url)
            manager.create_task([{"first": True}])  # the file, the indexes
            definitions = tasks(0, n)
            took.append([seconds(partial(manager.create_task, definitions)) for _ in range(2)])
            manager.remove()
            if oracle and n in QLIB_SUBMITTED:
                qlib.append(oracle.ask("submit", n, run))
        new[n], again[n] = (statistics.median(column) for column in zip(*took, strict=True))
        theirs |= {n: statistics.median(qlib)} if qlib else {}
    return {"submit": new, "submit again": again, "Qlib submit": theirs}


def claiming(url, repeat, oracle):
    """Pairs of claim and commit a second, with so many tasks waiting; and the time of a count."""
    manager, there, rates, theirs = opened(url), 0, {}, {}
    for n in WAITING:
        for start in range(there, n, 10000):
            manager.create_task(tasks(start, min(start + 10000, n)))
        there, took, qlib = n, [], []
        if oracle:
            oracle.ask("prepare", n)
        for _ in range(2 * repeat + 1):
            took.append(pairs(manager, min(n // 10, 100)))
            if oracle:
                qlib.append(oracle.ask("pairs", n))
        rates[n] = statistics.median(took)
        theirs |= {n: statistics.median(qlib)} if qlib else {}
    manager.remove({"filter.model.kwargs.seed": {"$gte": COUNTED}})
    counted = statistics.median(seconds(manager.task_stat) for _ in range(9))
    found = sum(manager.task_stat().values())
    manager.remove()
    count = {"Qlib task_stat": oracle.ask("count", WAITING[-1])} if oracle else {}
    return {"pairs/s": rates, "Qlib pairs/s": theirs, "task_stat": counted, "counted": found, **count}


def pairs(manager, n):
    def work():
        for _ in range(n):
            manager.claim().commit(RESULT)

    return n / seconds(work)


def running(url, repeat, _):
    """Seconds of `run_task` for each task that does nothing: claim, heartbeat, commit."""
    from rollforward.workflow.task.run import run_task

    n, took = 100, []
    for run in range(repeat):
        manager = opened(url)
        manager.create_task(tasks(0, n, run))
        took.append(seconds(partial(run_task, dict, manager.task_pool, store=manager.store)) / n)
        manager.remove()
    return {"run_task": statistics.median(took)}


def nap(_):
    """A task that takes a while: the process of the next one is made meanwhile."""
    time.sleep(NAP)
    return RESULT


def working(url, repeat, _):
    """Seconds of a worker for each task that does nothing, from the first claim to the last commit.

    Beside that, for tasks of 50 ms: from the claim of a task to its commit, without the task itself.
    """
    from rollforward.workflow.task.store.query import EVERYTHING
    from rollforward.workflow.worker import Worker

    n, found, around = 100, {}, {}
    for preload in ((), TRAINING):
        took = []
        for run in range(repeat):
            manager = opened(url)
            manager.create_task(tasks(0, 30, run))
            Worker(manager.task_pool, nap, store=manager.store, preload=preload, burst=True).run()
            attempts = [one.attempts[0] for one in manager.store.find(EVERYTHING)]
            took += [(one.ended - one.started).total_seconds() - NAP for one in attempts]
            manager.remove()
        around[bool(preload)] = statistics.median(took), statistics.quantiles(took, n=10)[-1]
        for per_process in (1, 50):
            took = []
            for run in range(repeat):
                manager = opened(url)
                manager.create_task(tasks(0, n, run))
                options = {"tasks_per_process": per_process, "preload": preload, "burst": True}
                Worker(manager.task_pool, dict, store=manager.store, **options).run()
                attempts = [one.attempts[0] for one in manager.store.find(EVERYTHING)]
                span = max(one.ended for one in attempts) - min(one.started for one in attempts)
                took.append(span.total_seconds() / n)
                manager.remove()
            found[bool(preload), per_process] = statistics.median(took)
    return {"worker": found, "around": around}


def together(url, repeat, _, n_pairs=200):
    """Pairs a second of several processes on one pool."""
    rates, context = [], multiprocessing.get_context("spawn")
    for run in range(repeat):
        manager = opened(url)
        manager.create_task(tasks(0, PROCESSES * n_pairs, run))
        barrier, times = context.Barrier(PROCESSES), context.Queue()
        arguments = (url, manager.task_pool, n_pairs, barrier, times)
        workers = [context.Process(target=work, args=arguments) for _ in range(PROCESSES)]
        for worker in workers:
            worker.start()
        began, ended = zip(*(times.get() for _ in workers), strict=True)
        for worker in workers:
            worker.join()
        if manager.task_stat() != {"done": PROCESSES * n_pairs}:
            raise RuntimeError(f"{manager} is not done")
        rates.append(PROCESSES * n_pairs / (max(ended) - min(began)))
        manager.remove()
    return {"together": statistics.median(rates), "together at best": max(rates)}


def work(url, pool, n_pairs, barrier, times):
    from rollforward import settings
    from rollforward.workflow.task.manage import TaskManager

    settings.init(task_store=url, task_db_name="rollforward_bench")
    manager = TaskManager(pool)
    manager.task_stat()
    barrier.wait()
    began = time.time()
    for _ in range(n_pairs):
        manager.claim().commit(RESULT)
    times.put((began, time.time()))


def bare(folder, repeat, n_pairs=200):
    """The same over a bare SQLite table: what this machine gives at this moment, with SQLite's own waiting."""
    rates, context = [], multiprocessing.get_context("spawn")
    for run in range(repeat):
        path = str(Path(folder) / f"bare{run}.db")
        db = bare_connection(path)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE t (seq INTEGER PRIMARY KEY, status TEXT, body TEXT, result TEXT)")
        db.execute("CREATE INDEX queue ON t (status, seq)")
        bodies = [(json.dumps(each),) for each in tasks(0, PROCESSES * n_pairs)]
        db.executemany("INSERT INTO t (status, body) VALUES ('waiting', ?)", bodies)
        barrier, times = context.Barrier(PROCESSES), context.Queue()
        workers = [context.Process(target=bare_work, args=(path, n_pairs, barrier, times)) for _ in range(PROCESSES)]
        for worker in workers:
            worker.start()
        began, ended = zip(*(times.get() for _ in workers), strict=True)
        for worker in workers:
            worker.join()
        db.close()
        rates.append(PROCESSES * n_pairs / (max(ended) - min(began)))
    return {"together": statistics.median(rates), "together at best": max(rates)}


def bare_connection(path):
    import sqlite3

    db = sqlite3.connect(path, timeout=60, isolation_level=None)
    db.execute("PRAGMA synchronous = FULL")
    return db


def bare_work(path, n_pairs, barrier, times):
    db = bare_connection(path)
    barrier.wait()
    began = time.time()
    for _ in range(n_pairs):
        db.execute("BEGIN IMMEDIATE")
        seq = db.execute("SELECT seq, body FROM t WHERE status = 'waiting' ORDER BY seq LIMIT 1").fetchone()[0]
        db.execute("UPDATE t SET status = 'running' WHERE seq = ?", (seq,))
        db.execute("COMMIT")
        db.execute("BEGIN IMMEDIATE")
        db.execute("UPDATE t SET status = 'done', result = ? WHERE seq = ?", (json.dumps(RESULT), seq))
        db.execute("COMMIT")
    times.put((began, time.time()))


# --- Qlib's -------------------------------------------------------------------------------------------------------


def serve_as_oracle(url):
    """Runs in the oracle's Python: measures what is asked for on standard input."""
    import pymongo
    from qlib.config import C
    from qlib.workflow.task.manage import TaskManager

    logging.disable(logging.INFO)
    database = f"qlib_bench_{uuid.uuid4().hex[:8]}"
    C["mongo"] = {"task_url": url, "task_db_name": database}

    def submit(n, run):
        manager, definitions = TaskManager(f"submit{n}_{run}"), tasks(0, n)
        took = seconds(lambda: manager.create_task(definitions))
        manager.task_pool.drop()
        return took

    def prepare(n):
        # Its own way takes a quarter of an hour for the longest queue.
        manager = TaskManager(f"pairs{n}")
        new = ({"def": one, "filter": one, "status": "waiting"} for one in tasks(0, n))
        manager.task_pool.insert_many([manager._encode_task(one) for one in new])  # noqa: SLF001

    def pairs_of(n):
        manager, rounds = TaskManager(f"pairs{n}"), 20

        def work():
            for _ in range(rounds):
                manager.commit_task_res(manager.fetch_task(), RESULT)

        return rounds / seconds(work)

    def count(n):
        manager = TaskManager(f"pairs{n}")
        manager.task_pool.delete_many({"filter.model.kwargs.seed": {"$gte": COUNTED}})
        return statistics.median(seconds(manager.task_stat) for _ in range(3))

    known = {"submit": submit, "prepare": prepare, "pairs": pairs_of, "count": count}
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        print(ANSWER + json.dumps(known[name](*arguments)), flush=True)
    with pymongo.MongoClient(url) as client:
        client.drop_database(database)


class Oracle:
    """Qlib in its own Python, asked one thing after the other, so that both sides see the same machine."""

    def __init__(self, python, url):
        command = [python, __file__, "--as-oracle", "--mongo", url]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, *question):
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            if line.startswith(ANSWER):
                return json.loads(line.removeprefix(ANSWER))
        raise RuntimeError(f"Qlib ended at {question}")

    def close(self):
        self._process.stdin.close()
        self._process.wait(60)


# --- the server ---------------------------------------------------------------------------------------------------


@contextmanager
def server(folder):
    """A replica set of one, as the tests have it."""
    import pymongo

    binary = subprocess.run([str(HERE.parent / "scripts" / "mongod")], stdout=subprocess.PIPE, text=True, check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        *(binary.stdout.strip(), "--dbpath", folder, "--port", str(port), "--bind_ip", "127.0.0.1"),
        *("--nounixsocket", "--replSet", "rs0", "--wiredTigerCacheSizeGB", "0.5", "--oplogSize", "256"),
        *("--setParameter", "diagnosticDataCollectionEnabled=false", "--logpath", f"{folder}/log"),
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        with pymongo.MongoClient(f"mongodb://127.0.0.1:{port}/?directConnection=true") as client:
            members = [{"_id": 0, "host": f"127.0.0.1:{port}"}]
            client.admin.command("replSetInitiate", {"_id": "rs0", "members": members})
            while not client.admin.command("hello")["isWritablePrimary"]:
                time.sleep(0.05)
        yield f"mongodb://127.0.0.1:{port}/?replicaSet=rs0"
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


# --- what is shown ------------------------------------------------------------------------------------------------


def show(name, found):
    print(f"\n{name}")
    for n, took in found["submit"].items():
        theirs = found["Qlib submit"].get(n)
        against = f"   Qlib {theirs:7.2f} s: {theirs / took:5.0f} times ours" if theirs else ""
        note(f"submit {n:,} new tasks, {name}", took, qlib=theirs)
        print(f"  submit {n:6,} new tasks    {took:7.3f} s, again {found['submit again'][n]:6.3f} s{against}")
    print(f"  10,000 cost {found['submit'][10000] / found['submit'][1000]:.1f} times 1,000")
    for n, rate in found["pairs/s"].items():
        theirs = found["Qlib pairs/s"].get(n)
        against = f"   Qlib {theirs:7.0f}: ours is {rate / theirs:.1f} times that" if theirs else ""
        note(f"claim + commit, {n:,} waiting, {name}", rate, qlib=theirs, unit="/s", rate=True)
        print(f"  claim + commit, {n:6,} waiting {rate:7.0f} a second{against}")
    theirs = found.get("Qlib task_stat")
    against = f"   Qlib {theirs * 1e3:7.1f} ms" if theirs else ""
    note(f"task_stat of {found['counted']:,} tasks, {name}", found["task_stat"], qlib=theirs)
    print(f"  task_stat of {found['counted']:,} tasks   {found['task_stat'] * 1e3:7.1f} ms{against}")
    print(f"  run_task, nothing to do   {found['run_task'] * 1e3:7.1f} ms a task")
    for (trains, per_process), took in found["worker"].items():
        libraries = "MLflow and sklearn" if trains else "nothing"
        print(f"  worker, {libraries} preloaded, {per_process} tasks per process {took * 1e3:7.1f} ms a task")
    for trains, (median, tenth) in found["around"].items():
        libraries = "MLflow and sklearn" if trains else "nothing"
        took = f"{median * 1e3:7.1f} ms, one in ten above {tenth * 1e3:.1f} ms"
        print(f"  worker, {libraries} preloaded, claim to commit without the task (50 ms) {took}")
    best = f"at best {found['together at best']:.0f}"
    note(f"claim + commit over {PROCESSES} processes, {name}", found["together"], unit="/s", rate=True)
    print(f"  claim + commit over {PROCESSES} processes {found['together']:7.0f} a second, {best}")


def measure(url, repeat, oracle=None):
    found = {}
    for part in (submitting, claiming, running, working, together):
        found |= part(url, repeat, oracle)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--oracle", metavar="PYTHON")
    parser.add_argument("--mongo", metavar="URL")
    parser.add_argument("--only", choices=["sqlite", "mongo"])
    parser.add_argument("--quick", action="store_true", help="one repetition of everything")
    parser.add_argument("--as-oracle", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.as_oracle:
        serve_as_oracle(options.mongo)
        return
    repeat = 1 if options.quick else 3
    # On the disk of the project: /tmp may be memory.
    with tempfile.TemporaryDirectory(dir=HERE.parent, prefix=".bench_pool_") as folder:
        if options.only != "mongo":
            show("SQLite", measure(f"sqlite:///{folder}/tasks.db", repeat))
            found = bare(folder, repeat)
            best = f"at best {found['together at best']:.0f}"
            note(f"a bare table, {PROCESSES} processes, SQLite", found["together"], unit="/s", rate=True)
            print(f"  a bare table, SQLite's own waiting {found['together']:7.0f} a second, {best}")
        if options.only != "sqlite":
            if options.mongo:
                on_mongo(options.mongo, options.oracle, repeat)
            else:
                data = Path(folder) / "mongod"
                data.mkdir()
                with server(str(data)) as url:
                    on_mongo(url, options.oracle, repeat)


def on_mongo(url, python, repeat):
    oracle = Oracle(python, url) if python else None
    try:
        show("MongoDB", measure(url, repeat, oracle))
    finally:
        if oracle:
            oracle.close()


if __name__ == "__main__":
    sys.exit(main())
