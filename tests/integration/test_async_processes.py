"""What is in the store when a process that logs in the background ends, in whichever way: real processes."""

from __future__ import annotations

import signal

import pytest
from forked import run_scripts

from rollforward import settings
from rollforward.testing import copy_store, release_store
from rollforward.workflow import R

PREAMBLE = """
def end_with(number):
    threading.Thread(target=lambda: (time.sleep(0.5), os.kill(os.getpid(), number)), daemon=True).start()

def compute(seconds):
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        sum(range(100))

"""
SCRIPTS = {
    "killed": """
with R.start():
    # In processor time of this thread, which other processes do not use up.
    step, began = 0, time.thread_time()
    while (used := time.thread_time() - began) < 3:
        step += 1
        R.log_metrics(step=step, called=used, **{f"m{n}": 1.0 for n in range(9)})
        print(f"{step} {used}", flush=True)
        compute(0.002)
    os.kill(os.getpid(), signal.SIGKILL)
""",
    "sigterm": """
with R.start():
    for step in range(1, 100_000):
        R.log_metrics(step=step, x=step)
        print(step, flush=True)
        if step == 100:
            end_with(signal.SIGTERM)
        compute(0.002)
""",
    "open at exit": """
R.start_exp()
recorder = R.get_recorder()
for step in range(1, 2001):
    R.log_metrics(step=step, x=step)
print(2000)
""",
    "default run at exit, from a thread": """
def work():
    for step in range(1, 501):
        R.log_metrics(step=step, x=step)

thread = threading.Thread(target=work)
thread.start()
thread.join()
print(500)
""",
    "first logged at exit": """
import atexit
R.start_exp()
atexit.register(lambda: R.log_metrics(step=1, x=1))
print(1)
""",
    "forked": """
with R.start():
    recorder = R.get_recorder()
    R.log_metrics(step=1, x=1)

    def work():
        assert recorder._writer._queue._given == 0
        recorder.log_metrics(step=3, child=3)

    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join()
    assert process.exitcode == 0
    for step in range(2, 101):
        R.log_metrics(step=step, x=step)
    assert recorder.list_metrics()["child"] == 3
print(100)
""",
    "forked beside logging threads": """
with R.start():
    recorder = R.get_recorder()
    stop = threading.Event()

    def log(n):
        step = 0
        while not stop.is_set():
            step += 1
            recorder.log_metrics(step=step, **{f"t{n}": step})
            time.sleep(0.0005)

    threads = [threading.Thread(target=log, args=(n,), daemon=True) for n in range(4)]
    for thread in threads:
        thread.start()
    for n in range(5):
        pid = os.fork()
        if pid == 0:
            signal.alarm(150)
            recorder.log_metrics(**{f"c{n}": n})
            recorder.flush()
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
    stop.set()
    for thread in threads:
        thread.join()
    metrics = recorder.list_metrics()
    assert [metrics[f"c{n}"] for n in range(5)] == [0, 1, 2, 3, 4]
    R.log_metrics(step=7, x=7)
print(7)
""",
}


@pytest.fixture(scope="module")
def ended(template_store, tmp_path_factory):
    """Every script, run to its end on a store of its own: name -> what is known of it."""
    jobs = []
    for name, code in SCRIPTS.items():
        folder = tmp_path_factory.mktemp("process")
        copy_store(template_store, folder / "mlflow.db")
        jobs.append((name, folder, PREAMBLE + code, None, {}))
    known = run_scripts(tmp_path_factory.mktemp("host"), jobs)
    yield known
    for _, folder, *_ in jobs:
        release_store(f"sqlite:///{folder}/mlflow.db")


@pytest.fixture
def result(ended):
    def look(name):
        known = ended[name]
        settings.init(uri=f"sqlite:///{known.folder}/mlflow.db")
        (recorder,) = R.list_recorders(rtype="list")
        # What it said last is what it logged last; a kill can cut the last line.
        lines = [line for line in known.out.splitlines(keepends=True) if line.endswith("\n")]
        return known.code, lines[-1].split(), known.err, recorder

    return look


def test_kill_9_in_a_computing_loop_loses_a_fraction_of_a_second(result):
    code, (step, called), _, recorder = result("killed")
    assert code == -signal.SIGKILL
    assert int(step) > 10
    # 0.1 s of waiting for company and the time of one write; five times that for a disk that is busy.
    assert float(called) - recorder.metrics["called"] < 1.5


@pytest.mark.parametrize(
    ("name", "exit_code", "status"),
    [
        ("sigterm", 128 + signal.SIGTERM, "KILLED"),
        ("open at exit", 0, "FINISHED"),
        ("default run at exit, from a thread", 0, "FINISHED"),
        ("forked", 0, "FINISHED"),
        ("forked beside logging threads", 0, "FINISHED"),
    ],
)
def test_every_call_that_returned_is_in_the_store(result, name, exit_code, status):
    code, (last,), err, recorder = result(name)
    assert (code, err) == (exit_code, "")
    assert recorder.metrics["x"] >= int(last)
    assert R.search_records([recorder.experiment_id])["status"].tolist() == [status]


def test_logging_while_the_interpreter_exits_is_no_error(result):
    code, _, err, recorder = result("first logged at exit")
    assert (code, err) == (0, "")
    assert recorder.metrics == {"x": 1.0}


def test_no_point_is_sent_twice_after_a_fork(result):
    from rollforward.workflow.mlflow_backend.store.client import client_for

    *_, recorder = result("forked")
    steps = [point.step for point in client_for(recorder.uri).get_metric_history(recorder.id, "x")]
    assert sorted(steps) == list(range(1, 101))
