"""Finding, listing, resuming and deleting: the truth tables of contract sections 1 to 3."""

from __future__ import annotations

import pickle
from datetime import timedelta

import pandas as pd
import pytest

from rollforward import settings
from rollforward.errors import (
    ExpAlreadyExistError,
    ExperimentNotFoundError,
    RecorderNotFoundError,
    SpoolError,
    TrackingError,
)
from rollforward.testing import copy_store, release_store
from rollforward.workflow import MLflowExpManager, QlibRecorder, R


def make(recording, name="run", experiment="demo", **metrics):
    with recording.start(experiment_name=experiment, recorder_name=name):
        if metrics:
            recording.log_metrics(**metrics)
        return recording.get_recorder()


@pytest.fixture
def other_uri(template_store, tmp_path):
    (tmp_path / "other").mkdir()
    uri = copy_store(template_store, tmp_path / "other" / "mlflow.db")
    yield uri
    release_store(uri)


# -- get_exp ------------------------------------------------------------------


def test_get_exp_without_a_name_is_the_default_experiment_and_does_not_start_it(recording):
    with pytest.raises(ExperimentNotFoundError):
        recording.get_exp(create=False)
    experiment = recording.get_exp()
    assert experiment.name == "Experiment"
    assert experiment.active_recorder is None
    assert recording.get_exp(create=False).id == experiment.id
    assert experiment.list_recorders() == {}


def test_get_exp_with_a_name_creates_it_once(recording):
    first = recording.get_exp(experiment_name="demo")
    assert recording.get_exp(experiment_name="demo").id == first.id
    assert recording.get_exp(experiment_id=first.id).name == "demo"
    assert set(recording.list_experiments()) == {"Default", "demo"}


def test_get_exp_inside_a_run_is_the_active_one_or_the_one_that_is_named(recording):
    with recording.start(experiment_name="demo") as active:
        assert recording.get_exp() is active
        assert recording.get_exp(create=False) is active
        assert recording.get_exp(experiment_name="other").name == "other"


def test_get_exp_with_start_starts_a_run_only_if_none_is_active(recording):
    experiment = recording.get_exp(experiment_name="demo", start=True)
    assert experiment.active_recorder.name == "mlflow_recorder"
    assert recording.get_exp() is experiment
    other = recording.get_exp(experiment_name="other", start=True)
    assert other.active_recorder is None
    recording.end_exp()
    assert len(experiment.list_recorders()) == 1


def test_an_unknown_id_is_an_error_and_creates_nothing(recording):
    for bad in ("999", "not a number"):
        with pytest.raises(ExperimentNotFoundError, match="no experiment with id"):
            recording.get_exp(experiment_id=bad, experiment_name="demo")
    assert set(recording.list_experiments()) == {"Default"}


@pytest.mark.parametrize("name", ["", "  ", 3])
def test_a_blank_name_is_refused(recording, name):
    with pytest.raises(ExperimentNotFoundError):
        recording.get_exp(experiment_name=name)


@pytest.mark.parametrize(
    "read",
    [
        lambda: R.get_exp(experiment_name="dmeo", create=False),
        lambda: R.list_recorders(experiment_name="dmeo"),
        lambda: R.get_recorder(experiment_name="dmeo"),
        lambda: R.get_recorder(experiment_name="dmeo", recorder_id="x"),
        lambda: R.delete_exp(experiment_name="dmeo"),
    ],
)
def test_a_mistyped_name_names_the_nearest_one_and_creates_nothing(recording, read):
    recording.get_exp(experiment_name="demo")
    with pytest.raises(ValueError, match="Did you mean 'demo'"):
        read()
    assert set(recording.list_experiments()) == {"Default", "demo"}


def test_create_exp_refuses_a_name_that_is_taken(recording):
    recording.exp_manager.create_exp("demo")
    with pytest.raises(ExpAlreadyExistError):
        recording.exp_manager.create_exp("demo")


def test_an_experiment_that_another_process_creates_in_between_is_found(recording, monkeypatch):
    manager = recording.exp_manager
    real = manager._find
    calls = []

    def late(uri, **kwargs):
        calls.append(kwargs)
        if len(calls) == 1:
            manager.create_exp("demo")
            return None
        return real(uri, **kwargs)

    monkeypatch.setattr(manager, "_find", late)
    assert recording.get_exp(experiment_name="demo").name == "demo"


def test_a_pickled_experiment_still_lists(recording):
    recorder = make(recording)
    copy = pickle.loads(pickle.dumps(recording.get_exp(experiment_name="demo")))
    assert list(copy.list_recorders()) == [recorder.id]


# -- deleting -----------------------------------------------------------------


def test_a_deleted_experiment_is_gone_and_its_name_is_free(recording):
    first = make(recording)
    recording.delete_exp(experiment_name="demo")
    with pytest.raises(ExperimentNotFoundError):
        recording.get_exp(experiment_name="demo", create=False)
    with pytest.raises(RecorderNotFoundError):
        recording.get_recorder(recorder_id=first.id)

    second = make(recording)
    assert list(recording.list_recorders(experiment_name="demo")) == [second.id]
    recording.delete_exp(experiment_id=second.experiment_id)
    assert set(recording.list_experiments()) == {"Default"}


def test_a_name_in_the_trash_of_mlflow_is_an_error_that_says_how_to_get_it_back(recording):
    experiment = recording.get_exp(experiment_name="demo")
    recording.exp_manager.client.delete_experiment(experiment.id)
    with pytest.raises(ExpAlreadyExistError, match=f"restore --experiment-id {experiment.id}"):
        recording.get_exp(experiment_name="demo")


def test_deleting_needs_a_name_and_nothing_active(recording):
    with pytest.raises(TrackingError):
        recording.delete_exp()
    with recording.start(experiment_name="demo"):
        with pytest.raises(TrackingError, match="active"):
            recording.delete_exp(experiment_name="demo")
        with pytest.raises(TrackingError, match="neither an id nor a name"):
            recording.delete_recorder()
        with pytest.raises(TrackingError, match="active"):
            recording.delete_recorder(recorder_id=recording.get_recorder().id)


def test_a_deleted_recorder_is_gone(recording):
    first, second = make(recording, "a"), make(recording, "b")
    experiment = recording.get_exp(experiment_name="demo")
    experiment.delete_recorder(recorder_id=first.id)
    assert list(experiment.list_recorders()) == [second.id]
    experiment.delete_recorder(recorder_name="b")
    assert experiment.list_recorders() == {}
    with pytest.raises(RecorderNotFoundError):
        experiment.delete_recorder(recorder_name="b")


# -- get_recorder -------------------------------------------------------------


def test_the_active_recorder_is_found_under_every_name_of_it(recording):
    with recording.start(experiment_name="demo", recorder_name="first") as experiment:
        active = recording.get_recorder()
        assert recording.get_recorder(experiment_name="demo") is active
        assert recording.get_recorder(experiment_name="demo", recorder_name="first") is active
        assert recording.get_recorder(recorder_id=active.id) is active
        assert recording.get_recorder(recorder_id=active.id, experiment_id=experiment.id) is active
        assert recording.get_exp(experiment_name="demo").active_recorder is active


def test_the_outer_recorder_is_active_in_its_own_experiment(recording):
    with recording.start(experiment_name="job"):
        outer = recording.get_recorder()
        with recording.start(experiment_name="folds"):
            assert recording.get_recorder(experiment_name="job") is outer


def test_without_an_active_one_it_is_the_newest_of_the_default_name(recording):
    recording.get_exp()
    with pytest.raises(RecorderNotFoundError, match="'mlflow_recorder'"):
        recording.get_recorder()
    with recording.start():
        first = recording.get_recorder()
    with recording.start():
        second = recording.get_recorder()
    assert recording.get_recorder() == second != first


def test_the_newest_of_a_name_wins_with_a_warning(recording, caplog):
    make(recording, "same")
    second = make(recording, "same")
    assert recording.get_recorder(experiment_name="demo", recorder_name="same") == second
    assert "should be unique" in caplog.text


@pytest.mark.parametrize("name", ["it's", 'say "x"', "back\\slash", "100%", "a_b", "ümläut", "a`b"])
def test_names_with_odd_characters_are_found(recording, name):
    recorder = make(recording, name)
    make(recording, "axb")
    assert recording.get_recorder(experiment_name="demo", recorder_name=name) == recorder


def test_an_id_is_enough_and_the_recorder_knows_its_own_experiment(recording):
    recorder = make(recording, experiment="demo")
    recording.get_exp(experiment_name="other")
    assert recording.get_recorder(recorder_id=recorder.id).experiment_id == recorder.experiment_id
    found = recording.get_recorder(recorder_id=recorder.id, experiment_name="other")
    assert found.experiment_id == recorder.experiment_id


@pytest.mark.parametrize("bad", ["0" * 32, "no id at all", "../x"])
def test_an_unknown_recorder_id_is_an_error(recording, bad):
    with pytest.raises(ValueError, match="no recorder with id"):
        recording.get_recorder(recorder_id=bad)


def test_experiment_get_recorder_creates_unless_told_not_to(recording):
    experiment = recording.get_exp(experiment_name="demo")
    assert experiment.get_recorder(recorder_name="new").id is None
    started = experiment.get_recorder(recorder_name="new", start=True)
    assert experiment.active_recorder is started
    experiment.end("FINISHED")
    assert experiment.get_recorder(recorder_name="new", create=False) == started
    with pytest.raises(RecorderNotFoundError):
        experiment.get_recorder(recorder_id="0" * 32)


# -- resume -------------------------------------------------------------------


def test_resume_by_id_and_by_name_continues_the_run(recording, monkeypatch):
    import sys

    first = make(recording, "run", a=1)
    monkeypatch.setattr(sys, "argv", ["another.py", "--fold", "2"])
    for which in ({"recorder_id": first.id}, {"recorder_name": "run"}):
        with recording.start(experiment_name="demo", resume=True, **which):
            again = recording.get_recorder()
            assert again == first
            assert recording.search_records(first.experiment_id)["status"].tolist() == ["RUNNING"]
            recording.log_metrics(b=2)
    assert again.list_metrics() == {"a": 1.0, "b": 2.0}
    assert again.list_tags()["resumed.cmd-sys.argv"] == "another.py --fold 2"
    stored = recording.get_recorder(recorder_id=first.id)
    assert (stored.status, stored.start_time) == ("FINISHED", first.start_time)


def test_a_failed_run_that_is_continued_and_ends_well_has_no_error_any_more(recording):
    with pytest.raises(ValueError, match="x"), recording.start(experiment_name="demo", recorder_name="run"):
        raise ValueError("x")
    with recording.start(experiment_name="demo", recorder_name="run", resume=True):
        pass
    recorder = recording.get_recorder(experiment_name="demo", recorder_name="run")
    assert recorder.status == "FINISHED"
    assert "error" not in recorder.tags


def test_a_run_that_cannot_be_continued_stays_as_it_was(recording, monkeypatch):
    recorder = make(recording)
    monkeypatch.setattr(type(recorder), "_note_resumption", lambda _: 1 / 0)
    with (
        pytest.raises(ZeroDivisionError),
        recording.start(experiment_name="demo", recorder_id=recorder.id, resume=True),
    ):
        pytest.fail("must not be entered")
    assert recording.get_recorder(recorder_id=recorder.id).info == recorder.info
    assert recording.exp_manager.active_recorder is None


def test_a_run_that_cannot_be_continued_for_want_of_a_journal_is_as_it_was(recording, tmp_path):
    recorder = make(recording)
    (tmp_path / "file").write_text("in the way")
    with (
        settings.override(spool="on", spool_dir=tmp_path / "file" / "spool"),
        pytest.raises(SpoolError),
        recording.start(experiment_name="demo", recorder_id=recorder.id, resume=True),
    ):
        pytest.fail("must not be entered")
    stored = recording.get_recorder(recorder_id=recorder.id)
    assert (stored.status, stored.ended_at) == ("FINISHED", pytest.approx(recorder.ended_at, abs=timedelta(minutes=1)))


def test_resume_of_a_name_that_does_not_exist_starts_it_with_a_warning(recording, caplog):
    with recording.start(experiment_name="demo", recorder_name="new", resume=True):
        pass
    assert "starting a new one" in caplog.text
    assert len(recording.list_recorders(experiment_name="demo")) == 1


def test_an_id_that_cannot_be_continued_is_an_error_and_leaves_no_run(recording):
    recorder = make(recording)
    with (
        pytest.raises(RecorderNotFoundError),
        recording.start(experiment_name="demo", recorder_id="0" * 32, resume=True),
    ):
        pytest.fail("must not be entered")
    with (
        pytest.raises(TrackingError, match="resume=True"),
        recording.start(experiment_name="demo", recorder_id=recorder.id),
    ):
        pytest.fail("must not be entered")
    with recording.start(experiment_name="demo"):
        active = recording.get_recorder()
        with (
            pytest.raises(TrackingError, match="active already"),
            recording.start(experiment_name="demo", recorder_id=active.id, resume=True),
        ):
            pytest.fail("must not be entered")
        assert recording.get_recorder() is active
    assert len(recording.list_recorders(experiment_name="demo")) == 2


# -- listing and searching ----------------------------------------------------


@pytest.fixture
def five(recording):
    recorders = [make(recording, f"run {n}", n=n) for n in range(4)]
    with pytest.raises(KeyboardInterrupt), recording.start(experiment_name="demo", recorder_name="run 4") as demo:
        raise KeyboardInterrupt
    recorders.append(demo.get_recorder(recorder_name="run 4"))
    return recorders


def test_recorders_are_listed_newest_first(recording, five):
    experiment = recording.get_exp(experiment_name="demo")
    newest_first = five[::-1]
    assert list(experiment.list_recorders()) == [recorder.id for recorder in newest_first]
    assert experiment.list_recorders(rtype=experiment.RT_L) == newest_first
    assert recording.list_recorders(experiment_id=experiment.id, rtype="list", max_results=2) == newest_first[:2]
    with pytest.raises(TrackingError, match="rtype"):
        experiment.list_recorders(rtype="set")


def test_listing_turns_pages(recording, five, monkeypatch):
    from rollforward.workflow.mlflow_backend.lookup import search

    monkeypatch.setattr(search, "_PAGE", 2)
    experiment = recording.get_exp(experiment_name="demo")
    assert experiment.list_recorders(rtype="list") == five[::-1]
    assert experiment.list_recorders(rtype="list", max_results=3) == five[:1:-1]


def test_the_store_filters_by_status_and_grammar(recording, five):
    experiment = recording.get_exp(experiment_name="demo")
    assert list(experiment.list_recorders(status="FAILED")) == [five[4].id]
    assert len(experiment.list_recorders(status="FINISHED")) == 4
    assert experiment.list_recorders(status="RUNNING") == {}
    found = experiment.list_recorders(rtype="list", status="FINISHED", filter_string="metrics.n > 1")
    assert found == [five[3], five[2]]
    with pytest.raises(TrackingError, match="one of SCHEDULED"):
        experiment.list_recorders(status="KILLED")
    with pytest.raises(TrackingError, match="search runs with filter"):
        experiment.list_recorders(filter_string="nonsense ~ 3")


def test_values_of_listed_recorders_need_no_request(recording, five, monkeypatch):
    from rollforward.workflow.mlflow_backend.run import logged as module

    listed = recording.list_recorders(experiment_name="demo", status="FINISHED", rtype="list")
    monkeypatch.setattr(module, "client_for", lambda _uri: pytest.fail("a request"))
    assert [recorder.metrics["n"] for recorder in listed] == [3, 2, 1, 0]
    assert [recorder.tags["mlflow.runName"] for recorder in listed] == [f"run {n}" for n in (3, 2, 1, 0)]
    assert "cmd-sys.argv" in listed[0].params


def test_search_records_is_a_frame_by_default(recording, five):
    experiment = recording.get_exp(experiment_name="demo")
    frame = recording.search_records([experiment.id])
    assert frame["run_id"].tolist() == [recorder.id for recorder in five[::-1]]
    assert frame["status"].tolist() == ["KILLED", "FINISHED", "FINISHED", "FINISHED", "FINISHED"]
    assert frame["metrics.n"].tolist()[1:] == [3, 2, 1, 0]
    assert isinstance(frame["start_time"].dtype, pd.DatetimeTZDtype)
    assert {"params.cmd-sys.argv", "tags.mlflow.runName"} <= set(frame)
    five[0].save_objects(**{"x.pkl": 1})
    assert any(key.startswith("mlflow.rollforward.") for key in five[0].list_tags())
    assert not any(column.startswith("tags.mlflow.rollforward.") for column in recording.search_records())
    assert recording.search_records()["run_id"].tolist() == frame["run_id"].tolist()
    best = experiment.search_records(filter_string="metrics.n >= 0", order_by=["metrics.n ASC"], max_results=1)
    assert best["run_id"].tolist() == [five[0].id]


def test_search_records_of_nothing_is_an_empty_frame(recording):
    frame = recording.search_records([recording.get_exp(experiment_name="demo").id])
    assert frame.empty
    assert list(frame)[:4] == ["run_id", "experiment_id", "run_name", "status"]


def test_deleted_runs_are_searched_on_demand(recording):
    recorder = make(recording)
    recording.get_exp(experiment_name="demo").delete_recorder(recorder.id)
    assert recording.search_records(recorder.experiment_id).empty
    assert recording.search_records(recorder.experiment_id, run_view_type=2)["run_id"].tolist() == [recorder.id]


# -- where --------------------------------------------------------------------


def test_the_default_store_can_be_changed_and_changed_for_a_block(recording, tracking_uri, other_uri):
    with recording.uri_context(other_uri):
        assert recording.get_uri() == other_uri
        make(recording)
    assert recording.get_uri() == tracking_uri
    assert "demo" not in recording.list_experiments()
    recording.set_uri(other_uri)
    assert "demo" in recording.list_experiments()
    assert settings.current().uri == other_uri


def test_none_goes_back_to_the_store_before_it_was_changed(recording, tracking_uri, other_uri):
    recording.set_uri(None)
    assert recording.get_uri() == tracking_uri
    recording.set_uri(other_uri)
    recording.set_uri("sqlite:///third.db")
    recording.set_uri(None)
    assert recording.get_uri() == tracking_uri
    recording.set_uri(other_uri)
    settings.init(uri="sqlite:///decided.db")
    recording.set_uri(None)
    assert recording.get_uri().endswith("decided.db")
    manager = MLflowExpManager(other_uri)
    manager.set_uri(tracking_uri)
    manager.set_uri(None)
    assert manager.uri == other_uri


def test_a_store_given_to_start_holds_for_the_run_and_not_longer(recording, tracking_uri, other_uri):
    with recording.start(experiment_name="demo", uri=other_uri):
        assert recording.get_uri() == other_uri
        recording.set_uri(tracking_uri)
        assert recording.get_uri() == other_uri
        recording.log_metrics(x=1)
        with recording.start(experiment_name="demo", recorder_name="child"):
            child = recording.get_recorder()
        assert child.uri == other_uri
        with recording.start(experiment_name="demo", uri=tracking_uri):
            elsewhere = recording.get_recorder()
    assert recording.get_uri() == tracking_uri
    assert "mlflow.parentRunId" in child.list_tags()
    assert "mlflow.parentRunId" not in elsewhere.list_tags()


def test_a_run_in_the_default_store_leaves_the_default_free_to_change(recording, tracking_uri, other_uri):
    with recording.start(experiment_name="demo"):
        with recording.uri_context(other_uri):
            assert recording.get_uri() == other_uri
            assert list(recording.list_experiments()) == ["Default"]
            recording.log_metrics(x=1)
        assert recording.get_recorder().uri == tracking_uri
        assert recording.get_recorder().list_metrics() == {"x": 1.0}


def test_a_relative_store_stays_where_it_was_named(recording, other_uri, tmp_path, monkeypatch):
    recording.set_uri("sqlite:///other/mlflow.db")
    monkeypatch.chdir(tmp_path / "other")
    assert recording.get_uri() == other_uri


def test_managers_do_not_see_each_others_active_run(recording, tracking_uri, other_uri):
    mine, theirs = QlibRecorder(MLflowExpManager(tracking_uri)), QlibRecorder(MLflowExpManager(other_uri))
    with mine.start(experiment_name="demo"), theirs.start(experiment_name="demo"):
        a, b = mine.get_recorder(), theirs.get_recorder()
        assert (a.uri, b.uri) == (tracking_uri, other_uri)
        assert recording.exp_manager.active_experiment is None
        mine.log_metrics(x=1)
        theirs.log_metrics(x=2)
    assert (a.list_metrics(), b.list_metrics()) == ({"x": 1.0}, {"x": 2.0})
    assert "mlflow.parentRunId" not in b.list_tags()


def test_artifacts_go_where_the_settings_say(recording, tracking_uri, tmp_path):
    settings.init(uri=tracking_uri, artifact_root=tmp_path / "my artifacts")
    recorder = make(recording, experiment="Größe (täglich)/x")
    recorder.save_objects(x=1)
    assert recorder.get_local_dir() == str(tmp_path / "my artifacts" / "Groe-taglich-x" / recorder.id)
    assert recorder.load_object("x") == 1


def test_odd_experiment_names_still_get_a_folder(recording):
    recorder = make(recording, experiment="日本語")
    recorder.save_objects(x=1)
    assert "/mlruns/experiment/" in recorder.get_artifact_uri()
