from __future__ import annotations

import os
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta

import pytest

from rollforward import settings
from rollforward.workflow.mlflow_backend.alive import dead, heartbeat, owner
from rollforward.workflow.mlflow_backend.alive.dead import dead_runs, mark_dead
from rollforward.workflow.mlflow_backend.alive.heartbeat import HEARTBEAT, OWNER, Beat, Heart
from rollforward.workflow.mlflow_backend.alive.owner import Owner, this_process
from rollforward.workflow.mlflow_backend.store.client import client_for

LONG_AGO = Beat(datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC), 30.0)


@pytest.fixture(autouse=True)
def _nothing_watched_yet(monkeypatch):
    monkeypatch.setattr(dead, "_watched", set())


@pytest.fixture(scope="module")
def ended_process():
    """The owner of a process that was there and is gone."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    found = Owner(this_process().host, child.pid, owner._start_of(child.pid))
    child.communicate(b"\n")
    return found


class TestOwner:
    def test_spelled_and_read_back(self):
        me = this_process()
        assert Owner.parse(str(me)) == me
        assert me.pid == os.getpid()

    @pytest.mark.parametrize("text", [None, "", "alice", "host/12", "host/x/1", "/1/2", "host//x", "host/²/1"])
    def test_what_others_wrote_into_the_tag_is_no_owner(self, text):
        assert Owner.parse(text) is None

    def test_this_process_is_there_and_an_ended_one_is_gone(self, ended_process):
        assert this_process().is_gone() is False
        assert ended_process.is_gone() is True

    def test_another_process_with_the_same_number_is_not_the_owner(self):
        place, _, ticks = this_process().start.rpartition(".")
        earlier = Owner(this_process().host, os.getpid(), f"{place}.{int(ticks) - 100}")
        assert earlier.is_gone() is True

    def test_a_process_that_ended_and_was_not_waited_for_is_gone(self):
        child = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE)
        found = Owner(this_process().host, child.pid, owner._start_of(child.pid))
        assert found.is_gone() is False
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert found.is_gone() is True
        child.communicate()

    @pytest.mark.parametrize(
        "change",
        [
            lambda me: Owner("elsewhere", me.pid, me.start),
            lambda me: Owner(me.host, me.pid, "0" + me.start),
            lambda me: Owner(me.host, me.pid, me.start.replace(".", ".9", 1)),
            lambda me: Owner(me.host, me.pid, "unknown"),
        ],
        ids=["other host", "other boot", "other container", "cannot be told"],
    )
    def test_what_cannot_be_seen_from_here_is_not_judged(self, change):
        assert change(this_process()).is_gone() is None

    def test_a_process_that_proc_hides_is_not_judged(self, monkeypatch, ended_process):
        monkeypatch.setattr(owner, "_is_free", lambda _pid: False)
        assert ended_process.is_gone() is None


class TestBeat:
    def test_spelled_and_read_back(self):
        assert str(LONG_AGO) == "2024-05-06T07:08:09.000+00:00 every 30 s"
        assert Beat.parse(str(LONG_AGO)) == LONG_AGO

    @pytest.mark.parametrize("text", [None, "", "x", "2024-05-06T07:08:09 every 30 s", "x every 30 s", "2024-05-06T07:08:09+00:00 every 0 s", "2024-05-06T07:08:09+00:00 every .. s"])  # fmt: skip
    def test_anything_else_is_none(self, text):
        assert Beat.parse(text) is None


class Writer:
    """Takes tags, and can be waited for."""

    def __init__(self, error=None):
        self.beats = []
        self.error = error
        self.third = threading.Event()

    def __call__(self, tags):
        self.beats.append(Beat.parse(tags[HEARTBEAT]))
        if len(self.beats) == 3:
            self.third.set()
        if self.error:
            raise self.error


class TestHeart:
    def test_it_beats_for_every_run_until_it_is_removed(self):
        heart, first, second = Heart(), Writer(), Writer()
        heart.add(1, first, 0.01)
        heart.add(2, second, 0.01)
        assert first.third.wait(60)
        assert second.third.wait(60)
        heart.remove(1)
        heart.remove(2)
        count = len(first.beats)
        later = Writer()
        heart.add(3, later, 0.01)
        assert later.third.wait(60)
        heart.remove(3)
        assert len(first.beats) == count
        assert first.beats[0].interval == 0.01
        assert first.beats == sorted(first.beats, key=lambda beat: beat.at)

    def test_one_that_fails_does_not_stop_the_others_nor_itself(self):
        heart, bad, good = Heart(), Writer(ValueError("away")), Writer()
        heart.add(1, bad, 0.01)
        heart.add(2, good, 0.01)
        assert bad.third.wait(60)
        assert good.third.wait(60)
        heart.remove(1)
        heart.remove(2)

    def test_a_beat_that_comes_too_late_is_not_written(self):
        heart, writer = Heart(), Writer()
        heart.add(1, writer, 60)
        pulse = heart._pulses[1]
        heart.remove(1)
        pulse.beat()
        assert writer.beats == []

    def test_no_thread_for_no_interval(self):
        heart = Heart()
        heart.add(1, pytest.fail, 0)
        heart.remove(1)
        assert heart._thread is None


def leave_running(uri, experiment_id="0", *, owner_, beat=LONG_AGO, **tags):
    run = client_for(uri).create_run(
        experiment_id, tags={OWNER: str(owner_), HEARTBEAT: str(beat), **tags}, run_name="x"
    )
    return run.info.run_id


def just_now():
    return Beat(datetime.now(UTC), 30.0)


class TestDeadRuns:
    def test_a_process_that_is_gone_is_dead_at_once(self, tracking_uri, ended_process):
        beat = just_now()
        run_id = leave_running(tracking_uri, owner_=ended_process, beat=beat)
        (found,) = dead_runs(tracking_uri)
        assert (found.run_id, found.is_certain, found.owner) == (run_id, True, str(ended_process))
        assert f"process {ended_process.pid} on {ended_process.host} is gone" in found.reason
        assert abs(found.last_seen - beat.at) < timedelta(milliseconds=1)

    def test_a_live_process_is_not_however_silent(self, tracking_uri):
        leave_running(tracking_uri, owner_=this_process())
        assert dead_runs(tracking_uri) == []

    def test_on_another_host_four_intervals_decide(self, tracking_uri):
        leave_running(tracking_uri, owner_=Owner("elsewhere", 1, "b.n.2"))
        assert dead_runs(tracking_uri, now=LONG_AGO.at + timedelta(seconds=120)) == []
        (found,) = dead_runs(tracking_uri, now=LONG_AGO.at + timedelta(seconds=121))
        assert not found.is_certain
        assert "no sign of life since 2024-05-06 07:08:09" in found.reason

    def test_runs_without_signs_of_life_and_ended_ones_are_left_alone(self, tracking_uri, ended_process):
        client = client_for(tracking_uri)
        client.create_run("0")
        client.create_run("0", tags={"owner": "alice", HEARTBEAT: "every day", OWNER: "alice"})
        client.set_terminated(leave_running(tracking_uri, owner_=ended_process))
        assert dead_runs(tracking_uri) == []

    def test_only_the_experiments_asked_for(self, tracking_uri, ended_process):
        other = client_for(tracking_uri).create_experiment("other")
        run_id = leave_running(tracking_uri, other, owner_=ended_process)
        assert dead_runs(tracking_uri, ["0"]) == []
        assert dead_runs(tracking_uri, []) == []
        assert [found.run_id for found in dead_runs(tracking_uri, [other])] == [run_id]
        assert [found.run_id for found in dead_runs(tracking_uri)] == [run_id]

    def test_marked_as_killed_with_the_time_of_its_last_sign(self, tracking_uri, ended_process):
        run_id = leave_running(tracking_uri, owner_=ended_process, beat=just_now())
        (marked,) = mark_dead(tracking_uri)
        run = client_for(tracking_uri).get_run(run_id)
        assert run.info.status == "KILLED"
        assert run.info.start_time <= run.info.end_time <= run.info.start_time + 1000
        assert run.data.tags["killed_because"] == marked.reason
        assert mark_dead(tracking_uri) == []

    def test_a_run_that_never_beat_after_its_start_ends_when_it_started(self, tracking_uri, ended_process):
        run_id = leave_running(tracking_uri, owner_=ended_process)
        mark_dead(tracking_uri)
        info = client_for(tracking_uri).get_run(run_id).info
        assert info.end_time == info.start_time

    @pytest.mark.parametrize("change", ["beat", "end"])
    def test_one_that_lives_after_all_is_left_alone(self, tracking_uri, change):
        run_id = leave_running(tracking_uri, owner_=Owner("elsewhere", 1, "b.n.2"))
        found = dead_runs(tracking_uri)
        client = client_for(tracking_uri)
        if change == "beat":
            client.set_tag(run_id, HEARTBEAT, str(just_now()))
        else:
            client.set_terminated(run_id, "FAILED")
        assert mark_dead(tracking_uri, runs=found) == []
        assert client.get_run(run_id).info.status == {"beat": "RUNNING", "end": "FAILED"}[change]


class TestWatch:
    def test_the_next_start_marks_it_and_says_so(self, recording, tracking_uri, ended_process, caplog):
        recording.get_exp(experiment_name="demo")
        experiment_id = recording.get_exp(experiment_name="demo").id
        run_id = leave_running(tracking_uri, experiment_id, owner_=ended_process)
        with recording.start(experiment_name="demo"):
            pass
        assert client_for(tracking_uri).get_run(run_id).info.status == "KILLED"
        assert f"Run x ({run_id}) was left RUNNING and is KILLED now" in caplog.text

    def test_a_silent_one_elsewhere_is_marked_by_a_second_look_only(self, tracking_uri, monkeypatch):
        timers = []

        class Timer:
            def __init__(self, seconds, function, args):
                timers.append((seconds, function, args))

            def start(self):
                pass

        run_id = leave_running(tracking_uri, owner_=Owner("elsewhere", 1, "b.n.2"))
        monkeypatch.setattr(dead.threading, "Timer", Timer)
        dead._look(tracking_uri, "0")
        assert client_for(tracking_uri).get_run(run_id).info.status == "RUNNING"
        ((seconds, function, args),) = timers
        assert seconds == 45
        function(*args)
        assert client_for(tracking_uri).get_run(run_id).info.status == "KILLED"

    def test_once_per_process_and_experiment(self, tracking_uri):
        dead.watch(tracking_uri, "0").join()
        assert dead.watch(tracking_uri, "0") is None

    def test_a_store_that_fails_is_nobodys_problem(self, caplog):
        dead.watch("sqlite:////proc/none/x.db", "0").join()
        assert caplog.records == []


def test_a_run_has_an_owner_and_a_sign_of_life_from_its_creation(recording):
    with recording.start(experiment_name="demo"):
        tags = recording.get_recorder().list_tags()
        assert Owner.parse(tags[OWNER]) == this_process()
        assert Beat.parse(tags[HEARTBEAT]).interval == 30


def test_signs_of_life_reach_the_store_and_can_be_switched_off(recording, monkeypatch):
    beats = threading.Semaphore(0)
    real = heartbeat._Pulse.beat

    def beat(self):
        real(self)
        beats.release()

    monkeypatch.setattr(heartbeat._Pulse, "beat", beat)
    settings.change(heartbeat=0.02)
    with recording.start(experiment_name="demo"):
        first = recording.get_recorder().list_tags()[HEARTBEAT]
        while beats.acquire(blocking=False):
            pass  # those of before
        for _ in range(2):  # the first one may have begun before
            assert beats.acquire(timeout=60)
        assert recording.get_recorder().list_tags()[HEARTBEAT] > first
    settings.change(heartbeat=0)
    with recording.start(experiment_name="demo"):
        assert not {OWNER, HEARTBEAT} & set(recording.get_recorder().list_tags())


def test_a_killed_run_that_goes_on_has_a_new_owner_and_is_no_longer_killed(recording, tracking_uri, ended_process):
    with recording.start(experiment_name="demo"):
        run_id = recording.get_recorder().id
    client = client_for(tracking_uri)
    client.set_tag(run_id, OWNER, str(ended_process))
    client.update_run(run_id, "RUNNING")
    mark_dead(tracking_uri)
    with recording.start(experiment_name="demo", recorder_id=run_id, resume=True):
        assert dead_runs(tracking_uri) == []
        tags = recording.get_recorder().list_tags()
    assert Owner.parse(tags[OWNER]) == this_process()
    assert "killed_because" not in tags
