"""A run inside a run is its child, and lives where its parent lives."""

import sys

import pytest

from rollforward.errors import MissingDependencyError


def test_a_child_without_an_experiment_is_in_its_parent_s(recording):
    with recording.start(experiment_name="e", recorder_name="parent"):
        parent = recording.get_recorder()
        with recording.start(recorder_name="child"):
            child = recording.get_recorder()

    assert child.experiment_id == parent.experiment_id
    assert child.list_tags()["mlflow.parentRunId"] == parent.id
    assert "Experiment" not in recording.list_experiments()


def test_a_child_may_name_another_experiment(recording):
    with recording.start(experiment_name="e"), recording.start(experiment_name="other"):
        assert recording.get_exp().name == "other"


def test_after_the_block_the_default_experiment_is_the_default_again(recording):
    with recording.start(experiment_name="e"):
        pass
    with recording.start(recorder_name="alone"):
        assert recording.get_exp().name == "Experiment"


def test_a_store_whose_driver_is_missing_says_so(recording, monkeypatch):
    for driver in ("psycopg", "psycopg2"):
        monkeypatch.setitem(sys.modules, driver, None)
    recording.set_uri("postgresql://user:secret@localhost/x")

    with pytest.raises(MissingDependencyError, match="psycopg") as caught:
        recording.list_experiments()

    assert "secret" not in str(caught.value)
