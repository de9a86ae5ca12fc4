"""What accompanies a run, in real processes and through `R`."""

# ruff: noqa: T201  # what is printed is what is tested
from __future__ import annotations

import logging
import os
import pickle
import signal
import subprocess
import sys
import threading

import pytest

from rollforward import settings
from rollforward.errors import TrackingError
from rollforward.workflow.mlflow_backend.alive import dead
from rollforward.workflow.mlflow_backend.alive.heartbeat import HEARTBEAT, OWNER
from rollforward.workflow.mlflow_backend.provenance import capture, packages
from rollforward.workflow.mlflow_backend.run import life, usage
from rollforward.workflow.mlflow_backend.store.client import client_for


@pytest.fixture(autouse=True)
def _afresh(monkeypatch, tmp_path):
    monkeypatch.setattr(dead, "_watched", set())
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    capture.forget()
    yield
    capture.forget()
    assert life._lives == {}


def start(recording, **arguments):
    return recording.start(experiment_name="demo", **arguments)


def run_script(code, uri, **options):
    code = f"from rollforward import init\nfrom rollforward.workflow import R\ninit(uri={uri!r})\n{code}"
    return subprocess.Popen([sys.executable, "-c", code], text=True, **options)


def test_a_run_keeps_packages_command_line_and_host(recording):
    with start(recording):
        recorder = recording.get_recorder()
        assert recorder.list_artifacts() == ["requirements.txt"]
        assert recorder.load_object("requirements.txt") == packages.requirements()
    tags = recorder.list_tags()
    assert tags["hostname"]
    assert tags[life.PYTHON] == packages.interpreter()
    assert tags[life.PLATFORM] == packages.system()
    assert "cmd-sys.argv" in recorder.list_params()


def test_the_code_is_described_behind_the_start_of_the_first_run_and_with_that_of_the_second(
    recording, tmp_path, monkeypatch
):
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "none"))
    identity = ["-c", "user.email=a@b.c", "-c", "user.name=A"]
    for command in (["init", "-q"], [*identity, "commit", "-q", "--allow-empty", "-m", "x"]):
        subprocess.run(["git", *command], check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    answer, real = threading.Event(), capture.describe

    def slow(*where):
        assert answer.wait(60)
        return real(*where)

    monkeypatch.setattr(capture, "describe", slow)
    with start(recording):
        first = recording.get_recorder()
        assert "mlflow.source.git.commit" not in client_for(first.uri).get_run(first.id).data.tags
        answer.set()
    assert first.list_tags()["mlflow.source.git.commit"] == head
    assert {"code_diff.txt", "code_status.txt", "code_cached.txt"} < set(first.list_artifacts())
    with start(recording):
        second = recording.get_recorder()
        assert client_for(second.uri).get_run(second.id).data.tags["mlflow.source.git.commit"] == head
    assert second.list_artifacts() == first.list_artifacts()


def test_everything_can_be_switched_off(recording, capsys):
    settings.change(provenance=False, heartbeat=0, capture_output=False)
    with start(recording):
        print("x")
        recorder = recording.get_recorder()
    assert recorder.list_artifacts() == []
    assert recorder.list_params() == {}
    assert set(recorder.list_tags()) == {"mlflow.runName"}


def test_the_settings_of_a_block_reach_the_background(recording, monkeypatch):
    seen = []
    monkeypatch.setattr(packages, "requirements", lambda: seen.append(settings.current().task_db_name) or "")
    with settings.override(task_db_name="of the block"), start(recording):
        pass
    assert seen == ["of the block"]


def test_what_is_printed_is_kept(recording, capsys):
    with start(recording):
        print("hello")
        print("trouble", file=sys.stderr)
        recorder = recording.get_recorder()
    assert recorder.load_object("output.txt") == "hello\ntrouble\n"
    with start(recording):
        silent = recording.get_recorder()
    assert "output.txt" not in silent.list_artifacts()
    assert capsys.readouterr() == ("hello\n", "trouble\n")


def test_the_outermost_run_has_the_output(recording, capsys):
    with start(recording):
        outer = recording.get_recorder()
        print("outer")
        with start(recording):
            inner = recording.get_recorder()
            print("inner")
    assert outer.load_object("output.txt") == "outer\ninner\n"
    assert "output.txt" not in inner.list_artifacts()


def test_a_failing_run_keeps_its_output(recording, capsys):
    with pytest.raises(ZeroDivisionError), start(recording):  # noqa: PT012  # the block is what is tested
        recorder = recording.get_recorder()
        print("before")
        _ = 1 / 0
    assert recorder.load_object("output.txt") == "before\n"


def test_a_run_that_goes_on_keeps_both_outputs(recording, capsys):
    with start(recording):
        recorder = recording.get_recorder()
        print("first")
    with start(recording, recorder_id=recorder.id, resume=True):
        print("second")
    first, *others = sorted(name for name in recorder.list_artifacts() if name.startswith("output"))
    assert recorder.load_object(first) == "first\n"
    assert [recorder.load_object(name) for name in others] == ["second\n"]


def test_no_failure_of_what_accompanies_a_run_reaches_it(recording, monkeypatch, caplog):
    def refuse(*_, **__):
        raise RuntimeError("refused")

    places = [
        (life.heartbeat, "tags"),
        (life.command, "params"),
        (life.output, "claim"),
        (life.packages, "requirements"),
    ]
    places += [(life.heartbeat.heart, "add"), (life.heartbeat.heart, "remove"), (life.usage, "start")]
    for place, name in places:
        monkeypatch.setattr(place, name, refuse)
    settings.change(system_metrics=True)
    with start(recording):
        recording.log_metrics(x=1)
        recorder = recording.get_recorder()
    assert recorder.status == "FINISHED"
    assert recorder.list_metrics() == {"x": 1.0}
    assert caplog.text.count("refused") >= 5


def test_a_pickled_recorder_leaves_the_life_of_its_run_alone(recording):
    with start(recording):
        copied = pickle.loads(pickle.dumps(recording.get_recorder()))
        life.settle(copied)
        life.closing(copied, "FINISHED", None)
        assert len(life._lives) == 1


def test_a_run_that_is_killed_by_force_is_marked_by_the_next_start(recording, tracking_uri):
    code = "R.start_exp(experiment_name='demo'); print(R.get_recorder().id, flush=True); input()"
    child = run_script(code, tracking_uri, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    run_id = child.stdout.readline().strip()
    client = client_for(tracking_uri)
    assert dead.dead_runs(tracking_uri) == []
    child.send_signal(signal.SIGKILL)
    child.communicate()

    with start(recording):
        pass

    run = client.get_run(run_id)
    assert run.info.status == "KILLED"
    assert "is gone" in run.data.tags["killed_because"]
    assert run.info.end_time >= run.info.start_time
    assert {OWNER, HEARTBEAT} <= set(run.data.tags)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_signs_of_life_end_with_a_fork(recording):
    settings.change(heartbeat=0.01)
    with start(recording):
        pid = os.fork()
        if pid == 0:
            names = {thread.name for thread in threading.enumerate()}
            life.heartbeat.heart.add(1, lambda _tags: None, 60)
            os._exit(0 if "rollforward-heart" not in names and len(life.heartbeat.heart._pulses) == 1 else 1)
        assert os.waitpid(pid, 0)[1] == 0


class TestSystemMetrics:
    def test_without_psutil_a_warning_says_what_to_install_once(self, recording, monkeypatch, caplog):
        monkeypatch.setattr(usage.importlib.util, "find_spec", lambda _name: None)
        monkeypatch.setattr(usage, "_warned", set())
        settings.change(system_metrics=True)
        for _ in range(2):
            with start(recording):
                pass
        assert [record.levelno for record in caplog.records] == [logging.WARNING]
        assert "rollforward[system-metrics]" in caplog.text

    def test_usage_is_measured(self, recording, monkeypatch):
        pytest.importorskip("psutil", reason="pip install psutil")
        from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

        measured = threading.Event()
        real = SystemMetricsMonitor.publish_metrics

        def publish(self, metrics):
            real(self, metrics)
            measured.set()

        monkeypatch.setattr(SystemMetricsMonitor, "publish_metrics", publish)
        monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.05")
        settings.change(system_metrics=True)
        with start(recording):
            recorder = recording.get_recorder()
            recording.flush()
            assert measured.wait(60)
        assert "system/cpu_utilization_percentage" in recorder.list_metrics()
        assert "SystemMetricsMonitor" not in {thread.name for thread in threading.enumerate()}


def test_an_error_of_the_store_at_the_start_is_the_runs(recording):
    with pytest.raises(TrackingError), recording.start(uri="sqlite:////proc/none/x.db"):
        pytest.fail("must not be entered")
    assert life._lives == {}
