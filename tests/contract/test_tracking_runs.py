"""`R.start` and what is logged inside: contract sections 1 and 4."""

from __future__ import annotations

import pickle
import re
import signal
import socket
import sys
import threading
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rollforward import init
from rollforward.errors import (
    LoadObjectError,
    NoActiveRunError,
    RecorderInitializationError,
    SerializationError,
    TrackingError,
)
from rollforward.workflow import R, Recorder


@pytest.fixture
def run(recording):
    """An active run named "first" in experiment "demo"."""
    with recording.start(experiment_name="demo", recorder_name="first"):
        yield recording.get_recorder()


def only(recorders):
    (recorder,) = recorders.values()
    return recorder


def test_start_yields_the_experiment_and_ends_finished(recording):
    with recording.start(experiment_name="demo", recorder_name="first") as experiment:
        assert experiment.name == "demo"
        assert experiment.info["class"] == "Experiment"
        recorder = experiment.active_recorder
        assert recorder.status == Recorder.STATUS_R
        assert recording.get_recorder() is recorder
        assert recording.get_exp() is experiment

    stored = only(recording.list_recorders(experiment_name="demo"))
    assert stored == recorder
    assert stored.name == "first"
    assert stored.status == recorder.status == Recorder.STATUS_FI
    assert recording.exp_manager.active_experiment is None


def test_info_names_the_run_and_its_local_times(recording):
    with recording.start(experiment_name="demo", recorder_name="first"):
        pass
    info = recording.get_recorder(experiment_name="demo", recorder_name="first").info
    assert list(info) == ["class", "id", "name", "experiment_id", "start_time", "end_time", "status"]
    assert info["class"] == "Recorder"
    for key in ("start_time", "end_time"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", info[key])


@pytest.mark.parametrize(
    ("error", "status", "in_mlflow"),
    [
        (ValueError("no data\nmore"), "FAILED", "FAILED"),
        (SystemExit(3), "FAILED", "FAILED"),
        (SystemExit(0), "FINISHED", "FINISHED"),
        (KeyboardInterrupt(), "FAILED", "KILLED"),
        (GeneratorExit(), "FAILED", "FAILED"),
    ],
)
def test_what_ends_the_block_decides_the_status(recording, error, status, in_mlflow):
    def body():
        with recording.start(experiment_name="demo"):
            recording.log_metrics(x=1)
            raise error

    with pytest.raises(type(error)):
        body()

    recorder = only(recording.list_recorders(experiment_name="demo"))
    assert recorder.status == status
    assert recorder.metrics == {"x": 1.0}
    assert recording.search_records(recorder.experiment_id)["status"].tolist() == [in_mlflow]
    assert recording.exp_manager.active_experiment is None
    assert only(recording.list_recorders(experiment_name="demo", status=status)) == recorder


def test_a_failed_run_keeps_its_traceback(recording):
    with pytest.raises(ZeroDivisionError), recording.start(experiment_name="demo"):
        1 / 0  # noqa: B018

    recorder = only(recording.list_recorders(experiment_name="demo"))
    assert recorder.tags["error"] == "ZeroDivisionError: division by zero"
    text = recorder.load_object("traceback.txt")
    assert text.startswith("Traceback (most recent call last):\n")
    assert "1 / 0" in text
    assert "expm.py" not in text


def test_sigterm_ends_the_run_killed_and_the_handler_is_the_default_again(recording):
    with pytest.raises(SystemExit) as caught, recording.start(experiment_name="demo"):
        signal.raise_signal(signal.SIGTERM)
    assert caught.value.code == 143
    recorder = only(recording.list_recorders(experiment_name="demo"))
    assert recording.search_records(recorder.experiment_id)["status"].tolist() == ["KILLED"]
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_hooks_of_the_interpreter_stay_as_they_are(recording):
    before = sys.excepthook, signal.getsignal(signal.SIGINT)
    with recording.start(experiment_name="demo"):
        assert (sys.excepthook, signal.getsignal(signal.SIGINT)) == before
    assert (sys.excepthook, signal.getsignal(signal.SIGINT)) == before


def test_a_start_inside_a_start_is_a_child_and_the_parent_is_active_again(recording):
    with recording.start(experiment_name="job", recorder_name="parent"):
        parent = recording.get_recorder()
        with recording.start(experiment_name="folds", recorder_name="child"):
            child = recording.get_recorder()
            recording.log_metrics(x=2)
        assert recording.get_recorder() is parent
        recording.log_metrics(x=1)

    assert child.list_tags()["mlflow.parentRunId"] == parent.id
    assert "mlflow.parentRunId" not in parent.list_tags()
    assert (parent.list_metrics(), child.list_metrics()) == ({"x": 1.0}, {"x": 2.0})


def test_a_failing_child_that_is_caught_leaves_the_parent_running(recording):
    with recording.start(experiment_name="demo", recorder_name="parent"):
        with pytest.raises(ValueError, match="fold"), recording.start(experiment_name="demo", recorder_name="child"):
            raise ValueError("fold 3")
        recording.log_metrics(x=1)
    statuses = {rec.name: rec.status for rec in recording.list_recorders(experiment_name="demo", rtype="list")}
    assert statuses == {"parent": "FINISHED", "child": "FAILED"}


def test_threads_have_runs_of_their_own(recording):
    barrier = threading.Barrier(3)
    errors = []

    def work(n):
        try:
            with recording.start(experiment_name="demo", recorder_name=f"run {n}"):
                barrier.wait(timeout=60)
                recording.log_metrics(n=n)
                recording.log_params(n=n)
        except Exception as error:  # noqa: BLE001  # shown by the assertion below
            errors.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    recorders = recording.list_recorders(experiment_name="demo", rtype="list")
    assert {rec.name: (rec.metrics["n"], rec.params["n"]) for rec in recorders} == {
        f"run {n}": (float(n), str(n)) for n in range(3)
    }


def test_a_failure_inside_start_leaves_nothing_active_and_no_run(recording, monkeypatch):
    from rollforward.workflow.mlflow_backend.run import recorder as module

    def refuse(*_, **__):
        raise TrackingError("the disk is full")

    with recording.start(experiment_name="demo", recorder_name="outer"):
        outer = recording.get_recorder()
        with monkeypatch.context() as patch:
            patch.setattr(module, "RunWriter", refuse)
            with pytest.raises(TrackingError, match="disk is full"), recording.start(experiment_name="demo"):
                pytest.fail("must not be entered")
        assert recording.get_recorder() is outer
    assert list(recording.list_recorders(experiment_name="demo")) == [outer.id]


def test_a_refused_store_leaves_what_was_active(recording):
    with recording.start(experiment_name="demo"):
        outer = recording.get_recorder()
        with pytest.raises(TrackingError, match="migrate-filestore"), recording.start(uri="mlruns"):
            pytest.fail("must not be entered")
        assert recording.get_recorder() is outer


def test_start_exp_and_end_exp_without_a_block(recording):
    experiment = recording.start_exp(experiment_name="demo", recorder_name="first")
    recorder = experiment.active_recorder
    recording.end_exp("FAILED")
    assert recorder.status == "FAILED"
    assert recorder.list_tags().get("error") is None
    recording.end_exp()  # nothing is active: no error


def test_a_status_that_is_none_of_the_four_is_refused(run):
    with pytest.raises(TrackingError, match="one of SCHEDULED, RUNNING, FINISHED, FAILED"):
        R.end_exp("DONE")
    assert run.is_open


def test_names_are_keyword_only(recording):
    with pytest.raises(TypeError), recording.start("demo"):
        pytest.fail("must not be entered")


def test_init_is_refused_while_a_recorder_is_active(run, tracking_uri):
    with pytest.raises(RecorderInitializationError):
        init(uri="sqlite:///other.db")
    assert R.get_uri() == tracking_uri
    assert R.get_recorder() is run


# -- logging ------------------------------------------------------------------


def test_params_metrics_and_tags_come_back(run):
    R.log_params(alpha=1.0, model={"a": [1, 2]}, nothing=None)
    R.log_metrics(step=1, IC=0.02, **{"Rank IC": np.float32(0.5)})
    R.log_metrics(step=2, IC=Decimal("0.03"))
    R.set_tags(kind="fold", n=3)
    R.set_tags(kind="job")

    params = run.list_params()
    assert params.pop("cmd-sys.argv") == " ".join(sys.argv)
    assert params == {"alpha": "1.0", "model": "{'a': [1, 2]}", "nothing": "None"}
    assert run.list_metrics() == {"IC": 0.03, "Rank IC": 0.5}
    assert {key: value for key, value in run.list_tags().items() if not key.startswith("mlflow.")} == {
        "hostname": socket.gethostname(),
        "kind": "job",
        "n": "3",
    }


def test_the_last_value_without_steps_is_the_one_that_counts(run):
    for value in (1.0, 3.0, 2.0):
        R.log_metrics(loss=value)
    assert run.list_metrics() == {"loss": 2.0}


def test_not_a_number_is_a_value(run):
    R.log_metrics(IC=float("nan"))
    assert np.isnan(run.list_metrics()["IC"])


def test_a_bad_key_names_itself_and_nothing_of_the_call_is_written(run):
    with pytest.raises(TrackingError, match="'IC@5' is no key of a metric"):
        R.log_metrics(IC=1, **{"IC@5": 2})
    with pytest.raises(TypeError, match="metric 'x'"):
        R.log_metrics(IC=1, x="high")
    assert run.list_metrics() == {}
    R.log_metrics(IC=1)
    assert run.list_metrics() == {"IC": 1.0}


def test_a_changed_param_is_an_error_that_loses_nothing(run):
    R.log_params(alpha=1)
    R.log_params(alpha=2, beta=3)
    with pytest.raises(TrackingError, match="'alpha' is '1', and '2' was logged"):
        R.flush()
    params = run.list_params()
    assert (params["alpha"], params["beta"]) == ("1", "3")


def test_long_values_are_kept_whole(run):
    text = "äöü" * 4000
    R.log_params(record=text)
    R.set_tags(**{"note:long": text})
    assert "12000 characters" in run.list_params()["record"]
    assert run.load_object("params/record.txt") == text
    assert run.load_object("tags/note_long.txt") == text


def test_many_at_once(run):
    R.log_params(**{f"p{i}": i for i in range(250)})
    R.log_metrics(**{f"m{i}": i for i in range(1500)})
    assert len(run.list_params()) == 251
    assert len(run.list_metrics()) == 1500


def test_tags_are_deleted_and_a_missing_one_is_no_error(run):
    R.set_tags(a=1, b=2)
    run.delete_tags("a", "never")
    assert "a" not in run.list_tags()
    assert run.list_tags()["b"] == "2"


def test_environment_variables_of_ours_are_params(recording, monkeypatch):
    monkeypatch.setenv("_QLIB_FOLD", "3")
    with recording.start(experiment_name="demo"):
        assert recording.get_recorder().list_params()["_QLIB_FOLD"] == "3"


def test_logging_outside_a_run_starts_one_in_the_default_experiment(recording):
    recording.log_metrics(x=1)
    recording.save_objects(**{"pred.pkl": [1]})
    default = recording.get_recorder()
    assert recording.get_exp().name == "Experiment"
    assert default.name == "mlflow_recorder"

    with recording.start(experiment_name="demo"):
        assert recording.get_recorder() != default
    assert recording.get_recorder() is default
    assert default.list_tags().get("mlflow.parentRunId") is None

    recording.end_exp()
    assert default.status == "FINISHED"
    assert default.list_metrics() == {"x": 1.0}
    assert len(recording.list_recorders()) == 1


def test_loading_outside_a_run_creates_nothing(recording):
    with pytest.raises(ValueError, match="no experiment named 'Experiment'"):
        recording.load_object("pred.pkl")
    assert list(recording.list_experiments()) == ["Default"]


# -- objects ------------------------------------------------------------------


def test_objects_come_back_by_suffix_and_folders_are_allowed(run):
    frame = pd.DataFrame({"score": [0.1, 0.2]}, index=pd.date_range("2020-01-01", periods=2, name="datetime"))
    R.save_objects(**{"pred.pkl": frame, "a/b/pred.parquet": frame, "config.json": {"x": [1]}, "task": {"t": (1,)}})
    R.save_objects(artifact_path="sub", **{"note.txt": "hello"})

    pd.testing.assert_frame_equal(R.load_object("pred.pkl"), frame)
    pd.testing.assert_frame_equal(R.load_object("a/b/pred.parquet"), frame, check_freq=False)
    assert R.load_object("config.json") == {"x": [1]}
    assert R.load_object("task") == {"t": (1,)}
    assert R.load_object("sub/note.txt") == "hello"
    assert run.list_artifacts() == ["a", "config.json", "pred.pkl", "requirements.txt", "sub", "task"]
    assert run.list_artifacts("sub") == ["sub/note.txt"]
    assert run.list_artifacts("missing") == []


def test_saving_again_replaces(run):
    R.save_objects(**{"x.pkl": 1})
    R.save_objects(**{"x.pkl": 2})
    assert R.load_object("x.pkl") == 2
    assert run.list_artifacts() == ["requirements.txt", "x.pkl"]


def test_files_and_folders_are_stored(run, tmp_path):
    (tmp_path / "folder" / "deep").mkdir(parents=True)
    (tmp_path / "folder" / "deep" / "a.txt").write_text("a")
    (tmp_path / "b.txt").write_text("b")
    R.save_objects(local_path=tmp_path / "folder", artifact_path="copy")
    R.save_objects(local_path=str(tmp_path / "b.txt"))
    R.log_artifact(str(tmp_path / "b.txt"), "again")
    assert run.load_object("copy/deep/a.txt") == "a"
    assert run.list_artifacts() == ["again", "b.txt", "copy", "requirements.txt"]


@pytest.mark.parametrize(
    "call",
    [
        lambda: R.save_objects(local_path="x", y=1),
        R.save_objects,
        lambda: R.save_objects(**{"../x.pkl": 1}),
        lambda: R.save_objects(**{"/x.pkl": 1}),
        lambda: R.save_objects(local_path="missing.txt"),
        lambda: R.log_artifact("missing.txt"),
    ],
)
def test_what_cannot_be_saved_is_refused(run, call):
    with pytest.raises(TrackingError):
        call()
    assert run.list_artifacts() == ["requirements.txt"]


def test_an_object_that_cannot_be_written_leaves_no_file(run):
    with pytest.raises(SerializationError):
        R.save_objects(**{"bad.pkl": lambda: 1})
    assert run.list_artifacts() == ["requirements.txt"]


def test_missing_and_unreadable_artifacts_are_told_apart(run, tmp_path):
    R.save_objects(**{"pred.pkl": 1})
    (tmp_path / "broken.pkl").write_bytes(b"\x80no pickle")
    R.log_artifact(tmp_path / "broken.pkl")

    with pytest.raises(LoadObjectError, match=r"'pred\.pk' is missing") as caught:
        R.load_object("pred.pk")
    assert run.id in str(caught.value)
    assert "Did you mean 'pred.pkl'?" in str(caught.value)
    with pytest.raises(LoadObjectError, match=r"'broken\.pkl'.*cannot be read"):
        R.load_object("broken.pkl")


def test_an_unpickler_of_the_caller_is_used(run):
    class Refusing(pickle.Unpickler):
        def find_class(self, module, name):
            raise pickle.UnpicklingError(f"forbidden: {module}.{name}")

    R.save_objects(plain=[1], obj=Decimal(1))
    assert run.load_object("plain", Refusing) == [1]
    with pytest.raises(LoadObjectError, match="forbidden"):
        R.load_object("obj", unpickler=Refusing)


def test_downloading_returns_the_path(run, tmp_path):
    R.save_objects(**{"a/x.txt": "hello"})
    where = R.download_artifact("a/x.txt")
    assert where == str(tmp_path / "mlruns" / "demo" / run.id / "artifacts" / "a" / "x.txt")
    copy = R.download_artifact("a/x.txt", str(tmp_path / "here"))
    assert copy == str(tmp_path / "here" / "x.txt")
    assert (tmp_path / "here" / "x.txt").read_text() == "hello"


def test_the_folder_of_a_run_is_beside_the_database(run, tmp_path):
    assert run.get_local_dir() == str(tmp_path / "mlruns" / "demo" / run.id)
    assert run.get_artifact_uri() == f"file://{tmp_path}/mlruns/demo/{run.id}/artifacts"


def test_a_run_that_was_never_started_has_no_folder(recording):
    recorder = recording.get_exp(experiment_name="demo").create_recorder("later")
    assert (recorder.id, recorder.status) == (None, "SCHEDULED")
    for method in (recorder.get_artifact_uri, recorder.get_local_dir, recorder.list_metrics):
        with pytest.raises(NoActiveRunError, match="has not been started"):
            method()


def test_a_pickled_recorder_reads_and_logs_and_does_not_end_the_run(run):
    R.save_objects(**{"x.pkl": 1})
    copy = pickle.loads(pickle.dumps(run))
    assert copy == run
    assert hash(copy) == hash(run)
    assert copy.load_object("x.pkl") == 1
    copy.log_metrics(y=2)
    assert run.list_metrics() == {"y": 2.0}
    assert not copy.is_open


def test_a_run_is_renamed(run):
    run.set_recorder_name("second")
    assert run.name == "second"
    assert run.list_tags()["mlflow.runName"] == "second"
    assert R.get_recorder(experiment_name="demo", recorder_name="second") is run


# -- MLflow's own functions ---------------------------------------------------


def test_mlflows_own_functions_write_to_the_active_run(recording):
    import mlflow

    with recording.start(experiment_name="demo"):
        recorder = recording.get_recorder()
        assert mlflow.active_run().info.run_id == recorder.id
        mlflow.log_metric("m", 1.5)
        mlflow.log_param("p", "x")
        with recording.start(experiment_name="demo"):
            assert mlflow.active_run().info.run_id == recording.get_recorder().id
            with mlflow.start_run(nested=True) as nested:
                assert nested.info.experiment_id == recorder.experiment_id
        assert mlflow.active_run().info.run_id == recorder.id
    assert recorder.list_metrics() == {"m": 1.5}
    assert mlflow.active_run() is None


def test_mlflows_globals_are_as_before_after_the_block(recording, monkeypatch, tmp_path):
    import os

    import mlflow

    def body():
        with recording.start(experiment_name="demo"):
            assert mlflow.get_tracking_uri() == recording.get_recorder().uri
            assert os.environ["MLFLOW_TRACKING_URI"] == recording.get_recorder().uri
            with recording.start(experiment_name="demo"):
                pass
            mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/elsewhere.db")
            raise ValueError("x")

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://before:1")
    with pytest.raises(ValueError, match="x"):
        body()
    assert mlflow.get_tracking_uri() == "http://before:1"
    assert os.environ["MLFLOW_TRACKING_URI"] == "http://before:1"
    assert mlflow.tracking.fluent._active_experiment_id is None


# -- the rest -----------------------------------------------------------------


def test_texts_dictionaries_figures_and_tables_pass_through(run):
    from matplotlib.figure import Figure

    figure = Figure()
    figure.subplots().plot([1, 2])
    R.log_text("# title\n", "notes/readme.md")
    R.log_dict({"a": 1}, "config.yaml")
    R.log_figure(figure, "plots/ic.png")
    R.log_table({"year": [2020], "IC": [0.1]}, "table.json")
    assert run.list_artifacts() == ["config.yaml", "notes", "plots", "requirements.txt", "table.json"]
    assert Path(R.download_artifact("notes/readme.md")).read_text() == "# title\n"
    assert run.load_object("config.yaml") == {"a": 1}


def test_a_run_in_a_repository_keeps_the_state_of_the_code(recording, tmp_path, monkeypatch):
    import subprocess

    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "none"))
    (tmp_path / "repository").mkdir()
    monkeypatch.chdir(tmp_path / "repository")
    (tmp_path / "repository" / "model.py").write_bytes(b"x = '\xff'\n")
    identity = ["-c", "user.email=a@b.c", "-c", "user.name=A"]
    for command in (["init", "-q"], ["add", "."], [*identity, "commit", "-q", "-m", "first"]):
        subprocess.run(["git", *command], check=True)
    (tmp_path / "repository" / "model.py").write_bytes(b"x = '\xfe'\n")

    with recording.start(experiment_name="demo"):
        recorder = recording.get_recorder()

    code = ["code_cached.txt", "code_diff.txt", "code_status.txt"]
    assert recorder.list_artifacts() == [*code, "requirements.txt"]
    assert "+x = '\ufffd'" in recorder.load_object("code_diff.txt")
    assert len(recorder.list_tags()["mlflow.source.git.commit"]) == 40


def test_artifacts_that_cannot_be_written_do_not_keep_a_run_from_starting(recording, tmp_path, caplog):
    (tmp_path / "mlruns").write_text("in the way")
    with recording.start(experiment_name="demo"):
        recording.flush()
        assert "comes from is not kept" in caplog.text
        with pytest.raises(TrackingError, match="cannot be written to"):
            recording.save_objects(x=1)


def test_a_start_without_a_block_says_so(recording, caplog):
    recording.start(experiment_name="demo")
    assert "starts nothing by itself" in caplog.text
    caplog.clear()
    started = recording.start(experiment_name="demo")
    with pytest.raises(AttributeError, match=r"with R\.start"):
        started.active_recorder  # noqa: B018  # the attribute is what is asked for
    assert not hasattr(started, "log_metrics")
    assert "demo" not in recording.list_experiments()
    with started as experiment:
        assert experiment.name == "demo"
    del started
    assert caplog.text == ""


def test_a_function_as_a_block(recording):
    @recording.start(experiment_name="demo")
    def train(x):
        recording.log_metrics(x=x)
        return x

    assert [train(1), train(x=2)] == [1, 2]
    recorders = recording.list_recorders(experiment_name="demo", rtype="list")
    assert [(recorder.status, recorder.metrics["x"]) for recorder in recorders] == [("FINISHED", 2), ("FINISHED", 1)]
