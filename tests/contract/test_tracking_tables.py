"""Signatures, truth tables, statuses and orders: contract sections 1 to 5, 16 and 17, one row each."""

from __future__ import annotations

import atexit
import inspect
import os
import signal
import sys

import pytest

from rollforward import settings
from rollforward.errors import ExperimentNotFoundError, RecorderNotFoundError, TrackingError
from rollforward.workflow import (
    Experiment,
    MLflowExperiment,
    MLflowExpManager,
    MLflowRecorder,
    QlibRecorder,
    R,
    Recorder,
)
from rollforward.workflow.mlflow_backend.store.client import client_for

# What a script written for Qlib passes: name -> the parameters that must be there, in this order, with these defaults.
START = "*, experiment_id=None, experiment_name=None, recorder_id=None, recorder_name=None, uri=None, resume=False"
SIGNATURES = {
    QlibRecorder: {
        "start": START,
        "start_exp": START,
        "end_exp": "recorder_status='FINISHED'",
        "search_records": "experiment_ids=None, **kwargs",
        "list_experiments": "",
        "list_recorders": "experiment_id=None, experiment_name=None",
        "get_exp": "*, experiment_id=None, experiment_name=None, create=True, start=False",
        "delete_exp": "experiment_id=None, experiment_name=None",
        "get_uri": "",
        "set_uri": "uri",
        "uri_context": "uri",
        "get_recorder": "*, recorder_id=None, recorder_name=None, experiment_id=None, experiment_name=None",
        "delete_recorder": "recorder_id=None, recorder_name=None",
        "save_objects": "local_path=None, artifact_path=None, **kwargs",
        "load_object": "name",
        "log_params": "**kwargs",
        "log_metrics": "step=None, **kwargs",
        "log_artifact": "local_path, artifact_path=None",
        "set_tags": "**kwargs",
        "download_artifact": "path, dst_path=None",
    },
    MLflowExpManager: {
        "start_exp": START,
        "end_exp": "recorder_status='SCHEDULED'",
        "create_exp": "experiment_name",
        "get_exp": "*, experiment_id=None, experiment_name=None, create=True, start=False",
        "search_records": "experiment_ids=None, **kwargs",
        "delete_exp": "experiment_id=None, experiment_name=None",
        "list_experiments": "",
        "set_uri": "uri",
    },
    MLflowExperiment: {
        "start": "*, recorder_id=None, recorder_name=None, resume=False",
        "end": "recorder_status='SCHEDULED'",
        "create_recorder": "recorder_name=None",
        "get_recorder": "recorder_id=None, recorder_name=None, create=True, start=False",
        "search_records": "**kwargs",
        "delete_recorder": "recorder_id=None, recorder_name=None",
        "list_recorders": "rtype='dict', max_results=None, status=None, filter_string=''",
    },
    MLflowRecorder: {
        "__init__": "self, experiment_id, uri, name=None, mlflow_run=None",
        "start_run": "",
        "end_run": "status='SCHEDULED'",
        "set_recorder_name": "rname",
        "log_params": "**kwargs",
        "log_metrics": "step=None, **kwargs",
        "set_tags": "**kwargs",
        "delete_tags": "*keys",
        "log_artifact": "local_path, artifact_path=None",
        "save_objects": "local_path=None, artifact_path=None, **kwargs",
        "load_object": "name, unpickler=None",
        "list_artifacts": "artifact_path=None",
        "download_artifact": "path, dst_path=None",
        "get_artifact_uri": "",
        "get_local_dir": "",
        "list_metrics": "",
        "list_params": "",
        "list_tags": "",
    },
}


@pytest.mark.parametrize(
    ("owner", "name", "wanted"),
    [(owner, name, wanted) for owner, methods in SIGNATURES.items() for name, wanted in methods.items()],
    ids=lambda value: getattr(value, "__name__", value) if not isinstance(value, str) or " " not in value else "",
)
def test_calls_of_qlib_are_accepted(owner, name, wanted):
    def shape(parameters):
        return [(each.name, each.kind, each.default) for each in parameters.values() if each.name != "self"]

    given = shape(inspect.signature(getattr(owner, name)).parameters)
    needed = shape(inspect.signature(eval(f"lambda {wanted}: 0")).parameters)  # noqa: S307  # the table above
    # What we add comes after, and may be left out.
    assert [each for each in given if each in needed] == needed
    added = [each for each in given if each not in needed]
    assert all(default is not inspect.Parameter.empty or kind.name.startswith("VAR") for _, kind, default in added)
    positional = [each for each in given if each[1].name == "POSITIONAL_OR_KEYWORD"]
    assert positional[: len(needed)] == [each for each in needed if each[1].name == "POSITIONAL_OR_KEYWORD"]


def test_names_and_statuses():
    assert (Recorder.STATUS_S, Recorder.STATUS_R, Recorder.STATUS_FI, Recorder.STATUS_FA) == (
        "SCHEDULED",
        "RUNNING",
        "FINISHED",
        "FAILED",
    )
    assert (Experiment.RT_D, Experiment.RT_L) == ("dict", "list")
    assert (Experiment.DEFAULT_RECORDER_NAME, MLflowExperiment.DEFAULT_RECORDER_NAME) == (
        "abstract_recorder",
        "mlflow_recorder",
    )


# -- get_exp: what is named, what is active, create -> which experiment ---------

GET_EXP = [
    # named, active, create: found
    ({}, "active", True, "active"),
    ({}, "active", False, "active"),
    ({}, None, True, "Experiment"),
    ({}, None, False, None),
    ({"experiment_name": "other"}, "active", True, "other"),
    ({"experiment_name": "other"}, "active", False, "other"),
    ({"experiment_name": "other"}, None, True, "other"),
    ({"experiment_name": "other"}, None, False, "other"),
    ({"experiment_name": "new"}, "active", True, "new"),
    ({"experiment_name": "new"}, "active", False, None),
    ({"experiment_name": "new"}, None, True, "new"),
    ({"experiment_name": "new"}, None, False, None),
    ({"experiment_id": "other"}, "active", True, "other"),
    ({"experiment_id": "other"}, None, False, "other"),
    ({"experiment_id": "other", "experiment_name": "new"}, None, True, "other"),
    ({"experiment_id": "424242"}, "active", True, None),
    ({"experiment_id": "424242"}, None, False, None),
    ({"experiment_id": "424242", "experiment_name": "other"}, None, True, None),
]


@pytest.fixture
def in_state(recording):
    """Call a function while nothing, or a run in experiment "active", is active."""
    other = recording.get_exp(experiment_name="other")

    def call(active, function, named):
        if named.get("experiment_id") == "other":
            named = named | {"experiment_id": other.id}
        if active is None:
            return function(**named)
        with recording.start(experiment_name=active):
            return function(**named)

    return call


@pytest.mark.parametrize(("named", "active", "create", "found"), GET_EXP)
def test_get_exp(recording, in_state, named, active, create, found):
    def get(**named):
        return recording.get_exp(**named, create=create)

    if found is None:
        before = set(recording.list_experiments()) | ({active} - {None})
        with pytest.raises(ExperimentNotFoundError):
            in_state(active, get, named)
        assert set(recording.list_experiments()) == before
        return
    assert in_state(active, get, named).name == found
    assert found in recording.list_experiments()
    assert recording.exp_manager.active_experiment is None


@pytest.mark.parametrize(("active", "is_started"), [(None, True), ("active", False)])
def test_get_exp_with_start(recording, in_state, active, is_started):
    seen = {}

    def get(**named):
        before = recording.exp_manager.active_recorder
        found = recording.get_exp(**named, start=True)
        seen["is another"] = recording.exp_manager.active_recorder is not before
        seen["runs"] = len(found.list_recorders())
        if is_started:
            assert found.active_recorder.name == "mlflow_recorder"
            recording.end_exp()

    in_state(active, get, {"experiment_name": "other"})
    assert seen == {"is another": is_started, "runs": int(is_started)}


# -- get_recorder: what is named, whether a run is active -> which run -----------

GET_RECORDER = [
    # named, is a run of "demo" active: found
    ({}, True, "active"),
    ({}, False, None),
    ({"experiment_name": "demo"}, True, "active"),
    ({"experiment_name": "demo"}, False, None),
    ({"experiment_name": "demo", "recorder_name": "old"}, True, "newer"),
    ({"experiment_name": "demo", "recorder_name": "old"}, False, "newer"),
    ({"experiment_name": "demo", "recorder_name": "active"}, True, "active"),
    ({"recorder_name": "old"}, True, "newer"),
    ({"recorder_name": "old"}, False, None),
    ({"recorder_name": "odl", "experiment_name": "demo"}, False, None),
    ({"recorder_id": "older"}, True, "older"),
    ({"recorder_id": "older"}, False, "older"),
    ({"recorder_id": "older", "recorder_name": "nonsense"}, False, "older"),
    ({"recorder_id": "older", "experiment_name": "empty"}, False, "older"),
    ({"recorder_id": "older", "experiment_name": "never"}, False, None),
    ({"recorder_id": "0" * 32}, False, None),
    ({"recorder_id": "0" * 32}, True, None),
    ({"experiment_name": "empty"}, True, None),
    ({"experiment_name": "never"}, True, None),
]


@pytest.mark.parametrize(("named", "is_active", "found"), GET_RECORDER)
def test_get_recorder(recording, named, is_active, found):
    runs = {}
    for which in ("older", "newer"):
        with recording.start(experiment_name="demo", recorder_name="old"):
            runs[which] = recording.get_recorder()
    recording.get_exp(experiment_name="empty")
    if named.get("recorder_id") == "older":
        named = named | {"recorder_id": runs["older"].id}

    def check():
        if found is None:
            with pytest.raises((RecorderNotFoundError, ExperimentNotFoundError)) as caught:
                recording.get_recorder(**named)
            assert isinstance(caught.value, ValueError | LookupError)
        else:
            assert recording.get_recorder(**named) == runs[found]
            assert recording.get_recorder(**named).experiment_id == runs[found].experiment_id

    if is_active:
        with recording.start(experiment_name="demo", recorder_name="active"):
            runs["active"] = recording.get_recorder()
            check()
    else:
        check()
    assert set(recording.list_experiments()) == {"Default", "demo", "empty"}
    assert len(recording.list_recorders(experiment_name="demo")) == 2 + is_active


def test_a_beginner_is_told_what_is_missing(recording):
    with pytest.raises(
        ExperimentNotFoundError, match="No recorder is active, no experiment was named, and there is no"
    ):
        recording.get_recorder()
    recording.get_exp()
    with pytest.raises(RecorderNotFoundError, match=r"No recorder is active.*\n.*\n.*has no recorders"):
        recording.get_recorder()
    with recording.start(experiment_name="demo", recorder_name="ridge"):
        pass
    with pytest.raises(RecorderNotFoundError, match=r"No recorder is active.*\n.*\n.*newest recorders: 'ridge'"):
        recording.get_recorder(experiment_name="demo")


def test_a_dictionary_in_the_place_of_keywords_is_told_how_to_be_passed(recording):
    with recording.start(experiment_name="demo"):
        with pytest.raises(TypeError, match=r"log_metrics\(\*\*metrics\)"):
            recording.log_metrics({"a": 1})
        with pytest.raises(TrackingError, match="objects are given by name"):
            recording.save_objects({"a": 1})


def test_an_order_may_be_one_text(recording):
    for n in (1, 3, 2):
        with recording.start(experiment_name="demo"):
            recording.log_metrics(n=n)
    frame = recording.search_records(order_by="metrics.n DESC")
    assert frame["metrics.n"].tolist() == [3, 2, 1]


# -- start: what is given -> what runs --------------------------------------------


@pytest.mark.parametrize(
    ("given", "becomes"),
    [
        ({}, "new mlflow_recorder"),
        ({"recorder_name": "new"}, "new new"),
        ({"recorder_name": "old"}, "new old"),
        ({"recorder_id": True}, TrackingError),
        ({"recorder_id": True, "resume": True}, "the old one"),
        ({"recorder_name": "old", "resume": True}, "the old one"),
        ({"recorder_name": "old", "recorder_id": True, "resume": True}, "the old one"),
        ({"recorder_name": "new", "resume": True}, "new new"),
        ({"resume": True}, "new mlflow_recorder"),
        ({"recorder_id": "0" * 32, "resume": True}, RecorderNotFoundError),
        ({"recorder_id": "0" * 32}, TrackingError),
    ],
)
@pytest.mark.parametrize("way", ["start", "Experiment.start"])
def test_start(recording, given, becomes, way):
    with recording.start(experiment_name="demo", recorder_name="old"):
        old = recording.get_recorder()
    given = {key: old.id if value is True and key == "recorder_id" else value for key, value in given.items()}

    def begin():
        if way == "Experiment.start":
            return recording.get_exp(experiment_name="demo").start(**given)
        recording.start_exp(experiment_name="demo", **given)
        return recording.get_recorder()

    if isinstance(becomes, type):
        with pytest.raises(becomes):
            begin()
        assert recording.exp_manager.active_recorder is None
        assert list(recording.list_recorders(experiment_name="demo")) == [old.id]
        assert recording.get_recorder(recorder_id=old.id).info == old.info
        return
    if way == "start":
        with recording.start(experiment_name="demo", **given):
            run = recording.get_recorder()
    else:
        run = begin()
        recording.end_exp()
    assert (f"new {run.name}" if run != old else "the old one") == becomes
    assert run.status == "FINISHED"


@pytest.mark.parametrize(
    ("end", "status"),
    [
        (R.end_exp, "FINISHED"),
        (lambda: R.end_exp("FAILED"), "FAILED"),
        (lambda: R.end_exp(recorder_status="SCHEDULED"), "SCHEDULED"),
        (lambda: R.exp_manager.end_exp(recorder_status="SCHEDULED"), "SCHEDULED"),
        (lambda: R.get_exp().end(), "SCHEDULED"),
        (lambda: R.get_exp().end("FINISHED"), "FINISHED"),
        (lambda: R.get_recorder().end_run(), "SCHEDULED"),
        (lambda: R.get_recorder().end_run("RUNNING"), "RUNNING"),
    ],
)
def test_each_way_to_end_a_run(recording, end, status):
    recording.start_exp(experiment_name="demo")
    recording.log_metrics(x=1)
    recorder = recording.get_recorder()
    end()
    assert (recorder.status, recorder.is_open, recording.exp_manager.active_recorder) == (status, False, None)
    stored = client_for(recorder.uri).get_run(recorder.id)
    assert (stored.info.status, stored.data.metrics) == (status, {"x": 1.0})
    assert stored.info.end_time is not None
    recording.end_exp()


@pytest.mark.parametrize("status", ["DONE", "finished", "", None, "KILLED"])
def test_other_statuses_are_refused_and_nothing_is_ended(recording, status):
    with recording.start(experiment_name="demo"):
        recorder = recording.get_recorder()
        for end in (recording.end_exp, recording.exp_manager.end_exp, recording.get_exp().end, recorder.end_run):
            with pytest.raises(TrackingError, match="one of SCHEDULED, RUNNING, FINISHED, FAILED"):
                end(status)
        assert recorder.is_open


# -- what stays as it was -----------------------------------------------------------


def test_nothing_piles_up_in_the_interpreter(recording):
    def hooks():
        return sys.excepthook, sys.exit, signal.getsignal(signal.SIGTERM), atexit._ncallbacks(), dict(os.environ)

    with recording.start(experiment_name="demo"):
        recording.log_metrics(x=1)
    before = hooks()
    for _ in range(5):
        settings.init(uri=recording.get_uri())
        with recording.start(experiment_name="demo"):
            recording.log_metrics(x=1)
        recording.start_exp(experiment_name="demo")
        recording.end_exp()
    assert hooks() == before


def test_the_limits_of_mlflow_are_left_alone():
    from mlflow.utils import validation

    assert validation.MAX_PARAM_VAL_LENGTH == 6000


def test_a_repr_asks_the_store_nothing(recording, monkeypatch):
    with recording.start(experiment_name="demo"):
        recorder, experiment = recording.get_recorder(), recording.get_exp()
    for name in ("experiment", "manager", "run.recorder", "lookup.search"):
        module = sys.modules[f"rollforward.workflow.mlflow_backend.{name}"]
        monkeypatch.setattr(module, "client_for", lambda _uri: pytest.fail("a request"))
    for each in (recorder, experiment, recording, recording.exp_manager):
        assert "\n" not in repr(each)


def test_a_failed_nested_start_leaves_the_outer_store(recording, template_store, tmp_path):
    from rollforward.testing import copy_store, release_store

    (tmp_path / "other").mkdir()
    other = copy_store(template_store, tmp_path / "other" / "mlflow.db")
    with recording.start(experiment_name="demo", uri=other) as outer:
        recorder = recording.get_recorder()
        for bad in ({"uri": "mlruns"}, {"recorder_id": "x"}, {"experiment_id": "424242"}, {"experiment_name": " "}):
            with pytest.raises(TrackingError), recording.start(**bad):
                pytest.fail("must not be entered")
            assert recording.get_uri() == other
            assert recording.get_recorder() is recorder
            assert recording.get_exp() is outer
        recording.log_metrics(x=1)
    assert recorder.list_metrics() == {"x": 1.0}
    release_store(other)


def test_no_file_is_left_where_the_script_runs(recording, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with recording.start(experiment_name="demo"):
        recording.save_objects(x=1)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_folder_with_blanks_and_signs_is_a_folder(recording, template_store, tmp_path):
    from rollforward.testing import copy_store, release_store

    folder = tmp_path / "my store 100 Größe"
    folder.mkdir()
    uri = copy_store(template_store, folder / "mlflow.db")
    with recording.start(experiment_name="demo", uri=uri):
        recorder = recording.get_recorder()
        recording.save_objects(x=1)
    assert recorder.get_local_dir() == str(folder / "mlruns" / "demo" / recorder.id)
    assert recorder.load_object("x") == 1
    release_store(uri)
