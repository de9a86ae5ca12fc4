"""Faults, at random, on real workers and real stores; see docs/explanation/chaos.md."""

import math
import os
import subprocess
import sys

import pytest
from faults_rig import faults
from faults_rig.rig import LEASE, Rig

from rollforward import settings

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the rig looks into /proc")


@pytest.mark.parametrize("anybody", [False, True], ids=["workers", "any-process"])
def test_kill(rig, sized, report, anybody):
    fault = "kill -9 of any process of a worker" if anybody else "kill -9 of workers"
    n, mean = sized((40, 0.5), (1000, 0.5))
    report(fault, faults.kill(rig, n, 0.1, mean, anybody=anybody))


@pytest.mark.parametrize(
    ("kind", "whole"), [("run_task", True), ("worker", True), ("worker", False)], ids=["task", "family", "worker"]
)
def test_pause(rig, sized, report, kind, whole):
    who = {"run_task": "of `run_task`", "worker": "of a worker and its tasks" if whole else "of a worker alone"}[kind]
    n, n_pauses = sized((30, 2), (120, 12))
    report(f"SIGSTOP for 1.8 L, SIGCONT: {who}", faults.pause(rig, n, 0.4, n_pauses, kind=kind, whole=whole))


def test_terminate(rig, sized, report):
    report("SIGTERM in mid task", faults.terminate(rig, *sized((1, 5.0, 25.0), (10, 2.0, 3.0))))


def test_poison(rig, sized, report):
    report("tasks that end their own process", faults.poison(rig, *sized((10, 4), (100, 20))))


def test_submit(rig, sized, report):
    figures = faults.submit(rig, sized(200, 1000))
    # What is promised of seconds is looked at in the long version, which has a machine of its own.
    assert figures["seconds"] < sized(math.inf, 5)
    report("the same tasks submitted by 8 processes", figures)


def test_outage(own_mongod, tmp_path, sized, report, seed):
    n, seconds, away, n_outages = sized((60, 0.05, 1.0, 1), (1000, 0.05, 5.0, 3))
    with Rig(tmp_path, own_mongod.url, "chaos", seed) as rig:
        figures = faults.outage(rig, own_mongod, n, seconds, away, n_outages)
    assert figures["longest until a task is claimed again, s"] <= sized(math.inf, 5)
    report("kill -9 of the MongoDB server under load", figures, "MongoDB")


@pytest.mark.parametrize("kind", ["run_task", "worker"])
def test_starve(rig, sized, report, kind):
    where = "of `run_task`" if kind == "run_task" else "of a worker"
    # The lease of a worker has to last: on a machine that does other things too, it may be late to renew it.
    lease = sized(2 * LEASE, LEASE) if kind == "worker" else LEASE
    figures = faults.starve(rig, *sized((4, 1), (12, 4)), lease, kind=kind)
    report(f"a task {where} holds the interpreter for 3 L", figures)


def test_full_artifacts(task_store, tracking_uri, tmp_path, sized, report, seed):
    with Rig(tmp_path, task_store, settings.current().task_db_name, seed, tracking_uri) as rig:
        report("disk full while a recorder saves", faults.full_artifacts(rig, *sized((3, 1), (10, 4))))


def test_full_pool(tmp_path, sized, report, seed):
    with Rig(tmp_path, f"sqlite:///{tmp_path / 'tasks.db'}", "chaos", seed) as rig:
        report("disk full while a result goes to the pool", faults.full_pool(rig, sized(6, 30), faults.limit_files))


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64m", "none", folder]
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_small_disk(small_disk, tmp_path, sized, report, seed):
    ballast = small_disk / "ballast"

    def fill(_worker):
        with ballast.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(65_536))
            except OSError:
                return ballast.unlink

    with Rig(tmp_path, f"sqlite:///{small_disk / 'tasks.db'}", "chaos", seed) as rig:
        report("a full file system while a result goes to the pool", faults.full_pool(rig, sized(6, 10), fill))


def test_odd_values(rig, report):
    report("odd values", faults.odd(rig))


def test_urgent(rig, sized, report):
    report("high priority among low", faults.urgent(rig, *sized((300, 20), (10_000, 100))))
