"""Writes that the first one decides, on a real store: what a ledger is built of."""

from __future__ import annotations

import threading

import pytest

from rollforward.errors import ExpAlreadyExistError, TrackingError


def in_threads(count, do):
    """Call ``do(number)`` in threads that begin together, and return the results by number."""
    barrier, found = threading.Barrier(count), {}

    def work(number):
        barrier.wait()
        found[number] = do(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [found[number] for number in range(count)]


@pytest.fixture
def experiment(recording):
    return recording.get_exp(experiment_name="once")


def ended(experiment, status="FINISHED"):
    run = experiment.add_run("a run")
    run.end_run(status)
    return run


@pytest.mark.parametrize("status", ["FINISHED", "FAILED"])
def test_the_first_value_of_a_param_stands_also_after_the_end_of_the_run(experiment, status):
    run = ended(experiment, status)
    assert run.put_param_once("next", "a") == "a"
    assert run.put_param_once("next", "b") == "a"
    assert run.put_param_once("next", "a") == "a"
    again = experiment.get_recorder(recorder_id=run.id)
    assert again.list_params() == run.params == {"next": "a"}
    assert again.status == status


def test_an_open_run_takes_it_too_without_a_flush(recording):
    with recording.start(experiment_name="once"):
        recorder = recording.get_recorder()
        recorder.log_params(other="queued")
        assert recorder.put_param_once("next", "a") == "a"
        assert recording.get_recorder(recorder_id=recorder.id).list_params()["next"] == "a"


def test_of_many_threads_one_is_first_and_all_are_told_which(experiment):
    for _ in range(5):
        run = ended(experiment)
        values = in_threads(4, lambda number, run=run: run.put_param_once("next", f"of {number}"))
        assert set(values) == {experiment.get_recorder(recorder_id=run.id).list_params()["next"]}


def test_a_deleted_run_takes_nothing(experiment):
    run = ended(experiment)
    experiment.delete_recorder(recorder_id=run.id)
    with pytest.raises(TrackingError, match="Could not log param 'next'"):
        run.put_param_once("next", "a")


@pytest.mark.parametrize(("key", "value"), [("next", "x" * 6001), ("a?b", "x"), ("", "x")])
def test_what_the_store_would_cut_or_refuse_is_refused(experiment, key, value):
    run = ended(experiment)
    with pytest.raises(TrackingError):
        run.put_param_once(key, value)
    assert run.list_params() == {}


def test_tags_of_an_experiment(experiment):
    assert experiment.tags == {}
    experiment.set_tags(**{"online.head": "a", "n": 1})
    experiment.set_tags(**{"online.head": "b"})
    assert experiment.tags == {"online.head": "b", "n": "1"}


def test_a_tag_that_not_every_mlflow_takes_is_refused(experiment):
    experiment.set_tags(long="x" * 5000)
    with pytest.raises(TrackingError, match="at most 5000"):
        experiment.set_tags(long="x" * 5001)
    assert len(experiment.tags["long"]) == 5000


def test_a_new_tag_that_many_set_at_once(experiment):
    in_threads(4, lambda number: experiment.set_tags(head=str(number)))
    assert experiment.tags["head"] in {"0", "1", "2", "3"}


def test_an_added_run_has_its_tags_and_is_nobodys(recording, experiment):
    run = experiment.add_run("routine", {"online.kind": "routine"})
    found = experiment.get_recorder(recorder_id=run.id)
    assert (found.name, found.status, found.tags["online.kind"]) == ("routine", "RUNNING", "routine")
    assert experiment.active_recorder is None
    run.save_objects(**{"a.pkl": {"b": 1}})
    run.end_run("FINISHED")
    found = experiment.get_recorder(recorder_id=run.id)
    assert found.status == "FINISHED"
    assert found.load_object("a.pkl") == {"b": 1}


def names(recording):
    return sorted(recording.list_experiments())


def test_an_experiment_is_not_seen_before_it_is_prepared(recording):
    seen = []

    def prepare(experiment):
        experiment.add_run("root")
        seen.append("ledger" in names(recording))

    experiment, is_new = recording.exp_manager.create_exclusive("ledger", prepare, {"kind": "ledger"})
    assert (seen, is_new, experiment.name) == ([False], True, "ledger")
    assert experiment.tags == {"kind": "ledger"}
    assert [run.name for run in experiment.list_recorders(rtype="list")] == ["root"]
    assert names(recording) == ["Default", "ledger"]


def test_who_is_too_late_gets_the_experiment_of_who_was_first(recording):
    def prepare(experiment):
        experiment.set_tags(by="second")
        recording.exp_manager.create_exclusive("ledger", lambda first: first.set_tags(by="first"))

    experiment, is_new = recording.exp_manager.create_exclusive("ledger", prepare)
    assert (is_new, experiment.tags) == (False, {"by": "first"})
    assert names(recording) == ["Default", "ledger"]


def test_of_many_threads_one_creates(recording):
    def create(number):
        return recording.exp_manager.create_exclusive("ledger", lambda mine: mine.set_tags(by=number))

    found = in_threads(4, create)
    assert sum(is_new for _, is_new in found) == 1
    winner = next(number for number, (_, is_new) in enumerate(found) if is_new)
    assert {experiment.id for experiment, _ in found} == {found[winner][0].id}
    assert found[0][0].tags == {"by": str(winner)}
    assert names(recording) == ["Default", "ledger"]


def test_nothing_is_left_of_one_that_cannot_be_prepared(recording):
    def prepare(experiment):
        raise ValueError(experiment.name)

    with pytest.raises(ValueError, match="ledger"):
        recording.exp_manager.create_exclusive("ledger", prepare)
    assert names(recording) == ["Default"]


def test_a_name_in_the_trash_is_taken(recording):
    from mlflow import MlflowClient

    client = MlflowClient(recording.get_uri())
    client.delete_experiment(client.create_experiment("ledger"))
    with pytest.raises(ExpAlreadyExistError, match="trash"):
        recording.exp_manager.create_exclusive("ledger", lambda _: None)
    assert names(recording) == ["Default"]
