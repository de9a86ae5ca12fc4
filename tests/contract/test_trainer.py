"""Training as the contract has it: runs, artifacts, tags, statuses and order, in a real tracking store."""

from __future__ import annotations

import copy
import datetime as dt
import importlib
import logging
import sys
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rollforward.errors import DataSourceError, ExperimentNotFoundError, InstantiationError, LeakageError
from rollforward.instantiate import init_instance_by_config
from rollforward.workflow import R
from rollforward.workflow.task.gen import RollingGen
from rollforward.workflow.trainer import TrainerR, begin_task_train, end_task_train, task_train
from rollforward.workflow.trainer.check import check_task

LONG = {"train": ("2020-01-01", "2020-06-30"), "test": ("2020-07-01", "2020-11-17")}

TOYS = """
    import numpy as np
    import pandas as pd

    from rollforward.data.handler import DataHandlerLP
    from rollforward.model.base import Model, Reweighter
    from rollforward.workflow.record_temp import RecordTemp

    def prices(instruments, start_time, end_time):
        dates = pd.bdate_range("2020-01-01", "2020-12-31")
        rows = pd.MultiIndex.from_product([dates, list("ABCDEF")], names=["datetime", "instrument"])
        rng = np.random.default_rng(0)
        x, noise = rng.normal(size=(2, len(rows)))
        columns = pd.MultiIndex.from_tuples([("feature", "x"), ("label", "LABEL0")])
        return pd.DataFrame(np.column_stack([x, x + noise]), rows, columns)

    class Toy(Model):
        log = []

        def __init__(self, scale=1.0, fail_at=None):
            self.scale, self.fail_at, self._fitted = scale, fail_at, False

        def fit(self, dataset, reweighter=None):
            Toy.log.append(("fit", reweighter))
            start = dataset.prepare("train", col_set="feature", data_key="learn").index[0][0]
            if self.fail_at is not None and start >= pd.Timestamp(self.fail_at):
                raise ArithmeticError(f"diverged at {start.date()}")
            self._fitted = True

        def predict(self, dataset, segment="test"):
            x = dataset.prepare(segment, col_set="feature", data_key="infer")
            return pd.Series(x.iloc[:, 0].to_numpy() * self.scale, index=x.index)

    class Plain(Toy):
        def fit(self, dataset):
            super().fit(dataset)

    class Seeing(Toy):
        seen = []

        def fit(self, dataset, reweighter=None):
            Seeing.seen.append(id(dataset.handler))

    class Weights(Reweighter):
        def reweight(self, data):
            return None

    class Noted(RecordTemp):
        def __init__(self, model, dataset, recorder, note=""):
            super().__init__(recorder)
            self.model, self.note = model, note

        def generate(self):
            Toy.log.append(("record", self.note, type(self.model).__name__))
"""


@pytest.fixture
def toys(tmp_path, monkeypatch):
    """A user's own module, importable by name, also in another process."""
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "toys_of_this_test.py").write_text(textwrap.dedent(TOYS))
    monkeypatch.syspath_prepend(str(folder))
    yield importlib.import_module("toys_of_this_test")
    del sys.modules["toys_of_this_test"]


@pytest.fixture
def task(toys):
    loader = {"class": "CallableLoader", "module_path": "rollforward.data.loader", "kwargs": {"function": toys.prices}}
    return {
        "model": {"class": "Toy", "module_path": "toys_of_this_test", "kwargs": {"scale": 2.0}},
        "dataset": {
            "class": "DatasetH",
            "module_path": "rollforward.data.dataset",
            "kwargs": {
                "handler": {
                    "class": "DataHandlerLP",
                    "module_path": "rollforward.data.handler",
                    "kwargs": {"data_loader": loader},
                },
                "segments": {
                    "train": (dt.date(2020, 1, 1), dt.date(2020, 6, 30)),
                    "test": ["2020-09-01", "2020-09-30"],
                },
            },
        },
        "record": ["SignalRecord", {"class": "SigAnaRecord"}],
    }


def started(task, start):
    task = copy.deepcopy(task)
    task["dataset"]["kwargs"]["segments"]["train"] = (start, "2020-06-30")
    return task


def runs_of(experiment_name):
    try:
        return R.list_recorders(experiment_name=experiment_name, rtype="list")
    except ExperimentNotFoundError:
        return []


@pytest.fixture(autouse=True)
def _store(recording):
    return recording


def test_a_finished_run_holds_what_the_contract_names(task):
    before = copy.deepcopy(task)
    recorder = task_train(task, "exp", recorder_name="first")
    assert task == before
    assert (recorder.name, recorder.status) == ("first", "FINISHED")
    stored = R.get_recorder(recorder_id=recorder.id)
    assert stored.status == "FINISHED"
    assert set(stored.list_artifacts()) >= {"task", "params.pkl", "dataset", "pred.pkl", "label.pkl", "sig_analysis"}
    assert set(stored.list_artifacts("sig_analysis")) >= {"sig_analysis/ic.pkl", "sig_analysis/ric.pkl"}
    assert set(stored.list_metrics()) >= {"IC", "ICIR", "Rank IC", "Rank ICIR"}
    params = stored.list_params()
    assert params["model.kwargs.scale"] == "2.0"
    assert params["dataset.kwargs.segments.train"] == "('2020-01-01', '2020-06-30')"
    tags = stored.list_tags()
    assert {"hostname", "task_hash", "data_hash"} <= set(tags)
    assert (tags["model"], tags["train_start"], tags["test_end"]) == ("Toy", "2020-01-01", "2020-09-30")


def test_artifacts_come_back_with_their_types(task, toys):
    recorder = task_train(task, "exp")
    assert recorder.load_object("task") == task
    assert recorder.load_object("task")["dataset"]["kwargs"]["segments"]["train"][0] == dt.date(2020, 1, 1)
    model = recorder.load_object("params.pkl")
    assert isinstance(model, toys.Toy)
    assert model._fitted
    dataset = recorder.load_object("dataset")
    assert list(dataset.segments) == ["train", "test"]
    assert len(recorder.load_object("dataset").__dict__.get("handler").__dict__.get("_data", [])) == 0
    pred, label = recorder.load_object("pred.pkl"), recorder.load_object("label.pkl")
    assert list(pred.columns) == ["score"]
    assert pred.index.equals(label.index)
    assert pred.index.get_level_values(0).min() == pd.Timestamp("2020-09-01")
    assert pred.index.get_level_values(0).max() == pd.Timestamp("2020-09-30")


def test_the_logged_ic_is_that_of_the_stored_prediction(task):
    recorder = task_train(task, "exp")
    pair = pd.concat([recorder.load_object("pred.pkl"), recorder.load_object("label.pkl")], axis=1)
    daily = [part.iloc[:, 0].corr(part.iloc[:, 1]) for _, part in pair.groupby(level="datetime")]
    assert recorder.list_metrics()["IC"] == pytest.approx(np.mean(daily))
    assert recorder.list_metrics()["ICIR"] == pytest.approx(np.mean(daily) / np.std(daily, ddof=1))


def test_a_run_without_a_name_is_named_after_model_and_test_segment(task):
    assert task_train(task, "exp").name == "Toy 2020-09-01..2020-09-30"


@pytest.mark.parametrize(
    ("edit", "error"),
    [
        (lambda task: task["model"].update({"class": "Missing"}), InstantiationError),
        (lambda task: task["dataset"]["kwargs"]["segments"].update(train=("2020-01-01", "2020-09-01")), LeakageError),
        (lambda task: task["dataset"]["kwargs"].update(handler="file://nowhere.pkl"), InstantiationError),
        (lambda task: task["dataset"]["kwargs"].update(source="nowhere.parquet"), DataSourceError),
    ],
)
def test_a_task_that_cannot_start_leaves_no_run(task, edit, error):
    edit(task)
    for train in (task_train, begin_task_train, lambda one, name: TrainerR(name, reuse=True).train([one])):
        with pytest.raises(error):
            train(task, "exp")
    assert runs_of("exp") == []


def test_a_model_that_raises_leaves_a_failed_run_with_its_traceback(task):
    task["model"]["kwargs"]["fail_at"] = "2020-01-01"
    with pytest.raises(ArithmeticError, match="diverged"):
        task_train(task, "exp")
    (recorder,) = runs_of("exp")
    assert recorder.status == "FAILED"
    assert "task" in recorder.list_artifacts()
    assert "params.pkl" not in recorder.list_artifacts()
    kept = [name for name in recorder.list_artifacts() if "traceback" in name]
    assert "diverged at 2020-01-01" in recorder.load_object(kept[0])


def test_records_run_in_their_order_with_placeholders_and_offers(task, toys):
    given = {"class": "Noted", "module_path": "toys_of_this_test"}
    task["record"] = [
        {**given, "kwargs": {"note": "first", "model": "<MODEL>", "dataset": "<DATASET>"}},
        {**given, "kwargs": {"note": "<dataset.kwargs.segments.test.0>"}},
    ]
    toys.Toy.log.clear()
    task_train(task, "exp")
    assert toys.Toy.log == [("fit", None), ("record", "first", "Toy"), ("record", "2020-09-01", "Toy")]
    assert task["record"][0]["kwargs"]["model"] == "<MODEL>"


def test_a_reweighter_reaches_fit_or_is_dropped_with_a_warning(task, toys, caplog):
    task["reweighter"] = {"class": "Weights", "module_path": "toys_of_this_test"}
    toys.Toy.log.clear()
    task_train(task, "exp")
    assert isinstance(toys.Toy.log[0][1], toys.Weights)
    task["model"]["class"] = "Plain"
    with caplog.at_level(logging.WARNING):
        task_train(task, "exp")
    assert toys.Toy.log[-1] == ("fit", None)
    assert "reweighter" in caplog.text


def test_live_objects_may_stand_in_a_task(task, toys):
    model = toys.Toy(scale=3.0)
    recorder = task_train({**task, "model": model}, "exp")
    assert recorder.load_object("params.pkl").scale == 3.0
    assert model._fitted
    assert "task_hash" not in recorder.list_tags()


def test_beginning_is_not_trained_and_ending_trains_in_the_same_run(task):
    begun = begin_task_train(task, "exp")
    assert R.get_recorder(recorder_id=begun.id).status == "SCHEDULED"
    assert "params.pkl" not in begun.list_artifacts()
    ended = end_task_train(begun, "exp")
    assert (ended.id, ended.status) == (begun.id, "FINISHED")
    assert {"params.pkl", "pred.pkl"} <= set(ended.list_artifacts())
    assert len(runs_of("exp")) == 1


def test_recorders_come_in_the_order_of_the_tasks(task):
    starts = ["2020-03-02", "2020-01-01", "2020-02-03"]
    recorders = TrainerR("exp")([started(task, start) for start in starts])
    assert [recorder.list_tags()["train_start"] for recorder in recorders] == starts
    assert {recorder.list_tags()["train_status"] for recorder in recorders} == {"end_task_train"}


def test_the_first_failure_ends_the_batch_and_what_was_trained_stays(task):
    task["model"]["kwargs"]["fail_at"] = "2020-02-01"
    with pytest.raises(ArithmeticError):
        TrainerR("exp").train([started(task, f"2020-0{month}-03") for month in (1, 2, 3)])
    assert sorted(recorder.status for recorder in runs_of("exp")) == ["FAILED", "FINISHED"]


def test_inside_a_run_the_tasks_are_its_children(task):
    with R.start(experiment_name="exp", recorder_name="job"):
        parent = R.get_recorder()
        recorders = TrainerR("exp").train([task, task])
        assert R.get_recorder() is parent
    assert {recorder.list_tags()["mlflow.parentRunId"] for recorder in recorders} == {parent.id}


def test_reuse_finds_the_same_task_and_trains_only_the_others(task, toys):
    tasks = [started(task, f"2020-0{month}-03") for month in (1, 2, 3)]
    first = TrainerR("exp", reuse=True)
    trained = first.train(tasks[:2])
    assert first.reused == []
    toys.Toy.log.clear()
    second = TrainerR("exp", reuse=True)
    again = second.train([tasks[2], tasks[1], tasks[0]])
    assert [recorder.id for recorder in again[1:]] == [trained[1].id, trained[0].id]
    assert second.reused == [trained[1].id, trained[0].id]
    assert len([entry for entry in toys.Toy.log if entry[0] == "fit"]) == 1
    assert all(recorder.status == "FINISHED" for recorder in again)
    (newer,) = TrainerR("exp").train(tasks[:1])
    assert TrainerR("exp", reuse=True).train(tasks[:1]) == [newer]


def warned(caplog):
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_what_a_function_returns_is_not_compared_and_that_is_said(task, toys, caplog):
    trained = TrainerR("exp", reuse=True).train(task)
    assert warned(caplog) == []
    again = TrainerR("exp", reuse=True).train(task)
    assert again == trained
    (said,) = warned(caplog)
    assert "dataset.kwargs.handler.kwargs.data_loader.kwargs.function" in said
    assert "reuse=False" in said


def test_a_function_whose_data_have_a_version(task, toys, caplog):
    loader = task["dataset"]["kwargs"]["handler"]["kwargs"]["data_loader"]["kwargs"]
    loader["version"] = "of Friday"
    trained = TrainerR("exp", reuse=True).train(task)
    assert TrainerR("exp", reuse=True).train(task) == trained
    loader["version"] = "of Monday"
    assert TrainerR("exp", reuse=True).train(task) != trained
    assert warned(caplog) == []


def test_two_experiments_share_the_same_task_and_prefer_their_own_run(task, toys, caplog):
    (theirs,) = TrainerR("exp").train(task)
    trainer = TrainerR("elsewhere", reuse=True)
    with caplog.at_level(logging.INFO, logger="rollforward.workflow.trainer"):
        shared = trainer.train([task, started(task, "2020-02-03")])
    assert shared[0] == theirs
    assert trainer.reused == [theirs.id]
    assert "1 tasks were trained in other experiments and are shared: exp" in caplog.text
    assert [run.id for run in runs_of("elsewhere")] == [shared[1].id]
    (own,) = TrainerR("elsewhere").train(task)
    TrainerR("exp").train(task)
    assert trainer.train(task) == [own]


def test_a_deleted_experiment_shares_nothing(task):
    TrainerR("exp").train(task)
    R.delete_exp(experiment_name="exp")
    trainer = TrainerR("elsewhere", reuse=True)
    trainer.train(task)
    assert trainer.reused == []


def test_reuse_sees_that_the_user_s_code_changed(task, toys):
    trainer = TrainerR("exp", reuse=True)
    (first,) = trainer.train(task)
    path = Path(toys.__file__)
    path.write_text(path.read_text() + "\nNEW = 1\n")
    (second,) = trainer.train(task)
    assert trainer.reused == []
    tags = [recorder.list_tags() for recorder in (first, second)]
    assert tags[0]["code_hash"] != tags[1]["code_hash"]
    assert tags[0]["task_hash"] == tags[1]["task_hash"]


def test_looking_up_takes_as_many_requests_for_many_tasks_as_for_few(task, monkeypatch):
    trainer = TrainerR("exp", reuse=True)
    trained = trainer.train([started(task, f"2020-0{month}-03") for month in (1, 2, 3)])
    searched = []
    search = type(R.exp_manager).search_records
    monkeypatch.setattr(
        type(R.exp_manager), "search_records", lambda *args, **kwargs: searched.append(1) or search(*args, **kwargs)
    )
    monkeypatch.setattr(type(R.exp_manager), "get_recorder", lambda *args: pytest.fail("one by one"))
    tasks = [started(task, f"2020-0{month}-03") for month in (3, 2, 1)]
    assert trainer.train(tasks) == trained[::-1]
    assert len(searched) == 1


def for_test(task, start, end, *, refit):
    task = copy.deepcopy(task)
    task["dataset"]["kwargs"]["segments"]["test"] = (start, end)
    task["dataset"]["kwargs"]["handler"]["kwargs"]["end_time"] = end
    return {**task, "refit": False} if refit is False else task


def test_a_task_that_is_not_to_be_refitted_takes_the_model_of_the_matching_one(task, toys):
    task["model"]["kwargs"]["scale"] = 3.0
    other = started(task, "2020-02-03")
    tasks = [
        for_test(task, "2020-09-01", "2020-09-30", refit=True),
        for_test(other, "2020-09-01", "2020-09-30", refit=True),
        for_test(task, "2020-10-01", "2020-10-30", refit=False),
        for_test(task, "2020-11-02", "2020-11-30", refit=False),
    ]
    toys.Toy.log.clear()
    recorders = TrainerR("exp").train(tasks)
    assert len([entry for entry in toys.Toy.log if entry[0] == "fit"]) == 2
    tags = [recorder.list_tags() for recorder in recorders]
    assert [tag.get("model_from") for tag in tags] == [None, None, recorders[0].id, recorders[0].id]
    assert tags[2]["model_hash"] == tags[0]["model_hash"] != tags[1]["model_hash"]
    assert recorders[3].load_object("params.pkl")._fitted
    pred = recorders[3].load_object("pred.pkl")
    assert pred.index.get_level_values("datetime").min() == pd.Timestamp("2020-11-02")
    whole = task_train(for_test(task, "2020-11-02", "2020-11-30", refit=True), "alone").load_object("pred.pkl")
    pd.testing.assert_frame_equal(pred, whole)


def test_a_model_is_taken_from_an_earlier_batch_and_another_experiment(task, toys):
    (fitted,) = TrainerR("exp").train(for_test(task, "2020-09-01", "2020-09-30", refit=True))
    toys.Toy.log.clear()
    (taken,) = TrainerR("elsewhere", reuse=True).train(for_test(task, "2020-10-01", "2020-10-30", refit=False))
    assert taken.list_tags()["model_from"] == fitted.id
    assert ("fit", None) not in toys.Toy.log


def test_without_a_matching_model_one_is_fitted_and_the_log_says_so(task, toys, caplog):
    toys.Toy.log.clear()
    recorder = task_train(for_test(task, "2020-10-01", "2020-10-30", refit=False), "exp")
    assert toys.Toy.log == [("fit", None)]
    assert "model_from" not in recorder.list_tags()
    assert "no finished run was trained on the same" in caplog.text


def test_a_model_whose_file_is_gone_is_not_taken(task, toys, caplog):
    (fitted,) = TrainerR("exp").train(for_test(task, "2020-09-01", "2020-09-30", refit=True))
    Path(fitted.get_local_dir(), "artifacts", "params.pkl").unlink()
    toys.Toy.log.clear()
    task_train(for_test(task, "2020-10-01", "2020-10-30", refit=False), "exp")
    assert toys.Toy.log == [("fit", None)]
    assert f"The model of run {fitted.id} cannot be taken" in caplog.text


def test_a_prepared_task_takes_its_model_when_it_is_ended(task, toys):
    begun = begin_task_train(for_test(task, "2020-10-01", "2020-10-30", refit=False), "exp")
    (fitted,) = TrainerR("exp").train(for_test(task, "2020-09-01", "2020-09-30", refit=True))
    toys.Toy.log.clear()
    ended = end_task_train(begun, "exp")
    assert ended.list_tags()["model_from"] == fitted.id
    assert toys.Toy.log == []


def test_a_hundred_tasks_share_one_live_handler(task, toys, caplog):
    handler = init_instance_by_config(task["dataset"]["kwargs"]["handler"])
    task["model"]["class"] = "Seeing"
    task["dataset"]["kwargs"] |= {"handler": handler, "segments": LONG}
    tasks = RollingGen(step=1, trunc_days=1, calendar=pd.bdate_range("2020-01-01", "2021-03-31")).generate(task)
    toys.Seeing.seen.clear()

    def fit_only(task, experiment_name, recorder_name=None):
        resolved = check_task(task).resolved
        init_instance_by_config(resolved["model"]).fit(init_instance_by_config(resolved["dataset"]))
        return recorders[0]

    with caplog.at_level(logging.INFO, logger="rollforward.workflow.trainer"):
        recorders = TrainerR("exp", reuse=True).train(tasks[:2])
        TrainerR("exp", fit_only, reuse=True).train(tasks)
    assert len(toys.Seeing.seen) == 102
    assert set(toys.Seeing.seen) == {id(handler)}
    assert {"task_hash", "model_hash"}.isdisjoint(recorders[0].list_tags())
    assert "100 of 100 tasks cannot be found again later: " in caplog.text
    assert "DataHandlerLP" in caplog.text


def test_reuse_takes_nothing_that_was_not_trained_to_its_end(task, toys, monkeypatch):
    task["record"] = {"class": "Noted", "module_path": "toys_of_this_test"}
    begin_task_train(task, "exp")
    with monkeypatch.context() as patch:
        patch.setattr(toys.Noted, "generate", lambda self: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            task_train(task, "exp")
    # Someone adds to the failed run, which is FINISHED then and has a model, but not its records.
    failed = next(run for run in runs_of("exp") if run.status == "FAILED")
    with R.start(experiment_name="exp", recorder_id=failed.id, resume=True):
        R.set_tags(note="looked at")
    trainer = TrainerR("exp", reuse=True)
    (trained,) = trainer.train([task])
    assert trainer.reused == []
    assert trainer.train([task]) == [trained]


def test_reuse_takes_nothing_of_another_version(task, monkeypatch):
    TrainerR("exp").train(task)
    monkeypatch.setattr("rollforward.workflow.trainer.reuse._SERIES", "0.0")
    trainer = TrainerR("exp", reuse=True)
    trainer.train(task)
    assert trainer.reused == []


def test_reuse_sees_that_a_data_file_changed(task, tmp_path):
    path = tmp_path / "prices.parquet"
    model = {"class": "Toy", "module_path": "toys_of_this_test"}
    handler = {"class": "PriceHandler", "module_path": "rollforward.data.price_handler"}
    closes = pd.DataFrame(
        np.exp(np.random.default_rng(0).normal(scale=0.01, size=(600, 4)).cumsum(axis=0)),
        index=pd.bdate_range("2019-01-01", periods=600, name="datetime"),
        columns=list("ABCD"),
    )
    closes.to_parquet(path)
    handler["kwargs"] = {"source": str(path), "horizon": 1}
    segments = {"train": ("2020-01-01", "2020-06-30"), "test": ("2020-09-01", "2020-09-30")}
    dataset = {**task["dataset"], "kwargs": {"handler": handler, "segments": segments}}
    task = {"model": model, "dataset": dataset, "record": "SignalRecord"}
    trainer = TrainerR("exp", reuse=True)
    trainer.train(task)
    trainer.train(task)
    assert len(trainer.reused) == 1
    (closes * 1.01).to_parquet(path)
    trainer.train(task)
    assert trainer.reused == []


def test_a_process_of_its_own_trains_in_the_same_store(task, toys):
    with R.start(experiment_name="exp", recorder_name="job"):
        parent = R.get_recorder()
        (recorder,) = TrainerR("exp", call_in_subproc=True).train(task)
    assert R.get_recorder(recorder_id=recorder.id).status == "FINISHED"
    assert recorder.list_tags()["mlflow.parentRunId"] == parent.id
    assert len(recorder.load_object("pred.pkl")) > 0
    assert ("fit", None) not in toys.Toy.log
