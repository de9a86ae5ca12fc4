"""What trainers do before and around a run; nothing here touches a tracking store."""

from __future__ import annotations

import copy
import datetime as dt
import importlib
import io
import os
import re
import textwrap

import pandas as pd
import pytest
from rich.console import Console
from sklearn.linear_model import Ridge

from rollforward import settings
from rollforward.errors import DataSourceError, InstantiationError, LeakageError, SegmentError, TaskError
from rollforward.model.sklearn import SklearnModel
from rollforward.workflow.trainer import STATUS_KEY, Trainer, TrainerR
from rollforward.workflow.trainer import progress as progress_module
from rollforward.workflow.trainer.check import as_list, check_task
from rollforward.workflow.trainer.describe import model_name, run_name, run_params, run_tags
from rollforward.workflow.trainer.isolate import in_fresh_process


@pytest.fixture
def task():
    return {
        "model": {
            "class": "SklearnModel",
            "module_path": "rollforward.model.sklearn",
            "kwargs": {"estimator": "sklearn.linear_model.Ridge", "alpha": 2.0},
        },
        "dataset": {
            "class": "DatasetH",
            "module_path": "rollforward.data.dataset",
            "kwargs": {
                "handler": {
                    "class": "PriceHandler",
                    "module_path": "rollforward.data.price_handler",
                    "kwargs": {
                        "source": "bundled:sp500_close",
                        "fit_start_time": "<dataset.kwargs.segments.train.0>",
                        "fit_end_time": "<dataset.kwargs.segments.train.1>",
                    },
                },
                "segments": {
                    "train": [dt.date(2000, 1, 3), dt.date(2003, 12, 31)],
                    "valid": ("2004-02-02", "2004-06-30"),
                    "test": (pd.Timestamp("2005-01-03"), pd.Timestamp("2005-06-30")),
                },
            },
        },
        "record": ["SignalRecord", {"class": "SigAnaRecord", "kwargs": {"ana_long_short": True}}],
    }


def test_a_good_task_passes_and_is_left_as_it_was(task):
    before = copy.deepcopy(task)
    checked = check_task(task)
    assert task == before
    assert checked.given is task
    kwargs = checked.resolved["dataset"]["kwargs"]["handler"]["kwargs"]
    assert kwargs["fit_start_time"] == dt.date(2000, 1, 3)
    assert checked.segments["test"] == (pd.Timestamp("2005-01-03"), pd.Timestamp("2005-06-30"))
    assert len(checked.records) == 2


def test_the_hash_knows_what_a_task_says_not_how_it_is_written(task):
    same = {key: task[key] for key in reversed(task)}
    same["dataset"] = copy.deepcopy(task["dataset"])
    assert check_task(same).task_hash == check_task(task).task_hash
    other = copy.deepcopy(task)
    other["model"]["kwargs"]["alpha"] = 3.0
    assert check_task(other).task_hash != check_task(task).task_hash
    assert check_task(other).data_hash == check_task(task).data_hash


def test_a_live_model_has_no_hash_and_is_accepted(task):
    checked = check_task({**task, "model": SklearnModel()})
    assert checked.task_hash is None
    assert "task_hash" not in run_tags(checked)
    assert run_name(checked) == "Ridge 2005-01-03..2005-06-30"


def edited(task, path, value):
    *parents, last = path.split(".")
    node = task
    for key in parents:
        node = node[key]
    node[last] = value
    return task


@pytest.mark.parametrize(
    ("path", "value", "error", "message"),
    [
        ("model.class", "SklearnModle", InstantiationError, "model: .*SklearnModle"),
        ("model.kwargs", {"alhpa": 1}, InstantiationError, "alhpa"),
        ("model.kwargs.estimator", "sklearn.linear_model.Rigde", InstantiationError, "Rigde"),
        ("dataset.kwargs.handler.class", "PriceHandle", InstantiationError, "dataset.kwargs.handler: .*PriceHandle"),
        ("dataset.kwargs.handler.kwargs.source", "nowhere.csv", DataSourceError, "nowhere.csv"),
        ("dataset.kwargs.handler.kwargs.fit_start_time", "<dataset.kwargs.segmnets>", InstantiationError, "segmnets"),
        ("dataset.kwargs.segments.train", ("2000-01-03", "2005-03-01"), LeakageError, "'train'"),
        ("dataset.kwargs.segments.test", ("2005-06-30", "2005-01-03"), SegmentError, "'test'"),
        ("dataset.kwargs.segments.test", "2005", SegmentError, "'test'"),
        ("record", {"class": "SigAnaRecords"}, InstantiationError, "record.0: .*SigAnaRecords"),
        (
            "record",
            ["SignalRecord", {"class": "SigAnaRecord", "kwargs": {"x": 1}}],
            InstantiationError,
            "record.1: .*'x'",
        ),
        ("reweighter", {"class": "Nothing", "module_path": "rollforward.model.base"}, InstantiationError, "Nothing"),
        ("model", None, TaskError, "no 'model'"),
        ("dataset", None, TaskError, "no 'dataset'"),
    ],
)
def test_a_bad_task_is_refused_and_the_message_names_the_place(task, path, value, error, message):
    with pytest.raises(error, match=f"(?s){message}"):
        check_task(edited(task, path, value))


def test_a_task_that_is_no_dictionary_is_refused():
    with pytest.raises(TaskError, match="list"):
        check_task([1])


def test_a_bare_estimator_is_refused_with_the_way_to_wrap_it(task):
    for model in ({"class": "Ridge", "module_path": "sklearn.linear_model"}, Ridge()):
        with pytest.raises(TaskError, match=r"(?s)fit needs X, y.*SklearnModel\(estimator="):
            check_task({**task, "model": model})
    with pytest.raises(TaskError, match="dict has no fit"):
        check_task({**task, "model": {"class": "dict", "module_path": "builtins"}})


def test_a_misspelt_key_is_refused_and_another_word_is_not(task):
    with pytest.raises(TaskError, match=r"(?s)'records'.*'record'"):
        check_task({**task, "records": task["record"]})
    check_task({**task, "comment": "mine"})


def test_records_come_as_none_one_or_several():
    assert as_list(None) == []
    assert as_list("SignalRecord") == ["SignalRecord"]
    assert as_list({"class": "A"}) == [{"class": "A"}]
    assert as_list(({"class": "A"}, "B")) == [{"class": "A"}, "B"]


def test_tags_carry_segments_as_iso_dates_and_leave_open_ends_out(task):
    tags = run_tags(check_task(edited(task, "dataset.kwargs.segments.test", ("2005-01-03", None))))
    assert tags["train_start"] == "2000-01-03"
    assert tags["valid_end"] == "2004-06-30"
    assert tags["test_start"] == "2005-01-03"
    assert "test_end" not in tags
    assert tags["model"] == "Ridge"
    assert len(tags["task_hash"]) == len(tags["data_hash"]) == 64
    intraday = edited(task, "dataset.kwargs.segments.test", ("2005-01-03 09:30", "2005-01-03 16:00"))
    assert run_tags(check_task(intraday))["test_start"] == "2005-01-03T09:30:00"


def test_a_run_is_named_after_its_model_and_test_segment(task):
    assert run_name(check_task(task)) == "Ridge 2005-01-03..2005-06-30"
    assert run_name(check_task(task), "mine") == "mine"
    assert (
        run_name(check_task(edited(task, "dataset.kwargs.segments.test", ("2005-01-03", None)))) == "Ridge 2005-01-03.."
    )
    del task["dataset"]["kwargs"]["segments"]["test"]
    assert run_name(check_task(task)) is None


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ({"class": "GRU", "module_path": "models.gru"}, "GRU"),
        ({"class": "models.gru.GRU"}, "GRU"),
        ({"class": SklearnModel}, "SklearnModel"),
        ({"class": SklearnModel, "kwargs": {"estimator": Ridge}}, "Ridge"),
        ({"class": SklearnModel, "kwargs": {"estimator": Ridge()}}, "Ridge"),
        (SklearnModel(), "Ridge"),
        ("models.gru.GRU", "GRU"),
    ],
)
def test_model_names(model, name):
    assert model_name(model) == name


def test_params_are_flat_text_with_keys_that_a_store_takes():
    params = run_params(
        {
            "model": {"kwargs": {"alpha": 1.0, "none": None, "empty": {}}},
            "dataset": {"Ref($close, 1)": 1, "Ref(%close, 1)": 2, "day": pd.Timestamp("2005-01-03")},
            "segments": {"train": [dt.date(2000, 1, 3), None], "test": (pd.Timestamp("2005-01-03 09:30"), "x")},
        }
    )
    assert params == {
        "model.kwargs.alpha": "1.0",
        "model.kwargs.none": "None",
        "dataset.Ref__close_ 1_": "1",
        "dataset.Ref__close_ 1__": "2",
        "dataset.day": "2005-01-03",
        "segments.train": "['2000-01-03', None]",
        "segments.test": "('2005-01-03T09:30:00', 'x')",
    }


class FakeRecorder:
    def __init__(self, task, name):
        self.id, self.name, self.tags = task["id"], name, {}

    def set_tags(self, **tags):
        self.tags |= tags


def fake_train(task, experiment_name, recorder_name=None, fail=None):
    if task["id"] == fail:
        raise RuntimeError("boom")
    return FakeRecorder(task, f"{experiment_name}/{recorder_name}")


def test_recorders_come_in_the_order_of_the_tasks_and_are_tagged():
    trainer = TrainerR("exp", train_func=fake_train, default_rec_name="rec")
    recorders = trainer.train([{"id": i} for i in range(4)])
    assert [recorder.id for recorder in recorders] == [0, 1, 2, 3]
    assert {recorder.name for recorder in recorders} == {"exp/rec"}
    assert {recorder.tags[STATUS_KEY] for recorder in recorders} == {"begin_task_train"}
    assert trainer.end_train(recorders) == recorders
    assert {recorder.tags[STATUS_KEY] for recorder in recorders} == {"end_task_train"}
    assert trainer.end_train(recorders[0]) == recorders[:1]


def test_one_task_none_and_calling_the_trainer():
    trainer = TrainerR("exp", train_func=fake_train)
    assert trainer.train([]) == []
    assert [recorder.id for recorder in trainer.train({"id": 7})] == [7]
    (recorder,) = trainer({"id": 7}, experiment_name="other")
    assert recorder.name == "other/None"
    assert recorder.tags[STATUS_KEY] == "end_task_train"


def test_the_first_error_ends_the_batch():
    done = []

    def train(task, experiment_name, recorder_name=None):
        done.append(task["id"])
        return fake_train(task, experiment_name, recorder_name, fail=1)

    with pytest.raises(RuntimeError, match="boom"):
        TrainerR(train_func=train).train([{"id": i} for i in range(3)])
    assert done == [0, 1]


def test_what_a_trainer_is():
    trainer = TrainerR()
    assert isinstance(trainer, Trainer)
    assert (trainer.is_delay(), trainer.has_worker(), trainer.reused) == (False, False, [])
    with pytest.raises(NotImplementedError, match="TrainerR"):
        trainer.worker()


def test_all_tasks_are_checked_before_the_first_is_trained(task):
    bad = edited(copy.deepcopy(task), "model.class", "Missing")
    with pytest.raises(InstantiationError) as caught:
        TrainerR("never").train([task, task, bad])
    assert caught.value.__notes__ == ["in task 2 of 3, counted from 0"]


def test_lines_of_progress_name_the_task_and_the_time_left(capsys):
    with progress_module.reporting(2, True) as report:
        for name in ("Ridge [a]", "Ridge b"):
            report.start(name)
            report.finish()
    first, second = capsys.readouterr().err.splitlines()
    assert re.match(r"Training 1/2: Ridge \[a\] took \d+\.\d s, about 0:\d\d:\d\d left", first)
    assert re.fullmatch(r"Training 2/2: Ridge b took \d+\.\d s", second)


@pytest.mark.parametrize(("total", "progress"), [(2, None), (2, False), (0, True)])
def test_progress_is_silent_when_nobody_looks(capsys, total, progress):
    with progress_module.reporting(total, progress) as report:
        report.start("a")
        report.finish()
    assert capsys.readouterr() == ("", "")


def test_a_terminal_gets_a_bar(monkeypatch):
    screen = io.StringIO()
    monkeypatch.setattr(
        progress_module, "Console", lambda **_: Console(file=screen, force_terminal=True, width=120, color_system=None)
    )
    with progress_module.reporting(2, None) as report:
        report.start("Ridge 2005")
        report.finish()
        report.start("Ridge 2006")
        report.finish()
    assert "Training Ridge 2005" in screen.getvalue()
    assert "2/2" in screen.getvalue()
    assert "ETA" in screen.getvalue()


def test_a_fresh_process_has_the_settings_and_dies_alone(tmp_path):
    with settings.override(uri=f"sqlite:///{tmp_path}/x.db"):
        pid, uri = in_fresh_process(
            eval, "(__import__('os').getpid(), __import__('rollforward').settings.current().uri)"
        )
    assert pid != os.getpid()
    assert uri == f"sqlite:///{tmp_path}/x.db"
    with pytest.raises(ZeroDivisionError):
        in_fresh_process(divmod, 1, 0)
    with pytest.raises(TaskError, match="died"):
        in_fresh_process(os._exit, 3)


CHILD = """
    import os

    class Recorder:
        def __init__(self, task):
            self.id, self.parent_pid, self.pid, self.tags = task["id"], os.getppid(), os.getpid(), {}

        def set_tags(self, **tags):
            self.tags |= tags

    def train(task, experiment_name, recorder_name=None):
        return Recorder(task)
"""


def test_each_task_may_have_a_process_of_its_own_one_level_deep(tmp_path, monkeypatch):
    (tmp_path / "trains_in_child.py").write_text(textwrap.dedent(CHILD))
    monkeypatch.syspath_prepend(str(tmp_path))
    child = importlib.import_module("trains_in_child")
    recorders = TrainerR("exp", train_func=child.train, call_in_subproc=True).train([{"id": i} for i in range(3)])
    assert [recorder.id for recorder in recorders] == [0, 1, 2]
    assert {recorder.parent_pid for recorder in recorders} == {os.getpid()}
    assert len({recorder.pid for recorder in recorders}) == 3
    assert {recorder.tags[STATUS_KEY] for recorder in recorders} == {"begin_task_train"}
