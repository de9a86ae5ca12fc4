"""The rolling job through a pool: the same result as without one, whoever is killed meanwhile."""

import multiprocessing
import os
import random
import signal
import threading
from contextlib import suppress
from pathlib import Path

import pytest
import yaml

from rollforward import settings
from rollforward.cli.main import main
from rollforward.testing import copy_store, release_store
from rollforward.workflow import R
from rollforward.workflow.rolling import RollingJob
from rollforward.workflow.task.manage import TaskManager
from rollforward.workflow.trainer import TrainerRM
from rollforward.workflow.worker import Worker

SPAWN = multiprocessing.get_context("spawn")
HANDLER = {"class": "rollforward.PriceHandler", "kwargs": {"source": "bundled:sp500_close", "horizon": 5}}
TASK = {
    "model": {
        "class": "rollforward.SklearnModel",
        "kwargs": {"estimator": "sklearn.linear_model.Ridge", "alpha": 100.0},
    },
    "dataset": {
        "class": "rollforward.DatasetH",
        "kwargs": {
            "handler": HANDLER,
            "segments": {"train": ["2014-01-02", "2015-12-31"], "test": ["2016-01-04", "2017-12-29"]},
        },
    },
    "record": ["SignalRecord", "SigAnaRecord"],
}
STEP, N_FOLDS, N_KILLS, LEASE = 63, 8, 4, 2.0


def job(trainer=None):
    return RollingJob(
        task=TASK, experiment_name="job", step=STEP, rtype="sliding", calendar="bundled:sp500_close", trainer=trainer
    )


@pytest.fixture(scope="module")
def undisturbed(template_store, tmp_path_factory):
    """What the job predicts in one process, without a pool."""
    uri = copy_store(template_store, tmp_path_factory.mktemp("alone") / "mlflow.db")
    with settings.override(uri=uri):
        result = job().run(progress=False)
        yield stored(result)
    release_store(uri)


def stored(result):
    """Bytes of the merged artifacts."""
    paths = [Path(result.recorder.download_artifact(name)) for name in ("pred.pkl", "label.pkl")]
    return [path.read_bytes() for path in paths]


@pytest.fixture
def _stores(tracking_uri, task_store):
    settings.init(uri=tracking_uri)


def check_runs(result):
    """Every fold has one finished run, and nothing else is open or finished."""
    runs = R.search_records([result.recorder.experiment_id])
    folds = runs[runs["run_id"] != result.recorder.id]
    finished = folds[folds["status"] == "FINISHED"]
    assert sorted(finished["run_id"]) == sorted(recorder.id for recorder in result.recorders)
    assert finished["tags.test_start"].is_unique
    assert len(finished) == N_FOLDS
    assert set(folds["status"]) <= {"FINISHED", "KILLED", "FAILED"}
    for _, run in folds[folds["status"] != "FINISHED"].iterrows():
        successor = run.get("tags.successor")
        assert successor in set(folds["run_id"]) or "is gone" in run["tags.killed_because"]
    starts = [recorder.list_tags()["test_start"] for recorder in result.recorders]
    assert starts == sorted(starts)
    parents = {recorder.list_tags()["mlflow.parentRunId"] for recorder in result.recorders}
    assert parents == {result.recorder.id}


@pytest.mark.parametrize("task_store", ["sqlite"], indirect=True)
@pytest.mark.usefixtures("_stores")
def test_workers_give_the_same_bytes(undisturbed):
    result = job(TrainerRM(n_workers=2, timeout=600)).run(progress=False)
    assert stored(result) == undisturbed
    assert (result.n_trained, result.n_reused) == (N_FOLDS, 0)
    check_runs(result)
    again = job(TrainerRM(n_workers=2, timeout=600)).run(progress=False)
    assert (again.n_trained, again.n_reused, again.resumed) == (0, N_FOLDS, True)
    assert stored(again) == undisturbed


def work(given, pool):
    os.setsid()
    settings.install(given)
    kwargs = {"experiment_name": "job"}
    Worker(pool, n=1, kwargs=kwargs, lease=LEASE, poll=0.1, max_attempts=50, backoff=0.1).run()


def family(pid):
    """A process and all that it has started, itself first."""
    found = [pid]
    with suppress(OSError, ValueError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            for child in (thread / "children").read_text().split():
                found += family(int(child))
    return found


class Herd:
    """Worker processes that are replaced when they die."""

    def __init__(self, pool, n):
        self.pool = pool
        self.workers = [self.start() for _ in range(n)]

    def start(self):
        process = SPAWN.Process(target=work, args=(settings.current(), self.pool))
        process.start()
        return process

    def kill_some(self, rng):
        """Kill one process of a worker, or all of them."""
        members = family(rng.choice(self.workers).pid)
        for pid in members if rng.random() < 0.5 else [rng.choice(members)]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def refill(self):
        for position, worker in enumerate(self.workers):
            if not worker.is_alive():
                worker.join()
                self.workers[position] = self.start()

    def end(self):
        for worker in self.workers:
            for pid in family(worker.pid):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            worker.join()


@pytest.mark.usefixtures("_stores")
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="families of processes are read from /proc")
def test_killed_workers_leave_the_same_runs_and_the_same_bytes(undisturbed):
    rng = random.Random(int(os.environ.get("CHAOS_SEED", "1")))  # noqa: S311  nothing is kept secret
    pool, ended = TaskManager("job"), threading.Event()
    herd = Herd("job", 2)

    def disturb():
        for _ in range(N_KILLS):
            while not pool.task_stat({"status": "running"}) and not ended.wait(0.01):
                herd.refill()
            if ended.wait(rng.expovariate(3)):
                return
            herd.kill_some(rng)
        while not ended.wait(0.1):
            herd.refill()

    thread = threading.Thread(target=disturb)
    thread.start()
    try:
        result = job(TrainerRM(skip_run_task=True, timeout=600)).run(progress=False)
    finally:
        ended.set()
        thread.join()
        herd.end()
    assert stored(result) == undisturbed
    check_runs(result)
    assert pool.task_stat() == {"done": N_FOLDS}
    outcomes = [attempt.outcome for task in pool.query({}, decode=False) for attempt in pool.show(task).attempts]
    assert outcomes.count("committed") == N_FOLDS


def test_the_command_line(tracking_uri, tmp_path, capsys):
    config = tmp_path / "workflow.yaml"
    conf = {"init": {"calendar": "bundled:sp500_close"}, "experiment_name": "cli", "task": TASK}
    config.write_text(yaml.safe_dump(conf), encoding="utf-8")
    command = ["run", str(config), "--uri", tracking_uri, "--rolling", "step=252,type=sliding"]
    pool = ["--pool", f"sqlite:///{tmp_path / 'pool.db'}"]

    assert main([*command, *pool, "-n", "2"]) == 0
    assert "Folds: trained 2, reused 0" in capsys.readouterr().out
    assert TaskManager("cli", tmp_path / "pool.db").task_stat() == {"done": 2}
    assert main([*command, *pool, "-n", "0"]) == 0
    assert "Folds: trained 0, reused 2" in capsys.readouterr().out
    assert main([*command, "-n", "2"]) == 1
    assert "--pool" in capsys.readouterr().err
    assert main([*command, *pool, "-n", "-1"]) == 1
    assert main([*command, "--pool", "nonsense"]) == 1
    assert "no address of a task store" in capsys.readouterr().err
