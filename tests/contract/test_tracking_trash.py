"""Deleted experiments and runs, and how they come back; searching by name."""

from __future__ import annotations

import pytest

from rollforward.errors import ExpAlreadyExistError, ExperimentNotFoundError, RecorderNotFoundError, TrackingError


def make(recording, experiment, name="run"):
    with recording.start(experiment_name=experiment, recorder_name=name):
        return recording.get_recorder()


def test_a_deleted_experiment_comes_back_with_its_runs_and_its_name(recording):
    run = make(recording, "demo")
    recording.delete_exp(experiment_name="demo")

    restored = recording.exp_manager.restore_exp(experiment_name="demo")

    assert restored.name == "demo"
    assert list(recording.list_recorders(experiment_name="demo")) == [run.id]
    assert recording.get_recorder(recorder_id=run.id).name == "run"


def test_of_several_of_a_name_the_last_deleted_one_comes_back(recording):
    make(recording, "demo")
    recording.delete_exp(experiment_name="demo")
    last = make(recording, "demo")
    recording.delete_exp(experiment_name="demo")

    assert recording.restore_exp(experiment_name="demo").id == last.experiment_id


def test_one_that_somebody_else_deleted_comes_back_by_id_or_name(recording):
    for kwargs in ({"experiment_name": "demo"}, {"experiment_id": "1"}):
        experiment = recording.get_exp(experiment_name="demo")
        recording.exp_manager.client.delete_experiment(experiment.id)
        with pytest.raises(ExpAlreadyExistError, match="trash") as caught, recording.start(experiment_name="demo"):
            pass
        assert f"restore_exp(experiment_id='{experiment.id}')" in caught.value.remedy
        assert "another name" in caught.value.remedy
        assert recording.exp_manager.restore_exp(**kwargs).id == experiment.id


def test_a_name_that_is_taken_again_is_not_given_twice(recording):
    deleted = make(recording, "demo")
    recording.delete_exp(experiment_name="demo")
    make(recording, "demo")
    with pytest.raises(ExpAlreadyExistError, match="another one is"):
        recording.exp_manager.restore_exp(experiment_id=deleted.experiment_id)


@pytest.mark.parametrize("kwargs", [{"experiment_name": "never"}, {"experiment_id": "99"}, {"experiment_id": "0"}])
def test_what_is_not_in_the_trash_cannot_come_back(recording, kwargs):
    with pytest.raises(ExperimentNotFoundError, match="in the trash"):
        recording.exp_manager.restore_exp(**kwargs)


def test_restoring_needs_an_id_or_a_name(recording):
    with pytest.raises(TrackingError, match="neither"):
        recording.exp_manager.restore_exp()


def test_a_deleted_run_comes_back(recording):
    run = make(recording, "demo")
    experiment = recording.get_exp(experiment_name="demo")
    experiment.delete_recorder(recorder_id=run.id)

    assert experiment.restore_recorder(run.id) == run
    assert list(experiment.list_recorders()) == [run.id]
    with pytest.raises(RecorderNotFoundError):
        experiment.restore_recorder("0" * 32)


def test_records_are_searched_by_id_by_name_and_by_experiment(recording):
    first, second = make(recording, "first"), make(recording, "second")

    def found(which):
        return set(recording.search_records(which)["run_id"])

    assert found([first.experiment_id]) == {first.id}
    assert found("second") == {second.id}
    assert found(["first", second.experiment_id]) == {first.id, second.id}
    assert found(recording.get_exp(experiment_name="first")) == {first.id}
    assert found(None) == {first.id, second.id}
    assert found([]) == set()
    with pytest.raises(ExperimentNotFoundError, match="Did you mean 'first'"):
        recording.search_records(["frist"])
