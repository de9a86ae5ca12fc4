"""Workers as real processes, on both stores."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from rollforward import settings
from rollforward.errors import PoolError
from rollforward.workflow.task.manage import TaskManager
from rollforward.workflow.task.store.opening import open_store
from rollforward.workflow.task.store.query import EVERYTHING
from rollforward.workflow.worker import Worker

THREADS = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"]
SOURCE = Path(__file__).resolve().parents[2] / "src"
# Until something that will happen has happened, on a machine that does other things too. How soon it has to, the long
# version of the chaos suite looks at.
PATIENCE = 120.0
TASKS = """
import ctypes, os, signal, time
from pathlib import Path
from rollforward import settings

def work(d):
    return {"n": d["n"], "pid": os.getpid(), "experiment": settings.current().experiment}

def variables(d):
    return [os.environ.get(name) for name in d["names"]]

def add(d, much):
    return d["n"] + much

def end(d):
    how = d["how"]
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "exit":
        os._exit(3)
    if how == "crash":
        ctypes.string_at(0)
    if how == "raise":
        raise ValueError("no luck")
    if how == "leave":
        raise SystemExit(4)
    if how == "memory":
        big = bytearray(2_000_000_000)
        time.sleep(60)
    if how == "time":
        time.sleep(60)
    return how

def hold_the_interpreter(d):
    ctypes.PyDLL(None).usleep(int(d["seconds"] * 1e6))
    return os.getpid()

def wait(d):
    # Say that it runs, and go on when it is told to.
    folder = Path(d["folder"])
    with (folder / "started").open("a") as file:
        file.write(f"{os.getpid()}\\n")
    while not (folder / "go").exists():
        (folder / "alive").touch()
        time.sleep(0.01)
    return os.getpid()
"""


@pytest.fixture(autouse=True)
def functions(tmp_path, monkeypatch):
    """A module that the processes of tasks can import."""
    (tmp_path / "pool_tasks.py").write_text(TASKS)
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.fixture
def pool(task_store):
    return TaskManager("pool")


class Program(subprocess.Popen):
    """A process and what it logs."""

    def __init__(self, command, log, variables):
        self.file = log
        with log.open("w") as stream:
            super().__init__(command, env=variables, stderr=stream, start_new_session=True)

    def says(self, text):
        return text in self.file.read_text()


@pytest.fixture
def program(task_store, tmp_path):
    """Start ``rollforward worker pool``; what still runs at the end is killed."""
    started = []

    def start(*arguments, func="pool_tasks:wait", url=task_store):
        variables = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(SOURCE), str(tmp_path)]),
            "ROLLFORWARD_TASK_STORE": url,
            "ROLLFORWARD_TASK_DB_NAME": settings.current().task_db_name,
        }
        command = [sys.executable, "-m", "rollforward", "worker", "pool", "--train-func", func, *arguments]
        process = Program(command, tmp_path / f"worker{len(started)}.log", variables)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait(10)


def until(condition):
    """Wait for something that another process does; give what the condition gave."""
    deadline, pause = time.monotonic() + PATIENCE, threading.Event()
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen"
        pause.wait(0.02)
    return found


def is_gone(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def pids(folder):
    found = folder / "started"
    return [int(line) for line in found.read_text().split()] if found.exists() else []


def only(pool):
    (task,) = pool.store.find(EVERYTHING)
    return task


def ended(process):
    return process.wait(PATIENCE), process.file.read_text()


def stop(process, task_store):
    """Hold a process still; not while it writes to a file, which nobody could write to then."""
    process.send_signal(signal.SIGSTOP)
    while task_store.startswith("sqlite"):
        with closing(sqlite3.connect(task_store.removeprefix("sqlite:///"), timeout=0.5)) as db:
            try:
                db.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                process.send_signal(signal.SIGCONT)
            else:
                return
        process.send_signal(signal.SIGSTOP)


def test_each_task_has_a_process_of_its_own_with_the_settings_of_here(pool):
    settings.change(experiment="mine")
    pool.create_task([{"n": n} for n in range(6)])
    report = Worker("pool", "pool_tasks:work", n=2, burst=True).run()
    assert (report.n_done, report.n_failed, report.stopped_by) == (6, 0, "")
    results = [task["res"] for task in pool.query()]
    assert [result["n"] for result in results] == list(range(6))
    assert len({result["pid"] for result in results} | {os.getpid()}) == 7
    assert {result["experiment"] for result in results} == {"mine"}
    assert pool.workers() == []
    until(lambda: all(is_gone(result["pid"]) for result in results))


@pytest.mark.parametrize(
    ("n", "set_before", "expected"),
    [
        (2, {}, ["3", "3", "3"]),
        (9, {"MKL_NUM_THREADS": "5"}, ["1", "1", "5"]),
        (2, {"OMP_NUM_THREADS": "7"}, ["7", None, None]),
        (1, {}, [None, None, None]),
    ],
)
def test_tasks_at_a_time_share_the_processors(pool, monkeypatch, n, set_before, expected):
    for name in THREADS:
        monkeypatch.delenv(name, raising=False)
    for name, value in set_before.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("rollforward.workflow.worker.nursery._n_processors", lambda: 6)
    pool.create_task([{"names": THREADS}])
    Worker("pool", "pool_tasks:variables", n=n, burst=True).run()
    (task,) = pool.query()
    assert task["res"] == expected
    assert {name: os.environ[name] for name in THREADS if name in os.environ} == set_before


def test_it_says_where_it_works_and_what_others_hold(pool, caplog):
    settings.change(uri="postgresql://me:hidden@host/runs", experiment="mine")
    pool.create_task([{"n": 1}, {"n": 2}])
    pool.claim(lease=100)
    with caplog.at_level("INFO", "rollforward.workflow.worker"):
        Worker("pool", "pool_tasks:work", burst=True).run()
    assert "runs in the experiment mine of postgresql://" in caplog.text
    assert "hidden" not in caplog.text
    assert "1 tasks are still held by other workers; they are taken when their lease ends (up to " in caplog.text
    caplog.clear()
    with caplog.at_level("INFO", "rollforward.workflow.worker"):
        Worker("pool", "pool_tasks:add", burst=True, kwargs={"experiment_name": "told"}, query={"filter.n": 2}).run()
    assert "runs in the experiment told of" in caplog.text
    assert "still held" not in caplog.text


def test_a_burst_says_that_there_was_nothing_to_do(pool, caplog):
    with caplog.at_level("INFO", "rollforward.workflow.worker"):
        Worker("pol", "pool_tasks:work", burst=True, preload=()).run()
    assert "There is no pool 'pol' in" in caplog.text
    pool.create_task([{"n": 1}])
    pool.cancel()
    caplog.clear()
    with caplog.at_level("INFO", "rollforward.workflow.worker"):
        Worker("pol", "pool_tasks:work", burst=True, preload=()).run()
        Worker("pool", "pool_tasks:work", burst=True, preload=()).run()
    assert "Did you mean 'pool'?" in caplog.text
    assert "Nothing to claim in the pool 'pool': 1 failed." in caplog.text


def test_arguments_and_a_process_for_several_tasks(pool):
    pool.create_task([{"n": n} for n in range(4)], priority=1)
    pool.create_task([{"n": 10}], priority=5)
    pool.create_task([{"n": 11}])
    worker = Worker(
        "pool", "pool_tasks:add", kwargs={"much": 5}, burst=True, priority_min=1, query={"filter.n": {"$ne": 3}}
    )
    assert worker.run().n_done == 4
    assert [task.get("res") for task in pool.query()] == [5, 6, 7, None, 15, None]
    Worker("pool", "pool_tasks:work", burst=True, tasks_per_process=2, method="fork").run()
    assert len({task["res"]["pid"] for task in pool.query({"filter.n": {"$in": [3, 11]}})}) == 1


def test_a_fresh_interpreter_for_each_task(pool):
    pool.create_task([{"n": 1}, {"n": 2}])
    assert Worker("pool", "pool_tasks:work", method="spawn", max_tasks=1).run().n_done == 1
    assert pool.task_stat() == {"waiting": 1, "done": 1}


WAYS = {
    "kill": "died of SIGKILL",
    "exit": "exit code 3",
    "crash": "died of SIG",
    "raise": "ValueError: no luck",
    "leave": "SystemExit: 4",
    "memory": "memory limit was exceeded",
    "time": "took more than 8 s",
}


def test_whatever_ends_a_process_is_an_attempt_and_stops_nobody_else(pool):
    pool.create_task([{"how": how} for how in (*WAYS, "well", "done")])
    options = {"timeout": 8, "memory_limit": 500_000_000, "max_attempts": 2, "backoff": 0.01}
    report = Worker("pool", "pool_tasks:end", n=4, burst=True, **options).run()
    assert (report.n_done, report.n_failed) == (2, 2 * len(WAYS))
    assert pool.task_stat() == {"done": 2, "failed": len(WAYS)}
    for task in pool.store.find(EVERYTHING, bodies=True):
        how = task.filter["how"]
        assert how not in WAYS or WAYS[how] in task.error
        assert len(task.attempts) == (2 if how in WAYS else 1)
    (raised,) = pool.query({"filter.how": "raise"})
    assert 'raise ValueError("no luck")' in pool.show(raised["_id"]).traceback


def test_a_task_that_holds_the_interpreter_keeps_its_lease(pool):
    pool.create_task([{"seconds": 7.0}])
    assert Worker("pool", "pool_tasks:hold_the_interpreter", lease=3, burst=True).run().n_done == 1
    assert len(only(pool).attempts) == 1


def test_sigterm_gives_a_task_back_that_is_not_done_in_time(pool, program, tmp_path):
    pool.create_task([{"folder": str(tmp_path)}])
    process = program("--grace", "0.2")
    (pid,) = until(lambda: pids(tmp_path))
    process.send_signal(signal.SIGTERM)
    code, log = ended(process)
    assert code == 0, log
    task = only(pool)
    assert (task.status, task.tries, task.attempts[0].outcome) == ("waiting", 0, "returned")
    until(lambda: is_gone(pid))
    assert f"Task {task.id}, attempt 1: started" in log
    assert "given back" in log
    assert pool.workers() == []


def test_sigterm_lets_a_task_finish_and_claims_no_other(pool, program, tmp_path):
    pool.create_task([{"folder": str(tmp_path), "n": n} for n in range(2)])
    process = program("--grace", "60", "--poll", "0.1")
    until(lambda: pids(tmp_path))
    process.send_signal(signal.SIGTERM)
    until(lambda: process.says("nothing more is claimed"))
    (tmp_path / "go").touch()
    code, log = ended(process)
    assert code == 0, log
    assert pool.task_stat() == {"waiting": 1, "done": 1}


def test_a_second_signal_ends_it_at_once(pool, program, tmp_path):
    pool.create_task([{"folder": str(tmp_path)}])
    process = program("--grace", "600")
    (pid,) = until(lambda: pids(tmp_path))
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGINT)
    code, log = ended(process)
    assert code == 0, log
    assert (only(pool).status, only(pool).tries) == ("waiting", 0)
    until(lambda: is_gone(pid))


def test_the_task_of_a_worker_that_was_killed_is_taken_over(pool, program, tmp_path):
    """Nothing of the dead worker goes on, and another one begins when the lease has passed."""
    pool.create_task([{"folder": str(tmp_path)}])
    first = program("--lease", "5", "--poll", "0.1")
    (pid,) = until(lambda: pids(tmp_path))
    second = program("--lease", "60", "--poll", "0.1", "--once")
    until(lambda: len(pool.workers()) == 2)
    first.kill()
    until(lambda: is_gone(pid))
    until(lambda: len(pids(tmp_path)) == 2)
    (tmp_path / "go").touch()
    assert ended(second)[0] == 0
    task = only(pool)
    assert (task.status, [one.outcome for one in task.attempts]) == ("done", ["lost", "committed"])


def test_a_worker_that_stands_still_has_its_task_ended_before_somebody_else_begins(pool, program, tmp_path, task_store):
    pool.create_task([{"folder": str(tmp_path)}])
    first = program("--lease", "5", "--poll", "0.1")
    (pid,) = until(lambda: pids(tmp_path))
    stop(first, task_store)
    until(lambda: is_gone(pid))
    assert (tmp_path / "alive").stat().st_mtime < only(pool).available_at.timestamp(), "the lease outlasts the process"
    claim = until(pool.claim)
    claim.commit("second")
    first.send_signal(signal.SIGCONT)
    until(lambda: first.says("dropped"))
    first.send_signal(signal.SIGTERM)
    assert ended(first)[0] == 0
    assert pool.re_query(only(pool).id)["res"] == "second"


def test_a_task_that_is_cancelled_is_stopped(pool, program, tmp_path):
    (task_id,) = pool.create_task([{"folder": str(tmp_path)}])
    process = program("--lease", "1", "--once")
    (pid,) = until(lambda: pids(tmp_path))
    assert pool.cancel() == 1
    until(lambda: is_gone(pid))
    assert ended(process)[0] == 0
    assert pool.show(task_id).status == "failed"


def test_the_keeper_may_die_too(pool, program, tmp_path):
    """It is started again, and what ran is tried again."""
    pool.create_task([{"folder": str(tmp_path)}])
    process = program("--once", "--max-attempts", "2")
    (pid,) = until(lambda: pids(tmp_path))
    os.kill(int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]), signal.SIGKILL)
    code, log = ended(process)
    assert code == 0, log
    until(lambda: is_gone(pid))
    assert "starts the processes of tasks died" in only(pool).error
    assert only(pool).status == "waiting"


@pytest.mark.parametrize(("deaths", "n_done"), [(1, 1), (3, None)])
def test_a_keeper_that_is_killed_while_it_starts_is_started_again(pool, tmp_path, monkeypatch, deaths, n_done):
    (tmp_path / "deadly.py").write_text(
        "import os\n"
        "from pathlib import Path\n"
        "starts = Path(__file__).with_name('starts')\n"
        "with starts.open('a') as file:\n"
        "    file.write('x')\n"
        f"if starts.stat().st_size <= {deaths}:\n"
        "    os.kill(os.getpid(), 9)\n"
        "def work(definition):\n"
        "    return 1\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    pool.create_task([{"n": 1}])
    worker = Worker("pool", "deadly:work", burst=True, preload=())
    if n_done is None:
        with pytest.raises(PoolError, match="died while it started"):
            worker.run()
        assert (tmp_path / "starts").stat().st_size == 3
        assert only(pool).attempt == 0
    else:
        assert worker.run().n_done == n_done
        assert (tmp_path / "starts").stat().st_size == deaths + 1


def test_a_function_that_is_not_there_is_said_at_once(pool):
    with pytest.raises(PoolError, match="no function 'missing'") as caught:
        Worker("pool", "pool_tasks:missing").run()
    assert str(caught.value).count("Expected") == 1
    assert str(caught.value).count("PoolError") == 0
    with pytest.raises(PoolError, match="no module 'missing'"):
        Worker("pool", "missing:work").run()
    with pytest.raises(PoolError, match="another process"):
        Worker("pool", lambda definition: definition)


@pytest.mark.xdist_group("mongod")
def test_a_worker_waits_for_a_server_and_survives_its_absence(own_mongod, tmp_path):
    own_mongod.kill()
    pool = TaskManager("pool", open_store("pool", own_mongod.url, "db", patience=PATIENCE))
    store = open_store("pool", own_mongod.url, "db", patience=1)
    worker = Worker("pool", "pool_tasks:work", store=store, poll=0.1)
    thread = threading.Thread(target=worker.run)
    thread.start()
    own_mongod.start()
    pool.create_task([{"n": 0}])
    until(lambda: pool.task_stat() == {"done": 1})
    own_mongod.kill()
    own_mongod.start()
    pool.create_task([{"n": 1}])
    until(lambda: pool.task_stat() == {"done": 2})
    worker.stop()
    thread.join(PATIENCE)
    assert not thread.is_alive()
