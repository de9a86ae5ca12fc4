from __future__ import annotations

import threading

import pytest
from mlflow import MlflowClient

from rollforward.errors import TrackingError
from rollforward.workflow import recent


@pytest.fixture
def lookups(monkeypatch):
    """Which experiments this test asked for; what another one has left in the background does not count."""
    made, here = [], threading.get_ident()
    monkeypatch.setattr(recent, "LIFETIME", 3600.0)  # however slow the machine is
    for name in ("get_experiment", "get_experiment_by_name", "search_experiments"):
        method = getattr(MlflowClient, name)

        def counted(self, *args, _method=method, **kwargs):
            if threading.get_ident() == here:
                made.append((*args, *kwargs.values()))
            return _method(self, *args, **kwargs)

        monkeypatch.setattr(MlflowClient, name, counted)
    return made


def started(recording, name="a", **kwargs):
    with recording.start(experiment_name=name, **kwargs) as experiment:
        return experiment


def test_a_run_that_follows_asks_for_no_experiment(recording, lookups):
    first = started(recording)
    lookups.clear()
    again = started(recording)

    assert lookups == []
    assert again.id == first.id
    assert len(again.list_recorders()) == 2


def test_names_and_stores_are_kept_apart(recording, tmp_path, template_store):
    from rollforward.testing import copy_store, release_store

    other = copy_store(template_store, tmp_path / "other.db")
    here, there = started(recording), started(recording, uri=other)
    beside = started(recording, "b")

    assert (here.name, beside.name) == ("a", "b")
    assert here.id != beside.id
    assert (here.uri, there.uri) == (recording.get_uri(), other)
    release_store(other)


def test_an_experiment_that_another_process_deleted_is_not_logged_to(recording, tracking_uri):
    before = started(recording)
    client = MlflowClient(tracking_uri)
    client.rename_experiment(before.id, "gone")
    client.delete_experiment(before.id)

    after = started(recording)
    assert after.id != before.id
    assert len(after.list_recorders()) == 1
    assert client.get_experiment(after.id).name == "a"


def test_an_experiment_that_is_deleted_here_is_forgotten(recording, lookups):
    before = started(recording)
    recording.delete_exp(experiment_name="a")

    assert started(recording).id != before.id


def test_what_is_in_the_trash_is_an_error_as_ever(recording, tracking_uri):
    MlflowClient(tracking_uri).delete_experiment(started(recording).id)

    with pytest.raises(TrackingError, match="trash"):
        started(recording)


def test_a_rename_is_noticed_after_a_while(recording, tracking_uri, monkeypatch):
    before = started(recording)
    MlflowClient(tracking_uri).rename_experiment(before.id, "b")
    now = recent.time.monotonic()
    monkeypatch.setattr(recent.time, "monotonic", lambda: now + recent.LIFETIME + 1)

    assert started(recording).id != before.id


def test_a_run_is_continued_in_an_experiment_that_is_looked_up(recording, tracking_uri):
    before = started(recording, recorder_name="first")
    client = MlflowClient(tracking_uri)
    client.rename_experiment(before.id, "b")

    with recording.start(experiment_name="a", recorder_name="first", resume=True) as experiment:
        assert experiment.id != before.id


def test_a_child_is_in_the_experiment_of_its_parent_without_a_lookup(recording, lookups):
    with recording.start(experiment_name="a") as experiment:
        lookups.clear()
        with recording.start(recorder_name="child") as inner:
            assert lookups == []
            assert inner.id == experiment.id
            tags = recording.get_recorder().list_tags()
        assert tags["mlflow.parentRunId"] == recording.get_recorder().id


def test_a_start_in_another_store_is_no_child(recording, tmp_path, template_store):
    from rollforward.testing import copy_store, release_store

    other = copy_store(template_store, tmp_path / "other.db")
    with recording.start(experiment_name="a"), recording.uri_context(other), recording.start() as inner:
        assert (inner.uri, inner.name) == (other, "Experiment")
        assert "mlflow.parentRunId" not in recording.get_recorder().list_tags()
    release_store(other)


def test_a_start_that_fails_for_another_reason_fails(recording):
    started(recording)

    with pytest.raises(TrackingError, match="resume=True"):
        started(recording, recorder_id="0" * 32)


def test_only_so_many_are_remembered():
    class Found:
        uri = "sqlite:///x.db"

    remembered = recent.RecentExperiments()
    for number in range(1000):
        remembered.put(str(number), Found())
        assert remembered.get(Found.uri, str(number)) is not None
    assert sum(remembered.get(Found.uri, str(number)) is not None for number in range(1000)) <= 100
