"""Processes of runs: several at a time, ended in time, and never left behind."""

import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from rollforward.workflow.batch import children, supervise
from rollforward.workflow.batch.children import start_child
from rollforward.workflow.batch.discover import Entry
from rollforward.workflow.batch.jobs import Job
from rollforward.workflow.batch.parent import ATTEMPT, IN_BATCH, find_attempt
from rollforward.workflow.batch.running import Runner
from rollforward.workflow.batch.watching import watching

CHILD = """
import json, os, signal, subprocess, sys, time
order = json.loads(sys.stdin.readline())
if order.get("deaf"):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if order.get("below"):
    below = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
    open(order["below"], "w").write(str(below.pid))
print("ready", flush=True)
time.sleep(order.get("sleep", 0))
sys.exit(order.get("code", 0))
"""


@pytest.fixture
def start(tmp_path):
    (tmp_path / "tiny_child.py").write_text(CHILD, encoding="utf-8")
    begun = []

    def begin(job, *, timeout=None, **order):
        child = start_child(Path(sys.executable), order, tmp_path / f"{job.slug}.log", timeout, "tiny_child")
        begun.append(child)
        return child

    yield begin
    for child in begun:
        child.kill()


def job(name="M", time=0):
    return Job(Entry(name, name, Path("x.yaml")), time)


def is_gone(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def until(condition):
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_no_more_run_at_once_than_asked_for_and_all_codes_arrive(start):
    jobs = [job(time=time) for time in range(5)]
    open_now, most, codes = set(), [], {}

    def begin(one):
        open_now.add(one.time)
        most.append(len(open_now))
        return start(one, code=one.time)

    def end(one, _child, code):
        open_now.discard(one.time)
        codes[one.time] = code

    supervise.supervise(jobs, 2, begin, end, lambda _: None)

    assert max(most) == 2
    assert codes == {0: 0, 1: 1, 2: 2, 3: 3, 4: 4}


def test_one_that_takes_too_long_is_ended_with_all_it_started_and_the_next_one_runs(start, tmp_path):
    jobs, ended = [job(time=0), job(time=1)], {}
    below = tmp_path / "below"

    def begin(one):
        child = start(one, timeout=0.2, sleep=300, below=str(below)) if one.time == 0 else start(one)
        if one.time == 0:
            until(lambda: below.exists() and below.read_text(encoding="utf-8"))
        return child

    supervise.supervise(
        jobs, 1, begin, lambda one, child, code: ended.update({one.time: (child, code)}), lambda _: None
    )

    assert ended[0][0].timed_out
    assert ended[0][1] != 0
    assert ended[1][1] == 0
    assert not ended[1][0].timed_out
    until(lambda: is_gone(int(below.read_text(encoding="utf-8"))))


def test_one_that_does_not_listen_is_killed(start, tmp_path, monkeypatch):
    monkeypatch.setattr(children, "_GRACE", 0.1)
    one = job()
    child = start(one, sleep=300, deaf=True)
    until(lambda: "ready" in (tmp_path / f"{one.slug}.log").read_text(encoding="utf-8"))

    child.stop()
    until(lambda: child.poll() is not None)

    assert child.process.returncode == -9


def test_an_interrupt_ends_all_of_them(start):
    begun = []

    def begin(one):
        begun.append(start(one, sleep=300))
        return begun[-1]

    def tell(one):
        if one.time == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        supervise.supervise([job(time=0), job(time=1), job(time=2)], 3, begin, lambda *_: None, tell)

    assert len(begun) == 2
    until(lambda: all(is_gone(child.process.pid) for child in begun))


def test_what_a_process_needs_to_know_is_in_no_command_line_and_no_file(start, tmp_path):
    one = job()
    child = start(one, sleep=300, uri="http://me:secret@host")
    until(lambda: "ready" in (tmp_path / f"{one.slug}.log").read_text(encoding="utf-8"))

    assert "secret" not in Path(f"/proc/{child.process.pid}/cmdline").read_text(encoding="utf-8")
    assert os.environ.get("MLFLOW_TRACKING_URI") is None
    assert not [path for path in tmp_path.glob("*.log") if "secret" in path.read_text(encoding="utf-8")]


@pytest.fixture
def runner(recording, tmp_path):
    with (
        recording.start(experiment_name="e", recorder_name="batch") as experiment,
        watching([], progress=False) as watcher,
    ):
        yield Runner(
            parent=recording.get_recorder(),
            experiment=experiment,
            out=tmp_path / "out",
            environments=None,
            share=True,
            at_once=1,
            timeout=None,
            reuse=True,
            watcher=watcher,
        )


def end(runner, one, code, *, timed_out=False, attempt="x"):
    runner._attempts[id(one)] = attempt
    runner._end(one, SimpleNamespace(seconds=1.23, timed_out=timed_out, timeout=1.0), code)


def begun(runner, attempt="x"):
    run = runner.experiment.add_run("M 0", {IN_BATCH: runner.parent.id, ATTEMPT: attempt})
    run.log_metrics(IC=0.25)
    return run


def test_a_finished_run_is_taken_with_its_metrics(runner):
    one, run = job(), begun(runner)
    run.end_run("FINISHED")

    end(runner, one, 0)

    assert (one.state, one.recorder_id, one.metrics, one.seconds) == ("finished", run.id, {"IC": 0.25}, 1.2)
    assert find_attempt(runner.experiment, "x").list_tags()["mlflow.parentRunId"] == runner.parent.id


def test_the_run_of_one_that_was_killed_does_not_stay_running(runner):
    one, run = job(), begun(runner)

    end(runner, one, -9, timed_out=True)

    assert (one.state, one.reason) == ("timed out", "It took longer than 1 s.")
    found = find_attempt(runner.experiment, "x")
    assert (found.id, found.status) == (run.id, "FAILED")
    assert "timeout" in found.list_tags()["killed_because"]


def test_a_run_that_finished_right_before_its_time_was_up_counts(runner):
    one, run = job(), begun(runner)
    run.end_run("FINISHED")

    end(runner, one, -15, timed_out=True)

    assert (one.state, one.metrics) == ("finished", {"IC": 0.25})


def test_a_good_exit_without_a_finished_run_is_a_failure(runner):
    one = job()
    end(runner, one, 0)
    assert (one.state, one.metrics) == ("failed", {})
    assert "no finished run" in one.reason

    two = job()
    begun(runner, "y")
    end(runner, two, 0, attempt="y")
    assert two.state == "failed"


def test_the_line_that_names_the_error_is_the_reason(runner, tmp_path):
    one = job()
    one.log = tmp_path / "log"
    one.log.write_text("Traceback\n  File x\nValueError: wrong\nand a word after it\n", encoding="utf-8")

    end(runner, one, 1)

    assert one.reason == "ValueError: wrong (exit code 1)"
    silent = job()
    end(runner, silent, -11)
    assert silent.reason == "It printed nothing (signal 11)."


def test_a_model_of_a_batch_is_a_trial_of_its_own_and_the_batch_is_none(runner):
    from rollforward.workflow.comparison.trials import count_trials
    from rollforward.workflow.reporting.find import is_part

    runner.parent.set_tags(kind="run_all")
    runner.parent.flush()
    one, run = job(), begun(runner)
    run.end_run("FINISHED")
    end(runner, one, 0)

    assert not is_part(find_attempt(runner.experiment, "x"))
    assert count_trials([runner.experiment.id]).n == 1


LIFELINE = """
import os, subprocess, sys, time
from rollforward.cli import run_all_child
from rollforward.cli.run_all_child import Lifeline
from rollforward.workflow.leaving import sigterm_as_exception
pipe = os.dup(0)
line = Lifeline(pipe, grace=0.2 if sys.argv[1] == "deaf" else 60)
below = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"], stdin=subprocess.DEVNULL)
if sys.argv[1] == "deaf":
    import signal
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
try:
    with sigterm_as_exception():
        print(below.pid, flush=True)
        time.sleep(300)
finally:
    open("ended", "w").write("in order")
    line.settle()
"""


@pytest.mark.parametrize("how", ["listens", "deaf"])
def test_a_run_and_all_it_started_end_with_a_batch_that_was_killed(how, tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", LIFELINE, how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        start_new_session=True,
    )
    below = int(process.stdout.readline())
    assert process.poll() is None

    # As when the process that holds the other end is killed.
    process.stdin.close()

    assert process.wait(120) == -9
    until(lambda: is_gone(below))
    assert (tmp_path / "ended").exists() == (how == "listens")
    process.stdout.close()
